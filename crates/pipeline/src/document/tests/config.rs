//! Configurations against the options of a connector.

use super::super::*;
use super::{document, parse};
use serde_json::{Map, Value as Json, json};

fn option(name: &str, kind: OptionKind) -> OptionSpec {
    OptionSpec {
        name: name.to_owned(),
        kind,
        required: false,
        default: None,
        secret: false,
        identity: false,
        doc: format!("The {name}."),
    }
}

fn options() -> Vec<OptionSpec> {
    let formats = ["csv", "json", "parquet"].map(str::to_owned).to_vec();
    vec![
        OptionSpec {
            required: true,
            identity: true,
            ..option("path", OptionKind::Files)
        },
        OptionSpec {
            default: Some(json!("csv")),
            identity: true,
            ..option("format", OptionKind::Choice(formats))
        },
        option("out", OptionKind::Directory),
        OptionSpec {
            default: Some(json!(100)),
            ..option("sample", OptionKind::Integer)
        },
        option("ratio", OptionKind::Number),
        option("header", OptionKind::Boolean),
        option("nulls", OptionKind::Texts),
        option("rename", OptionKind::Mapping),
        OptionSpec {
            secret: true,
            identity: true,
            ..option("password", OptionKind::Text)
        },
        OptionSpec {
            secret: true,
            ..option("pin", OptionKind::Integer)
        },
    ]
}

fn config(text: &str) -> Value {
    let text = document(&format!("streams: [a]\nconfig: {text}"), "", "");
    parse(&text).unwrap().source.connector.config
}

fn check(text: &str) -> Result<Map<String, Json>, String> {
    check_config("pipeline.yaml", "source-file", &config(text), &options())
        .map_err(|found| found.to_string())
}

fn refused(text: &str) -> String {
    check(text).unwrap_err().replace("pipeline.yaml:", "")
}

#[test]
fn a_good_configuration_is_typed_and_has_its_defaults() {
    let checked = check(
        "{ path: data/*.csv, out: o, ratio: 1, header: true, nulls: NA, rename: { a: b, 1: 2 }, password: 007 }",
    );
    let expected = json!({
        "path": ["data/*.csv"],
        "format": "csv",
        "out": "o",
        "sample": 100,
        "ratio": 1,
        "header": true,
        "nulls": ["NA"],
        "rename": { "a": "b", "1": "2" },
        "password": "007",
    });
    assert_eq!(Json::from(checked.unwrap()), expected);
}

#[test]
fn lists_of_files_and_texts_are_taken_as_they_are() {
    let checked = check("{ path: [a, b.csv], nulls: [NA, \"\"] }").unwrap();
    assert_eq!(
        (&checked["path"], &checked["nulls"]),
        (&json!(["a", "b.csv"]), &json!(["NA", ""]))
    );
    assert_eq!(check("{ path: a, nulls: [] }").unwrap()["nulls"], json!([]));
}

#[test]
fn unknown_and_missing_keys_are_told() {
    assert_eq!(
        refused("{ pth: a }"),
        "6:11: missing key \"path\" in the config of source-file; it takes a path, a pattern, or a list of them: The path\n\
         6:13: unknown key \"pth\" in the config of source-file; did you mean \"path\"?"
    );
    let nothing = check_config("p.yaml", "t", &config("{ a: 1 }"), &[]).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "p.yaml:6:13: unknown key \"a\" in the config of t; it takes no configuration"
    );
}

#[test]
fn a_missing_configuration_points_at_the_connector() {
    let document = parse(&document("streams: [a]", "", "")).unwrap();
    let found =
        check_config("p.yaml", "s", &document.source.connector.config, &options()).unwrap_err();
    assert_eq!(
        found.as_slice()[0].position(),
        Position { line: 4, column: 8 }
    );
}

#[test]
fn values_of_the_wrong_kind_are_told() {
    for (rest, expected) in [
        (
            "format: cvs",
            "must be csv, json or parquet, not \"cvs\"; did you mean \"csv\"?",
        ),
        ("sample: ten", "must be a whole number, not \"ten\""),
        (
            "sample: \"10\"",
            "must be a whole number, not \"10\"; remove the quotes",
        ),
        ("ratio: .nan", "must be a number, not .nan"),
        ("header: yes", "must be true or false, not \"yes\""),
        (
            "nulls: [NA, null]",
            "must be text or a list of texts, not empty; if you mean the text, write \"null\"",
        ),
        (
            "nulls: { a: b }",
            "must be text or a list of texts, not a map",
        ),
        (
            "rename: [a]",
            "must be a map of names and texts, not a list",
        ),
        (
            "rename: { a: [b] }",
            "must be a map of names and texts, not a list",
        ),
        ("out: \"\"", "must be the path of a folder, not \"\""),
        ("out: [a]", "must be the path of a folder, not a list"),
        ("password: [hunter2]", "must be text, not a list"),
    ] {
        let found = refused(&format!("{{ path: a, {rest} }}"));
        let (_, found) = found.split_once("source-file ").unwrap();
        assert_eq!(found, expected, "{rest}");
    }
    assert!(
        refused("{ path: [] }").contains("must be a path"),
        "no files"
    );
    assert!(refused("{ path: }").contains("not empty"), "no path");
}

#[test]
fn a_secret_is_in_no_message() {
    for rest in ["hunter2", "\"12345\"", "\"${PASSWORD}\""] {
        let found = refused(&format!("{{ path: a, pin: {rest} }}"));
        assert!(
            found.ends_with("must be a whole number, not text"),
            "{found}"
        );
    }
}

#[test]
fn a_secret_of_the_environment_is_text_whatever_it_looks_like() {
    for (variable, expected) in [
        ("NUMERIC_PASSWORD", "0123456"),
        ("TRUE_PASSWORD", "true"),
        ("PASSWORD", "hunter2-and-more"),
    ] {
        let checked = check(&format!("{{ path: a, password: \"${{{variable}}}\" }}")).unwrap();
        assert_eq!(checked["password"], expected);
        let checked = check(&format!("\n  path: a\n  password: ${{{variable}}}")).unwrap();
        assert_eq!(checked["password"], expected);
    }
}

#[test]
fn a_variable_between_quotes_is_the_number_that_an_option_takes() {
    let checked =
        check("{ path: a, sample: \"${PORT}\", ratio: \"${PORT}\", header: \"${TRUE_PASSWORD}\" }");
    let checked = checked.unwrap();
    let found = (&checked["sample"], &checked["ratio"], &checked["header"]);
    assert_eq!(found, (&json!(5432), &json!(5432), &json!(true)));
}

#[test]
fn identity_is_of_the_options_that_make_it_and_of_no_secret() {
    let checked = check("{ path: a, password: hunter2, sample: 5 }").unwrap();
    let identity = config_identity(&checked, &options());
    assert_eq!(
        Json::from(identity),
        json!({ "path": ["a"], "format": "csv" })
    );
}

#[test]
fn the_values_of_secret_options_are_hidden_and_short_ones_told() {
    let mut redactor = Redactor::default();
    let told = hide_secrets(
        "p.yaml",
        &config("{ path: a, password: hunter2, pin: 123 }"),
        &options(),
        &mut redactor,
    );
    assert_eq!(
        redactor.redact("wrong password hunter2 for a"),
        "wrong password *** for a"
    );
    let told: Vec<_> = told.iter().map(Diagnostic::to_string).collect();
    assert_eq!(
        told,
        ["p.yaml:6:46: the value of \"pin\" is too short to be kept out of messages"]
    );
}
