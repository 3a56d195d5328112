//! The JSON Schema of a document, for editors.
//!
//! It is made from the tables in [`keys`](super::keys), so that it accepts what
//! the decoder accepts, with one exception: what depends on two keys at once
//! (`cursor_field` with `incremental`) and what a connector's `config` may hold
//! are not in it.

use super::keys;
use super::table::{Key, Kind, Presence, Section};
use super::value::Meaning;
use super::words::Word;
use serde_json::{Map, Value as Json, json};

/// The JSON Schema (draft 7, which editors know best) of a pipeline document.
pub fn json_schema() -> Json {
    let mut schema = section(&keys::DOCUMENT);
    let mut definitions = Map::new();
    for shared in keys::SECTIONS.iter().filter(|section| is_shared(section)) {
        definitions.insert(shared.name.to_owned(), section(shared));
    }
    definitions.insert(
        "variable".to_owned(),
        json!({ "type": "string", "pattern": VARIABLE }),
    );
    let fields = [
        ("$schema", json!("http://json-schema.org/draft-07/schema#")),
        ("title", json!("Vesicle pipeline")),
    ];
    let mut ordered: Map<String, Json> = fields
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect();
    if let Json::Object(object) = &mut schema {
        ordered.append(object);
    }
    ordered.insert("definitions".to_owned(), definitions.into());
    ordered.into()
}

/// A text that a variable has a part in.
const VARIABLE: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}";

/// Whether several places of a document have the section.
fn is_shared(section: &Section) -> bool {
    [&keys::PERMISSIONS, &keys::LIMITS]
        .iter()
        .any(|shared| shared.name == section.name)
}

fn section(section: &Section) -> Json {
    let properties: Map<String, Json> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = section
        .keys
        .iter()
        .filter(|key| key.presence == Presence::Required)
        .map(|key| key.name)
        .collect();
    let mut schema = json!({
        "description": section.doc,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(key: &Key) -> Json {
    let mut schema = kind(&key.kind);
    let mut description = key.doc.to_owned();
    if let Kind::Word(words) = key.kind {
        description.extend(
            words
                .iter()
                .map(|word| format!("\n- `{}`: {}", word.name, word.doc.trim())),
        );
    }
    schema["description"] = description.into();
    if let Presence::Default(text) = key.presence {
        schema["default"] = match Meaning::of_plain(text) {
            Meaning::Integer(number) => number.into(),
            _ => text.into(),
        };
    }
    schema
}

fn kind(kind: &Kind) -> Json {
    match kind {
        Kind::Version => json!({ "enum": ["1.0", 1.0] }),
        Kind::Name => {
            json!({ "type": "string", "pattern": format!("^[A-Za-z0-9_.-]{{1,128}}$|{VARIABLE}") })
        }
        Kind::Text => json!({ "type": ["string", "number"], "minLength": 1 }),
        Kind::Word(words) => word(words),
        Kind::Size(least, most) => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": format!("{SIZE}|{VARIABLE}") },
        ] }),
        Kind::Duration(..) => {
            json!({ "type": "string", "pattern": format!("{DURATION}|{VARIABLE}") })
        }
        Kind::Count(least, most) => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "$ref": "#/definitions/variable" },
        ] }),
        Kind::Names | Kind::Paths => {
            texts(&json!({ "type": ["string", "number"], "minLength": 1 }))
        }
        Kind::Endpoints => {
            texts(&json!({ "type": "string", "pattern": format!(":[0-9]{{1,5}}$|{VARIABLE}") }))
        }
        Kind::Variables => texts(
            &json!({ "type": "string", "pattern": format!("^[A-Za-z_][A-Za-z0-9_]*$|{VARIABLE}") }),
        ),
        Kind::Streams(of) => json!({ "anyOf": [
            { "const": "*" },
            { "type": "array", "minItems": 1, "items": { "anyOf": [
                { "type": ["string", "number"], "minLength": 1 },
                section(of),
            ] } },
        ] }),
        Kind::Section(of) if is_shared(of) => {
            json!({ "anyOf": [{ "$ref": format!("#/definitions/{}", of.name) }, { "type": "null" }] })
        }
        Kind::Section(of) => {
            let mut schema = section(of);
            if of.keys.iter().all(|key| key.presence != Presence::Required) {
                schema["type"] = json!(["object", "null"]);
            }
            schema
        }
        Kind::Sections(of) => json!({ "type": ["array", "null"], "items": section(of) }),
        Kind::Config => json!({ "type": ["object", "null"] }),
    }
}

const SIZE: &str = "^ *[0-9]+(\\.[0-9]+)? *([Bb]|[KkMmGgTt][Ii]?[Bb])? *$";
const DURATION: &str = "^ *[0-9]+(\\.[0-9]+)? *(ms|s|m|min|h|d) *$";

/// One of some words; the word `null` may stand without quotes.
fn word(words: &[Word]) -> Json {
    let mut choices: Vec<Json> = words.iter().map(|word| word.name.into()).collect();
    if words.iter().any(|word| word.name == "null") {
        choices.push(Json::Null);
    }
    json!({ "anyOf": [{ "enum": choices }, { "$ref": "#/definitions/variable" }] })
}

/// A text, or a list of different ones.
fn texts(item: &Json) -> Json {
    json!({ "anyOf": [item, { "type": "array", "items": item, "uniqueItems": true }] })
}
