//! A YAML value that knows where it stands.
//!
//! Invariants: the keys of a map are distinct; a tree has bounded size and
//! depth, because [`syntax`](super::syntax) builds no other; what came from the
//! environment is marked, and neither [`Value::shown`] nor `Debug` prints it.

use super::diagnostic::{Position, quote};
use std::fmt;

/// A value of a document, with its position.
#[derive(Clone, PartialEq)]
pub struct Value {
    position: Position,
    node: Node,
}

/// What a [`Value`] is.
#[derive(Clone, PartialEq)]
pub enum Node {
    /// A single word, number or text.
    Scalar(Scalar),
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of the document.
    Map(Vec<Entry>),
}

/// A key of a map and what it has.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub position: Position,
    /// What the key has.
    pub value: Value,
}

/// A scalar: its text, and what YAML makes of it.
#[derive(Clone, PartialEq)]
pub struct Scalar {
    /// What it means under the core schema of YAML 1.2.
    pub meaning: Meaning,
    /// The text, variables substituted.
    pub text: String,
    /// How the document writes it, if variables were substituted.
    pub written: Option<String>,
}

/// What a scalar means under the core schema of YAML 1.2.2, section 10.3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// Nothing: an empty value, `null` or `~`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Number(f64),
    /// Text.
    Text,
}

impl Value {
    /// A value at a place.
    pub(super) fn new(position: Position, node: Node) -> Self {
        Value { position, node }
    }

    /// The map without keys, standing for a key that is not there.
    pub(super) fn empty_map(position: Position) -> Self {
        Value::new(position, Node::Map(Vec::new()))
    }

    /// The same value at another place.
    pub(super) fn moved(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// How many lists and maps are inside one another, this one included.
    pub(super) fn depth(&self) -> usize {
        let inner =
            |values: &mut dyn Iterator<Item = &Value>| values.map(Value::depth).max().unwrap_or(0);
        match &self.node {
            Node::Scalar(_) => 0,
            Node::List(items) => 1 + inner(&mut items.iter()),
            Node::Map(entries) => 1 + inner(&mut entries.iter().map(|entry| &entry.value)),
        }
    }

    /// Where the value stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// What it is.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The entries, if this is a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.node {
            Node::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn items(&self) -> Option<&[Value]> {
        match &self.node {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// The scalar, if this is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.node {
            Node::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The entry of a key, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Whether it is an empty value, `null` or `~`.
    pub fn is_null(&self) -> bool {
        self.scalar()
            .is_some_and(|scalar| scalar.meaning == Meaning::Null)
    }

    /// The text of a scalar that can be meant as text; see [`Scalar::as_text`].
    pub fn as_text(&self) -> Option<&str> {
        self.scalar().and_then(Scalar::as_text)
    }

    /// The value for an error message: quoted and short, with `${NAME}` in the
    /// place of what came from the environment.
    pub fn shown(&self) -> String {
        match &self.node {
            Node::Scalar(scalar) => scalar.shown(),
            Node::List(_) => "a list".to_owned(),
            Node::Map(_) => "a map".to_owned(),
        }
    }

    /// What kind of value it is, for "must be …, not …".
    pub fn kind(&self) -> &'static str {
        match &self.node {
            Node::Scalar(scalar) => match scalar.meaning {
                Meaning::Null => "an empty value",
                Meaning::Boolean(_) => "true or false",
                Meaning::Integer(_) | Meaning::Number(_) => "a number",
                Meaning::Text => "text",
            },
            Node::List(_) => "a list",
            Node::Map(_) => "a map",
        }
    }

    /// The value as JSON. Numbers that JSON does not have become text.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.node {
            Node::Scalar(scalar) => scalar.to_json(),
            Node::List(items) => items.iter().map(Value::to_json).collect(),
            Node::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }
}

impl Scalar {
    /// A scalar as the document has it; `plain` if it has no quotes.
    pub(super) fn plain(text: &str, plain: bool) -> Self {
        let meaning = if plain {
            Meaning::of_plain(text)
        } else {
            Meaning::Text
        };
        Scalar {
            meaning,
            text: text.to_owned(),
            written: None,
        }
    }

    /// The text, if it can be meant as text: it is text, a number (`01234` is
    /// a fine password), or comes from the environment, where nobody can write
    /// quotation marks. A literal `true` or an empty value is not.
    pub fn as_text(&self) -> Option<&str> {
        match self.meaning {
            Meaning::Null | Meaning::Boolean(_) if self.written.is_none() => None,
            _ => Some(&self.text),
        }
    }

    /// What it means, also between quotes if it comes from the environment:
    /// within `[ ]` and `{ }`, a variable cannot stand without them.
    pub(super) fn loose_meaning(&self) -> Meaning {
        match self.written {
            Some(_) if self.meaning == Meaning::Text => Meaning::of_plain(&self.text),
            _ => self.meaning,
        }
    }

    /// The scalar for an error message.
    pub(super) fn shown(&self) -> String {
        match (&self.written, self.meaning) {
            (Some(written), _) => written.clone(),
            (None, Meaning::Null) if self.text.is_empty() => "an empty value".to_owned(),
            (None, Meaning::Text) => quote(&self.text),
            (None, _) => self.text.clone(),
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let text = || serde_json::Value::from(self.text.as_str());
        match self.meaning {
            Meaning::Null => serde_json::Value::Null,
            Meaning::Boolean(value) => value.into(),
            Meaning::Integer(value) => value.into(),
            Meaning::Number(value) => {
                serde_json::Number::from_f64(value).map_or_else(text, serde_json::Value::Number)
            }
            Meaning::Text => text(),
        }
    }
}

impl Meaning {
    /// What a plain scalar means.
    pub(super) fn of_plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
            "true" | "True" | "TRUE" => Meaning::Boolean(true),
            "false" | "False" | "FALSE" => Meaning::Boolean(false),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
                Meaning::Number(f64::INFINITY)
            }
            "-.inf" | "-.Inf" | "-.INF" => Meaning::Number(f64::NEG_INFINITY),
            ".nan" | ".NaN" | ".NAN" => Meaning::Number(f64::NAN),
            _ => integer(text)
                .map(Meaning::Integer)
                .or_else(|| number(text))
                .unwrap_or(Meaning::Text),
        }
    }
}

/// `12`, `-12`, `+12`, `0o14`, `0xC`.
fn integer(text: &str) -> Option<i64> {
    let radix = |digits: &str, radix| {
        let sound = digits.chars().all(|digit| digit.is_digit(radix));
        sound.then(|| i64::from_str_radix(digits, radix).ok())?
    };
    match text.get(..2) {
        Some("0x") => radix(&text[2..], 16),
        Some("0o") => radix(&text[2..], 8),
        _ => text.parse().ok(),
    }
}

/// `1.5`, `1e3`, `-.5`: digits, a point, a sign, an exponent and nothing else.
fn number(text: &str) -> Option<Meaning> {
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let sound = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    (digits && sound).then(|| text.parse().ok().map(Meaning::Number))?
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Scalar(scalar) => f.write_str(&scalar.shown()),
            Node::List(items) => f.debug_list().entries(items).finish(),
            Node::Map(entries) => f
                .debug_map()
                .entries(entries.iter().map(|entry| (&entry.key, &entry.value)))
                .finish(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        assert_eq!(Meaning::of_plain("0x1F"), Meaning::Integer(31));
        assert_eq!(Meaning::of_plain("0o17"), Meaning::Integer(15));
        assert_eq!(Meaning::of_plain("+7"), Meaning::Integer(7));
        assert_eq!(Meaning::of_plain("1e3"), Meaning::Number(1000.0));
        assert_eq!(Meaning::of_plain("1.0"), Meaning::Number(1.0));
        assert_eq!(Meaning::of_plain("TRUE"), Meaning::Boolean(true));
        assert_eq!(Meaning::of_plain("~"), Meaning::Null);
        for text in [
            "yes", "0x", "0x-1", "inf", "nan", "1_000", "e", "-", "é", "0é",
        ] {
            assert_eq!(Meaning::of_plain(text), Meaning::Text, "{text}");
        }
    }
}
