//! The structure of an interface: what its functions take and give.
//!
//! Two interfaces are the same if they have the same functions of the same
//! types, whatever their type aliases are called. Invariant: a structure is
//! finite and closed; it refers to resources by name and to nothing else.

mod passing;
mod shape;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};
use wit_parser::{InterfaceId, Resolve, TypeDefKind};

use crate::InterfaceName;

pub(crate) use passing::Room;
use shape::{Scope, Shape, difference};

/// The functions of an interface with their types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Structure {
    functions: BTreeMap<String, Shape>,
    /// The resources it defines, and those of others that it uses.
    resources: BTreeMap<String, Definition>,
}

/// Where a resource is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Definition {
    Here,
    /// In another interface, under a name of that one's.
    There {
        track: String,
        name: String,
    },
}

impl Definition {
    /// The interface, by its track, and the name there.
    pub fn of<'a>(&'a self, here: &InterfaceName, name: &'a str) -> (String, &'a str) {
        match self {
            Self::Here => (here.track(), name),
            Self::There { track, name } => (track.clone(), name),
        }
    }
}

/// Where two structures differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The function, as WIT encodes its name: `[method]file.read`.
    pub function: String,
    /// The way to the mismatch within the function: `param data, element`.
    pub path: Vec<String>,
    /// What the importer has there, and what the provider has.
    pub wanted: String,
    /// What the provider has.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        for step in &self.path {
            write!(f, ", {step}")?;
        }
        write!(f, ": wants {}, found {}", self.wanted, self.found)
    }
}

impl Structure {
    /// The structure of an interface that a resolver has read.
    #[must_use]
    pub fn of(resolve: &Resolve, interface: InterfaceId) -> Self {
        let scope = Scope { resolve, interface };
        let definition = &resolve.interfaces[interface];
        let functions = definition.functions.iter();
        let resources = definition.types.iter().filter(|(_, id)| {
            let original = &resolve.types[scope.original(**id)];
            matches!(original.kind, TypeDefKind::Resource)
        });
        Self {
            functions: functions
                .map(|(name, function)| (name.clone(), scope.function(function)))
                .collect(),
            resources: resources
                .map(|(name, id)| {
                    let definition = match scope.definer(*id) {
                        None => Definition::Here,
                        Some(track) => Definition::There {
                            track,
                            name: scope.name(*id),
                        },
                    };
                    (name.clone(), definition)
                })
                .collect(),
        }
    }

    /// The same with some of the functions only.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let functions = self.functions.clone().into_iter();
        Self {
            functions: functions
                .filter(|(name, _)| names.contains(&name.as_str()))
                .collect(),
            resources: self.resources.clone(),
        }
    }

    /// The names of the functions, as WIT encodes them.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// The resources that it defines or uses.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, &Definition)> {
        self.resources.iter().map(|(name, it)| (name.as_str(), it))
    }

    /// Whether there is nothing to call: an interface of types alone, without
    /// resources, gives nothing and needs no provider.
    #[must_use]
    pub fn is_types_only(&self) -> bool {
        self.functions.is_empty() && self.resources.is_empty()
    }

    /// Whether any function is async, or takes or gives a stream or a future.
    #[must_use]
    pub fn waits(&self) -> bool {
        fn waits(shape: &Shape) -> bool {
            matches!(shape.word.as_str(), "async func" | "stream" | "future")
                || shape.parts.iter().any(|(_, part)| waits(part))
        }
        self.functions.values().any(waits)
    }

    /// What stands in the way of wiring an import of this structure to a
    /// provider of another: the first function that the provider does not
    /// have in just this shape. Functions that are not imported don't matter.
    #[must_use]
    pub fn missing_from(&self, provider: &Self) -> Option<Difference> {
        self.functions.iter().find_map(|(name, wanted)| {
            let Some(found) = provider.functions.get(name) else {
                return Some(Difference {
                    function: name.clone(),
                    path: Vec::new(),
                    wanted: "the function".into(),
                    found: "none of that name".into(),
                });
            };
            let (path, wanted, found) = difference(wanted, found)?;
            Some(Difference {
                function: name.clone(),
                path,
                wanted,
                found,
            })
        })
    }

    /// A hash that two ends of a link can compare: SHA-256 over the canonical
    /// text of the structure.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut text = String::new();
        for (name, shape) in &self.functions {
            text.push_str(name);
            text.push('=');
            shape.write(&mut text);
            text.push('\n');
        }
        Sha256::digest(text.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(body: &str) -> Structure {
        let mut resolve = Resolve::default();
        let package = resolve
            .push_str(
                "test.wit",
                &format!("package a:b;\ninterface i {{ {body} }}"),
            )
            .unwrap();
        let interface = resolve.packages[package].interfaces["i"];
        Structure::of(&resolve, interface)
    }

    #[test]
    fn interfaces_are_the_same_by_structure_not_by_alias() {
        let one = structure("record p { x: u32 } f: func(a: p) -> list<u8>;");
        let other = structure("record q { x: u32 } type bytes = list<u8>; f: func(a: q) -> bytes;");
        assert_eq!(one, other);
        assert_eq!(one.hash(), other.hash());
    }

    #[test]
    fn a_mismatch_names_the_function_and_the_way_to_it() {
        let wanted = structure("record p { x: u32 } f: func(a: list<p>);");
        let found = structure("record p { x: u64 } f: func(a: list<p>);");
        assert_ne!(wanted.hash(), found.hash());
        let difference = wanted.missing_from(&found).unwrap();
        assert_eq!(
            difference.to_string(),
            "f, param a, element, field x: wants u32, found u64"
        );
    }

    #[test]
    fn functions_that_are_not_imported_do_not_matter() {
        let wanted = structure("f: func();");
        let found = structure("f: func(); g: func();");
        assert_eq!(wanted.missing_from(&found), None);
        let difference = found.missing_from(&wanted).unwrap();
        assert_eq!(difference.function, "g");
    }

    #[test]
    fn async_functions_streams_and_futures_wait() {
        assert!(!structure("f: func(a: u32) -> string;").waits());
        assert!(structure("f: async func();").waits());
        assert!(structure("f: func() -> stream<u8>;").waits());
        assert!(structure("f: func(a: option<future<u8>>);").waits());
    }
}
