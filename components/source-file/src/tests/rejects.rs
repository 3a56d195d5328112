//! Rows that cannot be read where rejects are wanted.

use serde_json::{Value, json};
use vesicle_connector::StreamRequest;
use vesicle_connector::testing::{self, Output, block_on};

use super::{Files, gzip, rows, with};
use crate::FileSource;

fn request() -> StreamRequest {
    let mut request = StreamRequest::new("any");
    request.rejects = true;
    request
}

fn read(config: &Value) -> Output {
    let output = block_on(testing::read::<FileSource>(config.clone(), request())).unwrap();
    output.outcome.clone().unwrap();
    // Rejects come again too: nothing is lost between two cursors.
    block_on(testing::assert_resumable::<FileSource>(
        config.clone(),
        request(),
    ))
    .unwrap();
    output
}

/// The rejected rows with the beginnings of their reasons.
fn rejects(files: &Files, output: &Output) -> Vec<(String, String)> {
    let rejects = output.rejects().into_iter();
    rejects
        .map(|reject| {
            let reason = files.clean(&reject.reason.message);
            let short = reason.split([';', ',']).next().unwrap_or_default();
            (reject.row.clone(), short.to_owned())
        })
        .collect()
}

fn pair(row: &str, reason: &str) -> (String, String) {
    (row.to_owned(), reason.to_owned())
}

#[test]
fn a_row_that_does_not_fit_is_left_out_as_it_stands_with_its_line() {
    let lines: Vec<String> = (1..=30)
        .map(|n| match n {
            5 => "5,\"a\nb\",x\n".to_owned(),
            6 => "six,ok,6\n".to_owned(),
            17 => "17,short\n".to_owned(),
            18 => "18,one,too,many\n".to_owned(),
            30 => "30,ok,99999999999999999999\n".to_owned(),
            n => format!("{n},ok,{n}\n"),
        })
        .collect();
    let text = format!("id,text,n\n{}", lines.concat());
    for (name, contents) in [
        ("a.csv", text.clone().into_bytes()),
        ("a.csv.gz", gzip(&text)),
    ] {
        let (files, config) = Files::with(name, contents);
        let config = with(
            config,
            "columns",
            json!({ "id": "int64", "text": "text", "n": "int64" }),
        );
        let output = read(&config);
        let good: Vec<String> = (1..=30)
            .filter(|n| ![5, 6, 17, 18, 30].contains(n))
            .map(|n| format!("{n}|ok|{n}"))
            .collect();
        assert_eq!(rows(&output), good);
        let at = |line, what: &str| format!("{name}:{line}: {what}");
        assert_eq!(
            rejects(&files, &output),
            [
                pair(
                    "5,\"a\nb\",x",
                    &at(6, "column \"n\": \"x\" is not of type int64")
                ),
                pair(
                    "six,ok,6",
                    &at(8, "column \"id\": \"six\" is not of type int64")
                ),
                pair("17,short", &at(19, "2 fields where 3 are expected")),
                pair("18,one,too,many", &at(20, "4 fields where 3 are expected")),
                pair(
                    "30,ok,99999999999999999999",
                    &at(
                        32,
                        "column \"n\": \"99999999999999999999\" is not of type int64"
                    )
                ),
            ]
        );
    }
}

#[test]
fn every_type_of_column_forgets_the_row_that_is_left_out() {
    let kinds = [
        ("boolean", "true", "maybe"),
        ("int16", "1", "70000"),
        ("int32", "1", "x"),
        ("float32", "1.5", "1e39"),
        ("float64", "1.5", "x"),
        ("decimal(6,2)", "1.25", "12345.678"),
        ("date", "2020-01-01", "2020-13-01"),
        ("time", "10:00:00", "25:00:00"),
        ("timestamp", "2020-01-01T00:00:00", "x"),
        ("binary", "aGk=", "???"),
    ];
    for (kind, good, bad) in kinds {
        // The columns before and after the bad one have been added to.
        let text = format!("a,b,c\nx,{good},y\nNULL,NULL,NULL\np,{bad},q\nz,{good},w\n");
        let (_files, config) = Files::with("a.csv", text);
        let config = with(
            config,
            "columns",
            json!({ "a": "text", "b": kind, "c": "text" }),
        );
        let output = read(&config);
        let found = rows(&output);
        assert_eq!(found.len(), 3, "{kind}: {found:?}");
        assert!(
            found[0].starts_with("x|") && found[0].ends_with("|y"),
            "{kind}: {found:?}"
        );
        assert_eq!(found[1], "∅|∅|∅", "{kind}");
        assert_eq!(
            found[2],
            found[0].replace('x', "z").replace('y', "w"),
            "{kind}"
        );
        assert_eq!(output.rejects().len(), 1, "{kind}");
    }
}

#[test]
fn a_file_of_nothing_but_bad_rows_ends_as_well() {
    let text = format!("n\n{}", "x\n".repeat(100));
    let (_files, config) = Files::with("a.csv", text);
    let output = read(&with(config, "columns", json!({ "n": "int64" })));
    assert_eq!((output.rows(), output.rejects().len()), (0, 100));
    // They are bounded: there are cursors between them.
    assert!(output.checkpoints().len() > 10);
}

#[test]
fn bytes_that_are_no_text_are_shown_by_their_number() {
    let (_files, config) = Files::with("a.csv", b"a,b\n1,caf\xe9\n2,ok\n");
    let output = read(&config);
    assert_eq!(rows(&output), ["2|ok"]);
    assert_eq!(output.rejects()[0].row, "1,caf\\xE9");
}

#[test]
fn a_line_that_is_no_object_or_has_unknown_keys_is_left_out() {
    let lines = [
        r#"{"a": 1, "b": "x"}"#,
        r#"{"a": 2, "b": "#,
        r#"[3]"#,
        r#"{"a": 4, "c": 1}"#,
        r#"{"a": "five", "b": "y"}"#,
        r#"{"a": 6, "a": 7}"#,
        r#"{"a": 8}"#,
    ];
    let (files, config) = Files::with("a.jsonl", lines.join("\n"));
    let output = read(&with(config, "sample_rows", json!(1)));
    assert_eq!(rows(&output), ["1|x", "8|∅"]);
    let found: Vec<String> = rejects(&files, &output).into_iter().map(|r| r.0).collect();
    assert_eq!(found, lines[1..6]);
}

#[test]
fn where_a_row_ends_is_still_an_error_if_it_is_not_known() {
    let (_files, config) = Files::with("a.csv", "a,b\n1,\"x\n\n");
    let planned = block_on(testing::read::<FileSource>(config, request()));
    assert_eq!(planned.unwrap_err().code, "open-quote");
}
