//! Reads the keys of one section.
//!
//! A [`Fields`] is made from a section's table and a value; making it notes
//! unknown and missing keys. Its getters check a value against the kind in the
//! table, put the table's default where nothing is written, and note what does
//! not fit. They answer `None` where there is nothing or nothing usable: a
//! document with a noted problem is never handed out, so a caller may take
//! either for absence.

mod quantities;

use super::diagnostic::{Position, Problems, Spanned, quote};
use super::suggest::did_you_mean;
use super::table::{Key, Kind, Presence, Section};
use super::value::{Entry, Meaning, Node, Scalar, Value};
use super::words::Choice;
use std::collections::HashMap;

/// The keys of a section, as one place in the document has them.
pub(super) struct Fields<'v> {
    section: &'static Section,
    entries: &'v [Entry],
    /// How messages call the place: `streams[0]`; empty at the top.
    path: String,
    position: Position,
    problems: &'v Problems<'v>,
}

/// A key's value, or the table's default for it.
pub(super) enum Written<'v> {
    There(&'v Value),
    Default(Value),
}

impl Written<'_> {
    fn value(&self) -> &Value {
        match self {
            Written::There(value) => value,
            Written::Default(value) => value,
        }
    }
}

impl<'v> Fields<'v> {
    /// Checks the keys of a value. `None` if it is no map, which is noted.
    pub(super) fn new(
        section: &'static Section,
        value: &'v Value,
        path: String,
        position: Position,
        problems: &'v Problems<'v>,
    ) -> Option<Self> {
        let entries = match value.node() {
            Node::Map(entries) => entries.as_slice(),
            _ if value.is_null() => &[],
            _ => {
                let message = format!("{path} must be a map of keys, not {}", value.kind());
                problems.add(value.position(), message);
                return None;
            }
        };
        let fields = Fields {
            section,
            entries,
            path,
            position,
            problems,
        };
        fields.check_names();
        Some(fields)
    }

    /// The problems of the document.
    pub(super) fn problems(&self) -> &'v Problems<'v> {
        self.problems
    }

    /// Where the section stands.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// How messages call the section.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where a key is written, or the section if it is not.
    pub(super) fn position_of(&self, key: &str) -> Position {
        self.entry(key)
            .map_or(self.position, |entry| entry.position)
    }

    /// Whether a key is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    fn entry(&self, key: &str) -> Option<&'v Entry> {
        debug_assert!(self.section.key(key).is_some(), "{key} is in no table");
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// ` in streams[0]`; nothing at the top.
    fn place(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!(" in {}", self.path)
        }
    }

    /// Notes unknown keys and required ones that are missing.
    fn check_names(&self) {
        for entry in self.entries {
            if self.section.key(&entry.key).is_some() {
                continue;
            }
            let message = format!("unknown key {}{}", quote(&entry.key), self.place());
            let help = match entry.key.as_str() {
                "<<" => Some(
                    "YAML 1.2 has no merge keys; write the alias as the value of a key".to_owned(),
                ),
                key => did_you_mean(key, self.section.names()).or_else(|| {
                    Some(format!(
                        "the keys are {}",
                        self.section.names().collect::<Vec<_>>().join(", ")
                    ))
                }),
            };
            self.problems.advise(entry.position, message, help);
        }
        for key in self.section.keys {
            if key.presence == Presence::Required && self.entry(key.name).is_none() {
                let message = format!("missing key \"{}\"{}", key.name, self.place());
                let help = format!("it takes {}", key.kind.expected());
                self.problems.advise(self.position, message, Some(help));
            }
        }
    }

    /// The value of a key, or its default. An empty value is noted, except
    /// where a map or list may be empty.
    fn written(&self, name: &str) -> Option<(&'static Key, Written<'v>)> {
        let key = self.section.key(name)?;
        match (self.entry(name), key.presence) {
            (Some(entry), _) => Some((key, Written::There(&entry.value))),
            (None, Presence::Default(text)) => {
                let scalar = Scalar::plain(text, true);
                let value = Value::new(self.position, Node::Scalar(scalar));
                Some((key, Written::Default(value)))
            }
            (None, _) => None,
        }
    }

    /// Notes that a value is not what its key takes.
    fn mismatch(&self, key: &Key, value: &Value) {
        let mut message = format!(
            "\"{}\"{} must be {}, not ",
            key.name,
            self.place(),
            key.kind.expected()
        );
        message.push_str(&match value.scalar() {
            Some(_) if value.is_null() => "empty".to_owned(),
            Some(scalar) if scalar.meaning == Meaning::Text => value.shown(),
            Some(_) => format!("{} ({})", value.shown(), value.kind()),
            None => value.kind().to_owned(),
        });
        self.problems
            .advise(value.position(), message, advice(key, value));
    }

    /// Notes what is wrong with the value of a key.
    fn refuse(&self, key: &str, value: &Value, reason: &str) {
        let message = format!("\"{key}\"{} is {}: {reason}", self.place(), value.shown());
        self.problems.add(value.position(), message);
    }

    /// Text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<Spanned<String>> {
        let (key, written) = self.written(name)?;
        self.word_like(key, written.value())
    }

    fn word_like(&self, key: &Key, value: &Value) -> Option<Spanned<String>> {
        let Some(text) = value.as_text() else {
            self.mismatch(key, value);
            return None;
        };
        if text.trim().is_empty() {
            self.refuse(key.name, value, "it must not be empty");
            return None;
        }
        if text.contains('\0') {
            self.refuse(key.name, value, "it must not contain a NUL character");
            return None;
        }
        Some(Spanned::new(text.to_owned(), value.position()))
    }

    /// A name that can be part of a file's name.
    pub(super) fn name(&self, name: &str) -> Option<Spanned<String>> {
        let text = self.text(name)?;
        let value = &self.entry(name)?.value;
        let allowed =
            |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        if text.len() > MAX_NAME {
            self.refuse(name, value, "it must not be longer than 128 characters");
        } else if !text.chars().all(allowed) {
            self.refuse(
                name,
                value,
                "it may have letters (a to z), digits, \"_\", \".\" and \"-\"",
            );
        } else if !text.contains(|character: char| character.is_ascii_alphanumeric()) {
            self.refuse(name, value, "it must have a letter or a digit");
        } else {
            return Some(text);
        }
        None
    }

    /// One of the words of a choice.
    pub(super) fn choice<C: Choice>(&self, name: &str) -> Option<C> {
        let (key, written) = self.written(name)?;
        let value = written.value();
        let found = value.scalar().and_then(|scalar| C::from_word(&scalar.text));
        if found.is_none() {
            self.mismatch(key, value);
        }
        found
    }

    /// A text or a list of texts, none twice; empty if nothing is written.
    pub(super) fn texts(&self, name: &str) -> Vec<Spanned<String>> {
        let Some((key, Written::There(value))) = self.written(name) else {
            return Vec::new();
        };
        let items = match value.node() {
            Node::List(items) => items.as_slice(),
            Node::Scalar(_) => std::slice::from_ref(value),
            Node::Map(_) => {
                self.mismatch(key, value);
                return Vec::new();
            }
        };
        let mut texts: Vec<Spanned<String>> = Vec::new();
        let mut seen: HashMap<String, Position> = HashMap::new();
        for item in items {
            let Some(text) = self.word_like(key, item) else {
                continue;
            };
            if let Some(first) = seen.insert(text.value.clone(), text.position) {
                self.refuse(
                    name,
                    item,
                    &format!("it is in the list already, at {first}"),
                );
            } else {
                texts.push(text);
            }
        }
        texts
    }

    /// Texts that are also parsed; what cannot be is noted.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<Spanned<T>> {
        let mut parsed = Vec::new();
        for text in self.texts(name) {
            match parse(&text.value) {
                Ok(value) => parsed.push(Spanned::new(value, text.position)),
                Err(reason) => {
                    let shown = self.shown_at(name, text.position);
                    let message = format!("\"{name}\"{} has {shown}: {reason}", self.place());
                    self.problems.add(text.position, message);
                }
            }
        }
        parsed
    }

    /// The item of a key at a position, for a message.
    fn shown_at(&self, name: &str, position: Position) -> String {
        let value = self.entry(name).map(|entry| &entry.value);
        let items = value.and_then(Value::items).unwrap_or_default();
        let item = items
            .iter()
            .find(|item| item.position() == position)
            .or(value);
        item.map(Value::shown).unwrap_or_default()
    }

    /// The value of a key as it stands.
    pub(super) fn value(&self, name: &str) -> Option<&'v Value> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// A map that a connector defines; without one, the empty map.
    pub(super) fn config(&self, name: &str) -> Option<Value> {
        let key = self.section.key(name)?;
        match self.entry(name) {
            None => Some(Value::empty_map(self.position)),
            Some(entry) if entry.value.is_null() => Some(Value::empty_map(entry.position)),
            Some(entry) if entry.value.entries().is_some() => Some(entry.value.clone()),
            Some(entry) => {
                self.mismatch(key, &entry.value);
                None
            }
        }
    }

    /// A section below this one; without one, its defaults.
    pub(super) fn section(&self, name: &str) -> Option<Fields<'v>> {
        static NOTHING: std::sync::LazyLock<Value> =
            std::sync::LazyLock::new(|| Value::empty_map(Position::START));
        let Kind::Section(section) = self.section.key(name)?.kind else {
            return None;
        };
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        match self.entry(name) {
            Some(entry) => Fields::new(section, &entry.value, path, entry.position, self.problems),
            None => Fields::new(section, &NOTHING, path, self.position, self.problems),
        }
    }

    /// The items of a list, each with the name that messages give it.
    pub(super) fn items(&self, name: &str) -> Vec<(String, &'v Value)> {
        let Some((key, Written::There(value))) = self.written(name) else {
            return Vec::new();
        };
        match value.node() {
            Node::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (format!("{name}[{index}]"), item))
                .collect(),
            _ if value.is_null() && key.kind.is_collection() => Vec::new(),
            _ => {
                self.mismatch(key, value);
                Vec::new()
            }
        }
    }
}

/// Characters of a pipeline's name.
const MAX_NAME: usize = 128;

/// What to do about a value of the wrong kind.
fn advice(key: &Key, value: &Value) -> Option<String> {
    let scalar = value.scalar()?;
    if let Kind::Word(words) = key.kind {
        let names = words.iter().map(|word| word.name);
        return (scalar.written.is_none()).then(|| did_you_mean(&scalar.text, names))?;
    }
    let textual = matches!(
        key.kind,
        Kind::Text | Kind::Name | Kind::Names | Kind::Paths | Kind::Endpoints | Kind::Variables
    );
    match scalar.meaning {
        Meaning::Boolean(_) if textual => {
            Some(format!("if you mean the text, write \"{}\"", scalar.text))
        }
        Meaning::Null if textual && !scalar.text.is_empty() => {
            Some(format!("if you mean the text, write \"{}\"", scalar.text))
        }
        Meaning::Null => Some("give it a value, or remove the key".to_owned()),
        Meaning::Text if scalar.text.parse::<i64>().is_ok() => Some("remove the quotes".to_owned()),
        _ => None,
    }
}
