//! What an app exports, as others find it.
//!
//! Invariant: the functions are sorted by name, so that the place of one is the
//! same for every instance of the app.

use wasmtime::component::ComponentExportIndex;

use crate::entry::Counts;
use crate::pool::track;
use crate::{App, Interface, Result};

/// A function that is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// The track of the interface, and the function.
    pub name: String,
    pub counts: Counts,
    pub has_handles: bool,
}

/// The interfaces that an app exports, as others can be wired to them.
pub(super) fn exports(app: &App) -> Result<Vec<Interface>> {
    let exports = app.surface().exports.iter();
    exports
        .map(|(name, structure)| {
            Ok(Interface {
                name: name.parse()?,
                structure: Some(structure.clone()),
            })
        })
        .collect()
}

/// The exported functions of an app by name, and where they are.
pub(super) fn functions(app: &App) -> Vec<(Signature, ComponentExportIndex)> {
    let component = app.component();
    let mut functions = Vec::new();
    for (interface, structure) in &app.surface().exports {
        let Some((_, place)) = component.get_export(None, interface) else {
            continue;
        };
        for function in structure.functions() {
            let Some((_, index)) = component.get_export(Some(&place), function) else {
                continue;
            };
            let signature = Signature {
                name: key(&track(interface), function),
                counts: structure.counts(function),
                has_handles: structure.has_handles(function),
            };
            functions.push((signature, index));
        }
    }
    functions.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    functions
}

/// The functions by name.
pub(super) fn names(signatures: &[Signature]) -> Vec<String> {
    signatures.iter().map(|it| it.name.clone()).collect()
}

/// What a function of an interface is called, whatever the version.
pub(super) fn key(track: &str, function: &str) -> String {
    format!("{track}.{function}")
}
