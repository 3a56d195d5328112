//! The structure of an interface: what its functions take and give.
//!
//! Two interfaces are the same if they have the same functions of the same
//! types, whatever their type aliases are called. Invariant: a structure is
//! finite and closed; it refers to resources by name and to nothing else.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};
use wit_parser::{Function, FunctionKind, Handle, InterfaceId, Resolve, Type, TypeDefKind};

/// The functions of an interface with their types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Structure {
    functions: BTreeMap<String, Shape>,
}

/// The shape of a type: a word and its parts, each with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    word: String,
    parts: Vec<(String, Shape)>,
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
        let functions = resolve.interfaces[interface]
            .functions
            .iter()
            .map(|(name, function)| (name.clone(), function_shape(resolve, function)))
            .collect();
        Self { functions }
    }

    /// The same with some of the functions only.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let functions = self.functions.clone().into_iter();
        Self {
            functions: functions
                .filter(|(name, _)| names.contains(&name.as_str()))
                .collect(),
        }
    }

    /// The names of the functions, as WIT encodes them.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// Whether there is nothing to call: an interface of types alone gives
    /// nothing and needs no provider.
    #[must_use]
    pub fn is_types_only(&self) -> bool {
        self.functions.is_empty()
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

    /// The first function that cannot be called in another store, with what of
    /// it stays in its own: resources, streams and futures, and waiting.
    #[must_use]
    pub fn stuck(&self) -> Option<(&str, &str)> {
        fn stuck(shape: &Shape) -> Option<&str> {
            let word = shape.word.as_str();
            let stays = matches!(word, "async func" | "stream" | "future" | "error-context")
                || ["own<", "borrow<", "resource "]
                    .iter()
                    .any(|it| word.starts_with(it));
            match stays {
                true => Some(word),
                false => shape.parts.iter().find_map(|(_, part)| stuck(part)),
            }
        }
        let mut functions = self.functions.iter();
        functions.find_map(|(name, shape)| Some((name.as_str(), stuck(shape)?)))
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

impl Shape {
    fn leaf(word: impl Into<String>) -> Self {
        Self {
            word: word.into(),
            parts: Vec::new(),
        }
    }

    fn with(word: &str, parts: Vec<(String, Self)>) -> Self {
        Self {
            word: word.into(),
            parts,
        }
    }

    fn write(&self, text: &mut String) {
        text.push_str(&self.word);
        if !self.parts.is_empty() {
            text.push('(');
            for (name, part) in &self.parts {
                text.push_str(name);
                text.push(':');
                part.write(text);
                text.push(',');
            }
            text.push(')');
        }
    }
}

fn difference(wanted: &Shape, found: &Shape) -> Option<(Vec<String>, String, String)> {
    if wanted.word != found.word {
        return Some((Vec::new(), wanted.word.clone(), found.word.clone()));
    }
    for (index, (name, part)) in wanted.parts.iter().enumerate() {
        match found.parts.get(index) {
            None => return Some((vec![name.clone()], part.word.clone(), "nothing".into())),
            Some((other, _)) if other != name => {
                return Some((Vec::new(), name.clone(), other.clone()));
            }
            Some((_, other)) => {
                if let Some((mut path, wanted, found)) = difference(part, other) {
                    path.insert(0, name.clone());
                    return Some((path, wanted, found));
                }
            }
        }
    }
    let (name, part) = found.parts.get(wanted.parts.len())?;
    Some((vec![name.clone()], "nothing".into(), part.word.clone()))
}

fn function_shape(resolve: &Resolve, function: &Function) -> Shape {
    let word = match function.kind {
        FunctionKind::AsyncFreestanding
        | FunctionKind::AsyncMethod(_)
        | FunctionKind::AsyncStatic(_) => "async func",
        _ => "func",
    };
    let mut parts: Vec<_> = function
        .params
        .iter()
        .map(|param| (format!("param {}", param.name), shape(resolve, &param.ty)))
        .collect();
    if let Some(result) = &function.result {
        parts.push(("result".into(), shape(resolve, result)));
    }
    Shape::with(word, parts)
}

fn optional(resolve: &Resolve, name: &str, ty: Option<&Type>) -> Vec<(String, Shape)> {
    ty.map(|ty| (name.to_owned(), shape(resolve, ty)))
        .into_iter()
        .collect()
}

/// WIT has no recursive types, so this ends.
fn shape(resolve: &Resolve, ty: &Type) -> Shape {
    let Type::Id(id) = ty else {
        return Shape::leaf(primitive(ty));
    };
    let def = &resolve.types[*id];
    let name_of = |id: &wit_parser::TypeId| {
        let mut id = *id;
        while let TypeDefKind::Type(Type::Id(next)) = resolve.types[id].kind {
            id = next;
        }
        resolve.types[id].name.clone().unwrap_or_default()
    };
    match &def.kind {
        TypeDefKind::Type(ty) => shape(resolve, ty),
        TypeDefKind::Resource => Shape::leaf(format!("resource {}", name_of(id))),
        TypeDefKind::Handle(Handle::Own(id)) => Shape::leaf(format!("own<{}>", name_of(id))),
        TypeDefKind::Handle(Handle::Borrow(id)) => Shape::leaf(format!("borrow<{}>", name_of(id))),
        TypeDefKind::Record(record) => Shape::with(
            "record",
            record
                .fields
                .iter()
                .map(|field| (format!("field {}", field.name), shape(resolve, &field.ty)))
                .collect(),
        ),
        TypeDefKind::Flags(flags) => Shape::with(
            "flags",
            flags
                .flags
                .iter()
                .map(|flag| (flag.name.clone(), Shape::leaf("flag")))
                .collect(),
        ),
        TypeDefKind::Enum(cases) => Shape::with(
            "enum",
            cases
                .cases
                .iter()
                .map(|case| (case.name.clone(), Shape::leaf("case")))
                .collect(),
        ),
        TypeDefKind::Variant(variant) => Shape::with(
            "variant",
            variant
                .cases
                .iter()
                .map(|case| {
                    let payload = match &case.ty {
                        Some(ty) => shape(resolve, ty),
                        None => Shape::leaf("case"),
                    };
                    (format!("case {}", case.name), payload)
                })
                .collect(),
        ),
        TypeDefKind::Tuple(tuple) => Shape::with(
            "tuple",
            tuple
                .types
                .iter()
                .enumerate()
                .map(|(i, ty)| (format!("element {i}"), shape(resolve, ty)))
                .collect(),
        ),
        TypeDefKind::Option(ty) => Shape::with("option", optional(resolve, "some", Some(ty))),
        TypeDefKind::Result(result) => {
            let mut parts = optional(resolve, "ok", result.ok.as_ref());
            parts.extend(optional(resolve, "error", result.err.as_ref()));
            Shape::with("result", parts)
        }
        TypeDefKind::List(ty) => Shape::with("list", optional(resolve, "element", Some(ty))),
        TypeDefKind::FixedLengthList(ty, length) => Shape::with(
            &format!("list of {length}"),
            optional(resolve, "element", Some(ty)),
        ),
        TypeDefKind::Map(key, value) => Shape::with(
            "map",
            vec![
                ("key".into(), shape(resolve, key)),
                ("value".into(), shape(resolve, value)),
            ],
        ),
        TypeDefKind::Future(ty) => Shape::with("future", optional(resolve, "value", ty.as_ref())),
        TypeDefKind::Stream(ty) => Shape::with("stream", optional(resolve, "element", ty.as_ref())),
        TypeDefKind::Unknown => Shape::leaf("unknown"),
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(_) => "type",
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
