//! Variables in documents.

use super::{document, errors, parse};

#[test]
fn all_missing_variables_are_told_at_once_each_in_its_place() {
    let text = document(
        "streams: [\"${A}\"]\nconfig:\n  text: 'x ${B}\n    ${C}'\n  block: |\n    y\n    ${D}",
        "",
        "pipelin: ${E}\n",
    );
    assert_eq!(
        errors(&text).replace("pipeline.yaml:", ""),
        "5:14: the environment variable A is not set; set it, or write ${A:-default}\n\
         7:14: the environment variable B is not set; set it, or write ${B:-default}\n\
         8:7: the environment variable C is not set; set it, or write ${C:-default}\n\
         11:7: the environment variable D is not set; set it, or write ${D:-default}\n\
         14:1: unknown key \"pipelin\"; did you mean \"pipeline\"?\n\
         14:10: the environment variable E is not set; set it, or write ${E:-default}"
    );
}

#[test]
fn a_lone_variable_without_quotes_is_what_its_value_says() {
    let text = document(
        "streams: [a]\nconfig:\n  a: ${PORT}\n  b: \"${PORT}\"\n  c: \"${PORT}0\"\n  d: x${PORT}\n  e: ${NO:-true}\n  f: ${EMPTY}",
        "",
        "resources:\n  parallelism: ${MANY}",
    );
    let document = parse(&text).unwrap();
    let expected = serde_json::json!({ "a": 5432, "b": "5432", "c": "54320", "d": "x5432", "e": true, "f": null });
    assert_eq!(document.source.connector.config.to_json(), expected);
    assert_eq!(document.resources.parallelism, 12);
}

#[test]
fn an_escaped_variable_stays_and_keys_are_not_substituted() {
    let text = document(
        "streams: [a]\nconfig: { \"${PORT}\": \"$${PORT}\" }",
        "",
        "",
    );
    let config = parse(&text).unwrap().source.connector.config;
    assert_eq!(
        config.to_json(),
        serde_json::json!({ "${PORT}": "${PORT}" })
    );
}

#[test]
fn errors_show_the_variable_and_never_its_value() {
    for rest in [
        "resources:\n  parallelism: ${PASSWORD}",
        "resources: { parallelism: \"${PASSWORD}\" }",
        "resources: { queue: \"${PASSWORD}\" }",
        "resources: { compression: \"${PASSWORD}\" }",
        "checkpoint: { interval: \"${PASSWORD}\" }",
        "checkpoint: ${PASSWORD}",
        "transforms: ${PASSWORD}",
        "transforms: [\"${PASSWORD}\"]",
        "transforms: [{ use: a, name: \"${PASSWORD}\" }, { use: a, name: \"${PASSWORD}\" }]",
        "transforms: [{ use: a, name: \"/${PASSWORD}\" }]",
        "transforms: [{ use: a, permissions: { connect: \"${PASSWORD}\" } }]",
        "transforms: [{ use: a, permissions: { env: [\"${PASSWORD}\", \"${PASSWORD}\"] } }]",
        "transforms: [{ use: a, permissions: { env: [\"${PASSWORD}\"] } }]",
    ] {
        let found = errors(&document("streams: [a]", "", rest));
        assert!(!found.contains("hunter2"), "{found}");
    }
    for source in [
        "streams: ${PASSWORD}",
        "streams: [\"${PASSWORD}\", \"${PASSWORD}\"]",
        "streams: [{ name: \"${PASSWORD}\", sync_mode: \"${PASSWORD}\" }]",
    ] {
        let found = errors(&document(source, "write_mode: upsert", ""));
        assert!(
            found.contains("${PASSWORD}") && !found.contains("hunter2"),
            "{found}"
        );
    }
    let text = document("streams: [a]", "", "")
        .replace("1.0", "${PASSWORD}")
        .replace("pipeline: p", "pipeline: /${PASSWORD}");
    let found = errors(&text);
    assert!(
        found.contains("${PASSWORD}") && !found.contains("hunter2"),
        "{found}"
    );
}

#[test]
fn a_document_hides_what_it_took_from_the_environment() {
    let text = document(
        "streams: [a]\nconfig: { password: \"${PASSWORD}\", path: \"${DIR}/x\" }",
        "",
        "",
    );
    let document = parse(&text).unwrap();
    let redactor = document.redactor();
    assert_eq!(
        redactor.redact("login with hunter2-and-more failed in data/x"),
        "login with ${PASSWORD} failed in ${DIR}/x"
    );
    assert_eq!(
        document.variables().collect::<Vec<_>>(),
        ["DIR", "PASSWORD"]
    );
}

#[test]
fn a_variable_within_braces_needs_quotes_and_may_still_be_a_number() {
    let found = errors(&document(
        "streams: [a]",
        "",
        "resources: { parallelism: ${MANY} }",
    ));
    assert_eq!(
        found,
        "pipeline.yaml:8:28: not YAML: inside { } and [ ] the braces of ${…} are taken for a map; put it between quotes: \"${NAME}\""
    );
    let text = document(
        "streams: [a]",
        "",
        "resources: { parallelism: \"${MANY}\" }",
    );
    assert_eq!(parse(&text).unwrap().resources.parallelism, 12);
}
