//! What a component shows to the outside: imports, exports, manifest.
//!
//! All of it is read from the bytes; no code of the component runs.

use std::collections::BTreeMap;

use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::manifest::{self, Manifest};
use crate::{Error, Result, Structure};

/// What a component imports and exports, and what it says about itself.
#[derive(Debug, Clone)]
pub struct Surface {
    /// Imported interfaces by full name, with the functions in use.
    pub imports: BTreeMap<String, Structure>,
    /// Exported interfaces by full name. What a component exports under a plain
    /// name of its own is none: tools export such for themselves, componentize-py
    /// what it prepares a component by.
    pub exports: BTreeMap<String, Structure>,
    /// Functions imported at the root rather than in an interface.
    pub root_imports: Vec<String>,
    /// Functions exported at the root.
    pub root_exports: Vec<String>,
    /// Its manifest. Without one it asks for nothing.
    pub manifest: Option<Manifest>,
}

impl Surface {
    /// Reads the surface of a component.
    ///
    /// # Errors
    ///
    /// [`Error::NotAComponent`] where the bytes are something else,
    /// [`Error::Manifest`] where its manifest cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let not_a_component = |reason: String| Error::NotAComponent { reason };
        if bytes.starts_with(b"\0asm") && wasmparser::Parser::is_core_wasm(bytes) {
            return Err(not_a_component(
                "it is a core module; build it for the target wasm32-wasip2".into(),
            ));
        }
        if !wasmparser::Parser::is_component(bytes) {
            return Err(not_a_component("it is not WebAssembly".into()));
        }
        let (resolve, world) = match decode(bytes).map_err(|e| not_a_component(format!("{e:#}")))? {
            DecodedWasm::Component(resolve, world) => (resolve, world),
            DecodedWasm::WitPackage(..) => {
                return Err(not_a_component("it holds interfaces and no code".into()));
            }
        };
        let world = &resolve.worlds[world];
        let (imports, root_imports) = items(&resolve, world.imports.iter());
        let (mut exports, root_exports) = items(&resolve, world.exports.iter());
        exports.retain(|name, _| name.contains(':'));
        Ok(Self {
            imports,
            exports,
            root_imports,
            root_exports,
            manifest: manifest::read(bytes)?,
        })
    }

    /// Whether anything it imports or exports is async, or a stream or future.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.imports
            .values()
            .chain(self.exports.values())
            .any(Structure::waits)
    }
}

fn items<'a>(
    resolve: &Resolve,
    items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> (BTreeMap<String, Structure>, Vec<String>) {
    let mut interfaces = BTreeMap::new();
    let mut root = Vec::new();
    for (key, item) in items {
        let name = resolve.name_world_key(key);
        match item {
            WorldItem::Interface { id, .. } => {
                interfaces.insert(name, Structure::of(resolve, *id));
            }
            WorldItem::Function(_) => root.push(name),
            WorldItem::Type { .. } => {}
        }
    }
    (interfaces, root)
}
