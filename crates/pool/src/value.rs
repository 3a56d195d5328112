//! Values that functions take and give when their types are not known while the
//! caller is compiled.
//!
//! Invariant: a value by itself has no type. Parts are told by their place, and
//! whoever takes a value compares it with the type that is wanted there.

use crate::Resource;

/// A value of the component model.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "scalars, by the names that WIT has for them")]
pub enum Value {
    Bool(bool),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    S8(i8),
    S16(i16),
    S32(i32),
    S64(i64),
    F32(f32),
    F64(f64),
    Char(char),
    String(String),
    /// `list<u8>`.
    Bytes(Vec<u8>),
    /// A list of anything but `u8`; also one of fixed length, and a map, whose
    /// elements are records of a key and a value.
    List(Vec<Value>),
    /// A record or a tuple: its fields in order.
    Record(Vec<Value>),
    /// A variant or an enum: the place of the case, and what it carries.
    Variant(u32, Option<Box<Value>>),
    Option(Option<Box<Value>>),
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// The flags that are set: 32 to a word, the first one lowest.
    Flags(Vec<u32>),
    /// A resource that is handed over.
    Own(Resource),
    /// A resource that is lent for the time of a call.
    Borrow(Resource),
}

impl Value {
    /// `some`.
    #[must_use]
    pub fn some(value: Self) -> Self {
        Self::Option(Some(Box::new(value)))
    }

    /// `none`.
    #[must_use]
    pub fn none() -> Self {
        Self::Option(None)
    }

    /// `ok`, with what it carries.
    #[must_use]
    pub fn ok(value: Option<Self>) -> Self {
        Self::Result(Ok(value.map(Box::new)))
    }

    /// `error`, with what it carries.
    #[must_use]
    pub fn error(value: Option<Self>) -> Self {
        Self::Result(Err(value.map(Box::new)))
    }

    /// The name that WIT has for its type, if it is a scalar or a string.
    pub(crate) fn scalar(&self) -> Option<&'static str> {
        match self {
            Self::Bool(_)
            | Self::U8(_)
            | Self::U16(_)
            | Self::U32(_)
            | Self::U64(_)
            | Self::S8(_)
            | Self::S16(_)
            | Self::S32(_)
            | Self::S64(_)
            | Self::F32(_)
            | Self::F64(_)
            | Self::Char(_)
            | Self::String(_) => self.word().rsplit(' ').next(),
            _ => None,
        }
    }

    /// What it is, for errors.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::U8(_) => "a u8",
            Self::U16(_) => "a u16",
            Self::U32(_) => "a u32",
            Self::U64(_) => "a u64",
            Self::S8(_) => "an s8",
            Self::S16(_) => "an s16",
            Self::S32(_) => "an s32",
            Self::S64(_) => "an s64",
            Self::F32(_) => "an f32",
            Self::F64(_) => "an f64",
            Self::Char(_) => "a char",
            Self::String(_) => "a string",
            Self::Bytes(_) => "a list of bytes",
            Self::List(_) => "a list",
            Self::Record(_) => "a record",
            Self::Variant(..) => "a variant",
            Self::Option(_) => "an option",
            Self::Result(_) => "a result",
            Self::Flags(_) => "flags",
            Self::Own(_) => "a resource",
            Self::Borrow(_) => "a resource that is lent",
        }
    }
}

macro_rules! scalars {
    ($($variant:ident $rust:ty,)*) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

scalars! {
    Bool bool, U8 u8, U16 u16, U32 u32, U64 u64, S8 i8, S16 i16, S32 i32, S64 i64, F32 f32,
    F64 f64, Char char, String String, Bytes Vec<u8>,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}
