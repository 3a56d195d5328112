//! What the scalars of a document are, once variables are substituted.

use super::diagnostic::{Position, Problems, quote};
use super::syntax::{MAX_TEXT, position};
use super::value::{Meaning, Scalar};
use super::variables::{Environment, Unresolved, substitute};
use saphyr_parser::{ScalarStyle, Span, Tag};
use std::collections::BTreeMap;

/// Values that came from the environment, by the names of their variables.
pub(super) type FromEnvironment = BTreeMap<String, String>;

/// Reads scalars, and remembers what the environment gave.
pub(super) struct Scalars<'s> {
    source: &'s str,
    environment: &'s Environment<'s>,
    problems: &'s Problems<'s>,
    used: FromEnvironment,
}

impl<'s> Scalars<'s> {
    pub(super) fn new(
        source: &'s str,
        environment: &'s Environment<'s>,
        problems: &'s Problems<'s>,
    ) -> Self {
        let used = BTreeMap::new();
        Scalars {
            source,
            environment,
            problems,
            used,
        }
    }

    /// What the environment gave.
    pub(super) fn used(self) -> FromEnvironment {
        self.used
    }

    /// What a scalar is. What is wrong with it is noted.
    pub(super) fn read(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Scalar {
        let plain = style == ScalarStyle::Plain;
        let mut scalar = match substitute(text, self.environment, MAX_TEXT) {
            None => Scalar::plain(text, plain),
            Some(Ok(result)) => {
                self.used.extend(result.used);
                let scalar = Scalar::plain(&result.text, plain && result.whole);
                Scalar {
                    written: Some(unquoted(text)),
                    ..scalar
                }
            }
            Some(Err(unresolved)) => {
                self.tell(text, unresolved, span);
                Scalar {
                    written: Some(unquoted(text)),
                    ..Scalar::plain("", false)
                }
            }
        };
        if let Some(tag) = tag {
            match tagged(tag, &scalar) {
                Some(meaning) => scalar.meaning = meaning,
                None => tag_problem(position(&span.start), self.problems),
            }
        }
        scalar
    }

    /// Notes the references of a scalar that cannot be replaced, each in its
    /// place, and that nothing more is to be said of it.
    fn tell(&self, text: &str, unresolved: Vec<Unresolved>, span: Span) {
        let line = span.start.line().saturating_sub(1);
        let length = span.end.index().saturating_sub(span.start.index());
        let mut rest = self.source;
        for _ in 0..line {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let region: String = rest.chars().skip(span.start.col()).take(length).collect();
        let places = places(&region, position(&span.start));
        let mut nth = 0;
        let mut reached = 0;
        for one in unresolved {
            nth += text[reached..one.offset].matches("${").count();
            reached = one.offset;
            let place = places.get(nth).copied().unwrap_or(position(&span.start));
            self.problems.advise(place, one.message, one.help);
            if self.problems.full() {
                break;
            }
        }
        self.problems.silence(position(&span.start));
    }
}

/// Where each `${` of a part of the source stands.
fn places(region: &str, start: Position) -> Vec<Position> {
    let mut place = start;
    let mut places = Vec::new();
    let mut characters = region.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '$' && characters.peek() == Some(&'{') {
            places.push(place);
        }
        if character == '\n' {
            place = Position {
                line: place.line + 1,
                column: 1,
            };
        } else {
            place.column += 1;
        }
    }
    places
}

/// Notes that a tag is unknown or does not fit.
pub(super) fn tag_problem(position: Position, problems: &Problems<'_>) {
    let help = "only !!str, !!int, !!float, !!bool, !!null, !!seq and !!map are known, and the value must fit";
    problems.advise(
        position,
        "a tag that says nothing here",
        Some(help.to_owned()),
    );
}

/// What a core tag (YAML 1.2.2, 10.3) makes of a scalar; `None` if it does not
/// fit.
fn tagged(tag: &Tag, scalar: &Scalar) -> Option<Meaning> {
    if !tag.is_yaml_core_schema() {
        return None;
    }
    let plain = Meaning::of_plain(&scalar.text);
    match (tag.suffix.as_str(), plain) {
        ("str", _) => Some(Meaning::Text),
        ("int", Meaning::Integer(_))
        | ("float", Meaning::Number(_))
        | ("bool", Meaning::Boolean(_))
        | ("null", Meaning::Null) => Some(plain),
        ("float", Meaning::Integer(value)) => Some(Meaning::Number(value as f64)),
        _ => None,
    }
}

/// The text with its variables, as error messages show it.
fn unquoted(text: &str) -> String {
    let quoted = quote(text);
    quoted[1..quoted.len() - 1].to_owned()
}
