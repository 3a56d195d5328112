//! What JSON Lines files mean.

use serde_json::json;

use super::{Files, columns, fails, gzip, read, rows, with};

const NASTY: &str = "\u{feff}{\"id\": 1, \"name\": \"A\\u00e9\\n\\\"x\\\"\", \"tags\": [1, {\"a\": null}]}\r\n\
    \n\
    {\"name\": null, \"id\": 2, \"at\": \"2013-01-01T10:00:00Z\"}\n\
       \t\n\
    {\"id\":-3,\"score\":1,\"ok\":true,\"mixed\":1.50}\n\
    {\"id\":4,\"score\":2.5,\"big\":12345678901234567890,\"mixed\":\"x\"}";

#[test]
fn objects_become_rows() {
    let (_files, config) = Files::with("a.jsonl", NASTY);
    let output = read(&config);
    let expected = [
        "id: Int64",
        "name: Utf8",
        "tags: Utf8",
        "at: Timestamp(µs, \"UTC\")",
        "score: Float64",
        "ok: Boolean",
        "mixed: Utf8",
        "big: Utf8",
    ];
    assert_eq!(columns(&output), expected);
    let expected = [
        "1|Aé\n\"x\"|[1, {\"a\": null}]|∅|∅|∅|∅|∅",
        "2|∅|∅|2013-01-01T10:00:00Z|∅|∅|∅|∅",
        "-3|∅|∅|∅|1.0|true|1.50|∅",
        "4|∅|∅|∅|2.5|∅|x|12345678901234567890",
    ];
    assert_eq!(rows(&output), expected);
    let (_files, config) = Files::with("a.ndjson.gz", gzip(NASTY));
    assert_eq!(rows(&read(&config)), expected);
}

#[test]
fn numbers_in_strings_stay_text_unless_declared() {
    let (_files, config) = Files::with("a.jsonl", "{\"a\":\"12\",\"b\":\"NaN\"}\n{\"b\":1}\n");
    assert_eq!(columns(&read(&config)), ["a: Utf8", "b: Float64"]);
    let output = read(&with(config, "columns", json!({ "a": "int64" })));
    assert_eq!(rows(&output), ["12|NaN", "∅|1.0"]);
}

#[test]
fn a_float_that_would_lose_digits_makes_a_column_text() {
    let contents = "{\"a\":123456789012345678.91,\"b\":1e400,\"c\":1.50}\n";
    let (_files, config) = Files::with("a.jsonl", contents);
    let output = read(&config);
    assert_eq!(columns(&output), ["a: Utf8", "b: Utf8", "c: Float64"]);
    assert_eq!(rows(&output), ["123456789012345678.91|1e400|1.5"]);
}

#[test]
fn a_key_that_comes_up_after_the_sample_is_refused_unless_declared() {
    let (files, config) = Files::with("a.jsonl", "{\"a\":1}\n{\"a\":2,\"b\":3}\n");
    let config = with(config, "sample_rows", json!(1));
    assert_eq!(
        files.clean(&fails(&config).message),
        "a.jsonl:2: the key \"b\" is in none of the rows that the columns were inferred from; \
         declare it (columns: { b: text }), or raise sample_rows"
    );
    let config = with(config, "columns", json!({ "b": "int64" }));
    assert_eq!(rows(&read(&config)), ["1|∅", "2|3"]);
}

#[test]
fn a_file_without_rows_needs_declared_columns() {
    let (files, config) = Files::with("a.jsonl", "\n");
    let message = files.clean(&fails(&config).message);
    assert!(
        message.starts_with("a.jsonl: the file has no rows"),
        "{message}"
    );
    let output = read(&with(config, "columns", json!({ "a": "date" })));
    assert_eq!(
        (columns(&output), output.rows()),
        (vec!["a: Date32".to_owned()], 0)
    );
}

#[test]
fn a_value_that_does_not_fit_the_sample_is_refused() {
    let message = |second: &str| {
        let (files, config) = Files::with("a.jsonl", format!("{{\"a\":1}}\n{second}\n"));
        files.clean(&fails(&with(config, "sample_rows", json!(1))).message)
    };
    for value in ["\"1\"", "1.0", "9223372036854775808", "[1]", "true"] {
        let message = message(&format!("{{\"a\":{value}}}"));
        assert!(
            message.starts_with("a.jsonl:2: column \"a\": "),
            "{value}: {message}"
        );
        assert!(
            message.contains("is not of type int64"),
            "{value}: {message}"
        );
    }
    assert!(message("{\"a\":1,\"a\":2}").contains("\"a\" occurs twice"));
    assert!(message("{\"a\":\"\\ud800\"}").contains("not valid JSON"));
}
