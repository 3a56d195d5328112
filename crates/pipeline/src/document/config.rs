//! A connector's configuration against the options that it declares.
//!
//! The host checks a configuration before the connector sees it, so an error
//! points at the document. The result holds every option that is written or
//! has a default, and no other key. Paths are not resolved here: the value of
//! an option that names files is a list of texts as written, and
//! [`Value::entry`] of the configuration tells where each stands.

use super::diagnostic::{Diagnostic, Diagnostics, Position, Problems, quote};
use super::redact::Redactor;
use super::suggest::did_you_mean;
use super::table::alternatives;
use super::value::{Meaning, Node, Scalar, Value};
use serde_json::{Map, Value as Json};

/// One key of a connector's configuration, as the connector declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionSpec {
    /// How the document writes it.
    pub name: String,
    /// How its value is written.
    pub kind: OptionKind,
    /// Whether it must be written.
    pub required: bool,
    /// What holds where the document is silent.
    pub default: Option<Json>,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// Whether another value means another source or destination.
    pub identity: bool,
    /// One sentence for people.
    pub doc: String,
}

/// How the value of an option is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Choice(Vec<String>),
    /// A text, or a list of texts. Checked, it is a list.
    Texts,
    /// Names and texts.
    Mapping,
    /// Files to read: a path, a glob, or a list of either. Checked, it is a
    /// list that is not empty.
    Files,
    /// A folder to write to: a path.
    Directory,
}

impl OptionKind {
    /// What it takes, in words for people.
    pub fn expected(&self) -> String {
        match self {
            OptionKind::Text => "text".to_owned(),
            OptionKind::Integer => "a whole number".to_owned(),
            OptionKind::Number => "a number".to_owned(),
            OptionKind::Boolean => "true or false".to_owned(),
            OptionKind::Choice(words) => alternatives(words.iter().map(String::as_str)),
            OptionKind::Texts => "text or a list of texts".to_owned(),
            OptionKind::Mapping => "a map of names and texts".to_owned(),
            OptionKind::Files => "a path, a pattern, or a list of them".to_owned(),
            OptionKind::Directory => "the path of a folder".to_owned(),
        }
    }
}

/// Checks a configuration, and fills in the defaults.
///
/// `document` is the name of the document, `connector` what errors call the
/// connector.
///
/// # Errors
/// All that does not fit: unknown keys with the nearest option, missing
/// options, values of the wrong kind. The value of a secret option is not in
/// them.
pub fn check_config(
    document: &str,
    connector: &str,
    config: &Value,
    options: &[OptionSpec],
) -> Result<Map<String, Json>, Diagnostics> {
    let problems = Problems::new(document);
    let check = Check {
        connector,
        problems: &problems,
    };
    let entries = config.entries().unwrap_or_default();
    for entry in entries
        .iter()
        .filter(|entry| !options.iter().any(|option| option.name == entry.key))
    {
        check.unknown(&entry.key, entry.position, options);
    }
    let mut map = Map::new();
    for option in options {
        match config.get(&option.name) {
            Some(value) if value.is_null() && !option.required && value.as_text().is_none() => {
                map.extend(
                    option
                        .default
                        .clone()
                        .map(|default| (option.name.clone(), default)),
                );
            }
            Some(value) => {
                map.extend(
                    check
                        .value(option, value)
                        .map(|json| (option.name.clone(), json)),
                );
            }
            None if option.required && option.default.is_none() => {
                check.missing(option, config.position())
            }
            None => map.extend(
                option
                    .default
                    .clone()
                    .map(|default| (option.name.clone(), default)),
            ),
        }
    }
    match problems.finish() {
        Some(found) => Err(found),
        None => Ok(map),
    }
}

/// The values that make this source or destination the one it is; never a
/// secret.
pub fn config_identity(checked: &Map<String, Json>, options: &[OptionSpec]) -> Map<String, Json> {
    let identifying = options
        .iter()
        .filter(|option| option.identity && !option.secret);
    identifying
        .filter_map(|option| Some((option.name.clone(), checked.get(&option.name)?.clone())))
        .collect()
}

/// Hides the values of secret options. Those that are too short to be hidden
/// are told, each by a diagnostic that can be shown as a warning.
pub fn hide_secrets(
    document: &str,
    config: &Value,
    options: &[OptionSpec],
    redactor: &mut Redactor,
) -> Vec<Diagnostic> {
    let mut short = Vec::new();
    for option in options.iter().filter(|option| option.secret) {
        let Some(value) = config.get(&option.name) else {
            continue;
        };
        for text in texts_within(value) {
            if !text.is_empty() && !redactor.add(text) {
                let message = format!(
                    "the value of {} is too short to be kept out of messages",
                    quote(&option.name)
                );
                short.push(Diagnostic::new(document, value.position(), message));
            }
        }
    }
    short
}

/// Every scalar's text within a value.
fn texts_within(value: &Value) -> Vec<&str> {
    match value.node() {
        Node::Scalar(scalar) => vec![&scalar.text],
        Node::List(items) => items.iter().flat_map(texts_within).collect(),
        Node::Map(entries) => entries
            .iter()
            .flat_map(|entry| texts_within(&entry.value))
            .collect(),
    }
}

struct Check<'c> {
    connector: &'c str,
    problems: &'c Problems<'c>,
}

impl Check<'_> {
    fn unknown(&self, key: &str, position: Position, options: &[OptionSpec]) {
        let names = || options.iter().map(|option| option.name.as_str());
        let message = format!(
            "unknown key {} in the config of {}",
            quote(key),
            self.connector
        );
        let all = || match options {
            [] => "it takes no configuration".to_owned(),
            _ => format!("the keys are {}", names().collect::<Vec<_>>().join(", ")),
        };
        let help = did_you_mean(key, names()).unwrap_or_else(all);
        self.problems.advise(position, message, Some(help));
    }

    fn missing(&self, option: &OptionSpec, position: Position) {
        let message = format!(
            "missing key \"{}\" in the config of {}",
            option.name, self.connector
        );
        let help = format!("it takes {}: {}", option.kind.expected(), option.doc);
        self.problems.advise(
            position,
            message,
            Some(help.trim_end_matches([':', ' ', '.']).to_owned()),
        );
    }

    /// Notes that a value does not fit. A secret is not shown.
    fn mismatch(&self, option: &OptionSpec, value: &Value) -> Option<Json> {
        let given = match value.scalar() {
            Some(_) if value.is_null() => "empty".to_owned(),
            Some(_) if option.secret => value.kind().to_owned(),
            Some(_) => value.shown(),
            None => value.kind().to_owned(),
        };
        let name = quote(&option.name);
        let expected = option.kind.expected();
        let message = format!(
            "{name} in the config of {} must be {expected}, not {given}",
            self.connector
        );
        self.problems
            .advise(value.position(), message, advice(option, value));
        None
    }

    /// What an option makes of a value; `None` after a problem was noted.
    fn value(&self, option: &OptionSpec, value: &Value) -> Option<Json> {
        use OptionKind::{Files, Mapping, Texts};
        match (&option.kind, value.node()) {
            (Texts | Files, Node::List(items)) if !items.is_empty() || option.kind == Texts => {
                let items: Option<Vec<Json>> =
                    items.iter().map(|item| self.item(option, item)).collect();
                items.map(Json::from)
            }
            (Texts | Files, Node::Scalar(_)) => {
                self.item(option, value).map(|item| vec![item].into())
            }
            (Mapping, Node::Map(entries)) => {
                let pairs: Option<Map<String, Json>> = entries
                    .iter()
                    .map(|entry| Some((entry.key.clone(), self.item(option, &entry.value)?)))
                    .collect();
                pairs.map(Json::from)
            }
            (kind, Node::Scalar(scalar)) => {
                word(kind, scalar).or_else(|| self.mismatch(option, value))
            }
            _ => self.mismatch(option, value),
        }
    }

    /// One text of several.
    fn item(&self, option: &OptionSpec, item: &Value) -> Option<Json> {
        let text = match option.kind {
            OptionKind::Files => item.scalar().and_then(path),
            _ => item.as_text(),
        };
        text.map(Json::from).or_else(|| self.mismatch(option, item))
    }
}

/// A text that can be a path.
fn path(scalar: &Scalar) -> Option<&str> {
    scalar
        .as_text()
        .filter(|text| !text.is_empty() && !text.contains('\0'))
}

/// What an option of one word makes of a scalar.
fn word(kind: &OptionKind, scalar: &Scalar) -> Option<Json> {
    match (kind, scalar.loose_meaning()) {
        (OptionKind::Text, _) => scalar.as_text().map(Json::from),
        (OptionKind::Directory, _) => path(scalar).map(Json::from),
        (OptionKind::Choice(words), _) => {
            let known = words.contains(&scalar.text);
            known.then(|| scalar.text.as_str().into())
        }
        (OptionKind::Integer | OptionKind::Number, Meaning::Integer(number)) => Some(number.into()),
        (OptionKind::Number, Meaning::Number(number)) => {
            serde_json::Number::from_f64(number).map(Json::Number)
        }
        (OptionKind::Boolean, Meaning::Boolean(value)) => Some(value.into()),
        _ => None,
    }
}

/// What to do about a value that does not fit.
fn advice(option: &OptionSpec, value: &Value) -> Option<String> {
    let scalar = value.scalar()?;
    if option.secret || scalar.written.is_some() {
        return None;
    }
    match &option.kind {
        OptionKind::Choice(words) => did_you_mean(&scalar.text, words.iter().map(String::as_str)),
        OptionKind::Integer | OptionKind::Number | OptionKind::Boolean => {
            let unquoted = Meaning::of_plain(&scalar.text);
            let quoted = scalar.meaning == Meaning::Text
                && !matches!(unquoted, Meaning::Text | Meaning::Null);
            quoted.then(|| "remove the quotes".to_owned())
        }
        _ if !scalar.text.is_empty() && scalar.meaning != Meaning::Text => {
            Some(format!("if you mean the text, write \"{}\"", scalar.text))
        }
        _ => None,
    }
}
