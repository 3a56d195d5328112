//! What the tables of keys are made of.
//!
//! [`keys`](super::keys) holds the tables themselves. The decoder, the JSON
//! Schema and the reference in `docs/pipeline.md` all read them: a key exists
//! once, with its kind, its default and its description.

use super::words::Word;

/// A map of the document with a fixed set of keys.
#[derive(Debug)]
pub struct Section {
    /// Its name in the reference: `source.permissions`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
    /// An example, as it stands in a document.
    pub example: &'static str,
}

impl Section {
    /// The key of a name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// How the document writes it.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds where it is not written.
    pub presence: Presence,
    /// What it says, in a sentence or two.
    pub doc: &'static str,
}

/// What holds where a key is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be written.
    Required,
    /// Nothing.
    Optional,
    /// This, as a document would write it.
    Default(&'static str),
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The version of the document's format.
    Version,
    /// A name that can be part of the name of a file.
    Name,
    /// Text that is not empty.
    Text,
    /// One of some words.
    Word(&'static [Word]),
    /// A size in bytes, both ends allowed.
    Size(u64, u64),
    /// A duration in milliseconds, both ends allowed.
    Duration(u64, u64),
    /// A whole number, both ends allowed.
    Count(u64, u64),
    /// A name, or a list of different names.
    Names,
    /// A path, or a list of different paths.
    Paths,
    /// A `host:port`, or a list of them.
    Endpoints,
    /// The name of an environment variable, or a list of them.
    Variables,
    /// `"*"`, or a list of names and sections.
    Streams(&'static Section),
    /// A section.
    Section(&'static Section),
    /// A list of sections.
    Sections(&'static Section),
    /// A map that a connector defines.
    Config,
}

impl Kind {
    /// What it takes, in words for people.
    pub fn expected(&self) -> String {
        match self {
            Kind::Version => "\"1.0\"".to_owned(),
            Kind::Name => "a name of letters, digits, _, . and -".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Word(words) => alternatives(words.iter().map(|word| word.name)),
            Kind::Size(..) => "a size, such as 64 MiB".to_owned(),
            Kind::Duration(..) => "a duration, such as 30s".to_owned(),
            Kind::Count(..) => "a whole number".to_owned(),
            Kind::Names => "a name or a list of names".to_owned(),
            Kind::Paths => "a path or a list of paths".to_owned(),
            Kind::Endpoints => "a host:port or a list of them".to_owned(),
            Kind::Variables => "the name of an environment variable or a list of them".to_owned(),
            Kind::Streams(_) => "\"*\" or a list of streams".to_owned(),
            Kind::Section(_) | Kind::Config => "a map of keys".to_owned(),
            Kind::Sections(_) => "a list of maps".to_owned(),
        }
    }

    /// Whether it takes a map or a list, which may be left empty.
    pub(super) fn is_collection(&self) -> bool {
        matches!(self, Kind::Section(_) | Kind::Sections(_) | Kind::Config)
    }
}

/// `a, b or c`.
pub(super) fn alternatives<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<_> = words.into_iter().collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
