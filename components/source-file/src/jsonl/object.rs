//! Takes a line apart into keys and values.
//!
//! Values are the text that stands in the line; nothing is converted here.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use vesicle_connector::{Error, Result};

use crate::blame::Place;

/// A value as it stands in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// A string, its escapes resolved.
    String(Cow<'a, str>),
    /// A number, a truth value, an array or an object.
    Literal(&'a str),
}

/// Calls `each` with every key and value of the object that a line is.
///
/// # Errors
///
/// `data` if the line is not a JSON object; the first error of `each`.
pub fn each_entry(
    place: Place,
    line: &str,
    mut each: impl FnMut(&str, Value) -> Result<()>,
) -> Result<()> {
    let mut failure = None;
    let entries = Entries {
        each: &mut each,
        failure: &mut failure,
    };
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let parsed = deserializer
        .deserialize_map(entries)
        .and_then(|()| deserializer.end());
    match (failure, parsed) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(not_an_object(place, line, &error)),
        (None, Ok(())) => Ok(()),
    }
}

struct Entries<'f, F> {
    each: &'f mut F,
    failure: &'f mut Option<Error>,
}

impl<'de, F: FnMut(&str, Value) -> Result<()>> Visitor<'de> for Entries<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key::<Key>()? {
            let value = resolve(map.next_value::<&RawValue>()?.get())
                .map_err(|error| A::Error::custom(format_args!("key {key:?}: {error}")))?;
            if let Err(error) = (self.each)(&key, value) {
                *self.failure = Some(error);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn resolve(text: &str) -> serde_json::Result<Value<'_>> {
    match text.as_bytes() {
        b"null" => Ok(Value::Null),
        [b'"', .., b'"'] => {
            let inside = &text[1..text.len() - 1];
            if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
                return Ok(Value::String(Cow::Borrowed(inside)));
            }
            serde_json::from_str(text).map(|text: String| Value::String(Cow::Owned(text)))
        }
        _ => Ok(Value::Literal(text)),
    }
}

fn not_an_object(place: Place, line: &str, error: &serde_json::Error) -> Error {
    let start = line.trim_start();
    if start.starts_with('[') {
        let message = format!(
            "{place}: the line is an array, where JSON Lines has one object a line; convert the \
             file, for example with jq -c '.[]'"
        );
        return Error::data("not-an-object", message);
    }
    if !start.starts_with('{') {
        let message =
            format!("{place}: the line is not an object; JSON Lines has one object a line");
        return Error::data("not-an-object", message);
    }
    if error.is_eof() {
        let message = format!(
            "{place}:{}: the object does not end on its line; JSON Lines has one object a line: \
             is the file cut off, or written over several lines? jq -c . writes it so",
            // The parser has no column for the end of a line's first character.
            error.column().max(1)
        );
        return Error::data("bad-json", message);
    }
    // The parser ends its message with a place in the line.
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or(&reason);
    let message = format!("{place}:{}: not valid JSON: {reason}", error.column());
    Error::data("bad-json", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        path: "a.jsonl",
        line: 3,
    };

    fn entries(line: &str) -> Result<Vec<(String, String)>> {
        let mut entries = Vec::new();
        each_entry(PLACE, line, |key, value| {
            entries.push((key.to_owned(), format!("{value:?}")));
            Ok(())
        })?;
        Ok(entries)
    }

    #[test]
    fn values_are_kept_as_they_are_written() {
        let found = entries(r#"{"a": 1.50, "b\n": "x\u00e9", "c": {"d": [1, 2]}, "e": null}"#);
        let found: Vec<String> = found
            .unwrap()
            .into_iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(
            found,
            [
                r#"a=Literal("1.50")"#,
                "b\n=String(\"xé\")",
                r#"c=Literal("{\"d\": [1, 2]}")"#,
                "e=Null"
            ]
        );
    }

    #[test]
    fn what_is_not_an_object_is_refused_with_its_place() {
        let message = |line: &str| entries(line).unwrap_err().message;
        assert!(message("[1]").starts_with("a.jsonl:3: the line is an array"));
        assert!(message("42").starts_with("a.jsonl:3: the line is not an object"));
        assert_eq!(
            message("{\"a\": tru}"),
            "a.jsonl:3:10: not valid JSON: expected ident"
        );
        assert!(message("{\"a\": 1").starts_with("a.jsonl:3:7: the object does not end"));
        assert!(message("{").starts_with("a.jsonl:3:1: the object does not end"));
        assert_eq!(
            message("{} {}"),
            "a.jsonl:3:4: not valid JSON: trailing characters"
        );
    }
}
