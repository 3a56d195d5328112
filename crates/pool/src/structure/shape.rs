//! The shapes of types.
//!
//! Invariant: a shape says all that two ends of a call must agree on, and
//! nothing else: aliases are followed, and a resource of another interface is
//! told by that one's name.

use wit_parser::{
    Function, FunctionKind, Handle, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner,
};

use crate::pool::track;

/// The shape of a type: a word and its parts, each with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub word: String,
    pub parts: Vec<(String, Shape)>,
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

    pub fn write(&self, text: &mut String) {
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

/// The way to where two shapes differ, what is wanted there, and what is found.
pub(super) fn difference(wanted: &Shape, found: &Shape) -> Option<(Vec<String>, String, String)> {
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

/// What an interface refers to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub resolve: &'a Resolve,
    pub interface: InterfaceId,
}

impl Scope<'_> {
    /// The type that an alias stands for.
    pub fn original(self, mut id: TypeId) -> TypeId {
        while let TypeDefKind::Type(Type::Id(next)) = self.resolve.types[id].kind {
            id = next;
        }
        id
    }

    /// The track of the interface that defines a type, if it is another one.
    pub fn definer(self, id: TypeId) -> Option<String> {
        match self.resolve.types[self.original(id)].owner {
            TypeOwner::Interface(owner) if owner != self.interface => {
                self.resolve.id_of(owner).map(|name| track(&name))
            }
            _ => None,
        }
    }

    /// The name of a type where it is defined.
    pub fn name(self, id: TypeId) -> String {
        let definition = &self.resolve.types[self.original(id)];
        definition.name.clone().unwrap_or_default()
    }

    /// A resource, with its interface if that is another one.
    fn resource(self, id: TypeId) -> String {
        match self.definer(id) {
            Some(interface) => format!("{interface}.{}", self.name(id)),
            None => self.name(id),
        }
    }

    /// The function of an interface.
    pub fn function(self, function: &Function) -> Shape {
        let word = match function.kind {
            FunctionKind::AsyncFreestanding
            | FunctionKind::AsyncMethod(_)
            | FunctionKind::AsyncStatic(_) => "async func",
            _ => "func",
        };
        let mut parts: Vec<_> = function
            .params
            .iter()
            .map(|param| (format!("param {}", param.name), self.shape(&param.ty)))
            .collect();
        if let Some(result) = &function.result {
            parts.push(("result".into(), self.shape(result)));
        }
        Shape::with(word, parts)
    }

    fn optional(self, name: &str, ty: Option<&Type>) -> Vec<(String, Shape)> {
        ty.map(|ty| (name.to_owned(), self.shape(ty)))
            .into_iter()
            .collect()
    }

    /// WIT has no recursive types, so this ends.
    fn shape(self, ty: &Type) -> Shape {
        let Type::Id(id) = ty else {
            return Shape::leaf(primitive(ty));
        };
        let def = &self.resolve.types[*id];
        match &def.kind {
            TypeDefKind::Type(ty) => self.shape(ty),
            TypeDefKind::Resource => Shape::leaf("resource"),
            TypeDefKind::Handle(Handle::Own(id)) => {
                Shape::leaf(format!("own<{}>", self.resource(*id)))
            }
            TypeDefKind::Handle(Handle::Borrow(id)) => {
                Shape::leaf(format!("borrow<{}>", self.resource(*id)))
            }
            TypeDefKind::Record(record) => Shape::with(
                "record",
                record
                    .fields
                    .iter()
                    .map(|field| (format!("field {}", field.name), self.shape(&field.ty)))
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
                            Some(ty) => self.shape(ty),
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
                    .map(|(i, ty)| (format!("element {i}"), self.shape(ty)))
                    .collect(),
            ),
            TypeDefKind::Option(ty) => Shape::with("option", self.optional("some", Some(ty))),
            TypeDefKind::Result(result) => {
                let mut parts = self.optional("ok", result.ok.as_ref());
                parts.extend(self.optional("error", result.err.as_ref()));
                Shape::with("result", parts)
            }
            TypeDefKind::List(ty) => Shape::with("list", self.optional("element", Some(ty))),
            TypeDefKind::FixedLengthList(ty, length) => Shape::with(
                &format!("list of {length}"),
                self.optional("element", Some(ty)),
            ),
            TypeDefKind::Map(key, value) => Shape::with(
                "map",
                vec![
                    ("key".into(), self.shape(key)),
                    ("value".into(), self.shape(value)),
                ],
            ),
            TypeDefKind::Future(ty) => Shape::with("future", self.optional("value", ty.as_ref())),
            TypeDefKind::Stream(ty) => Shape::with("stream", self.optional("element", ty.as_ref())),
            TypeDefKind::Unknown => Shape::leaf("unknown"),
        }
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
