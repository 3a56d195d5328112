//! What is said about files that cannot be read.

use std::fs;

use serde_json::json;
use vesicle_connector::testing::{self, block_on};
use vesicle_connector::{Category, Source};

use super::{Files, fails, failure, gzip, with};
use crate::FileSource;

#[test]
fn a_row_with_the_wrong_number_of_fields_is_named_by_its_line() {
    assert_eq!(
        failure("a.csv", "a,b\n\"x\ny\",1\n1,2,3\n"),
        "a.csv:4: 3 fields where 2 are expected; a value that holds the delimiter must be quoted"
    );
    assert_eq!(
        failure("a.csv", "a,b\n1,2\n\n3\n"),
        "a.csv:4: 1 field where 2 are expected; is the row cut off, or is the delimiter another \
         one?"
    );
    assert_eq!(
        failure("a.csv", "a\n1,5;2\n"),
        "a.csv:2: 2 fields where 1 is expected; is the delimiter another one?"
    );
}

#[test]
fn a_file_with_another_delimiter_is_not_taken_for_one_column() {
    assert_eq!(
        failure("a.csv", "a;b\n1,5;2\n"),
        "a.csv:1: the first line has no \",\" but \";\"; set delimiter: \";\" if that stands between \
         the fields, or delimiter: \",\" if the file has one column"
    );
    let tabs = failure("a.csv", "a\tb\n1\t2\n");
    assert!(tabs.contains("set delimiter: \"\\t\""), "{tabs}");
    let commas = failure("a.tsv", "a,b\n1,2\n");
    assert!(commas.contains("set delimiter: \",\""), "{commas}");
}

#[test]
fn a_file_of_another_delimiter_than_said_is_one_column_only_if_that_is_declared() {
    let said = |contents: &str, delimiter: &str| {
        let (files, config) = Files::with("a.csv", contents);
        (files, with(config, "delimiter", json!(delimiter)))
    };
    let (files, config) = said("a,b,c\n1,2,3\n", ";");
    let error = fails(&config);
    assert_eq!(error.code, "wrong-delimiter");
    assert_eq!(
        files.clean(&error.message),
        "a.csv:1: the first lines have no \";\" but \",\"; set delimiter: \",\" if that stands \
         between the fields, or declare the column if the file has one: columns: { \"a,b,c\": text }"
    );
    let (_files, tabs) = said("a\tb\n1\t2\n", ",");
    assert!(fails(&tabs).message.contains("set delimiter: \"\\t\""));
    let declared = with(config.clone(), "columns", json!({ "a,b,c": "text" }));
    let output = super::read(&declared);
    assert_eq!(super::columns(&output), ["a,b,c: Utf8"]);
    assert_eq!(super::rows(&output), ["1,2,3"]);
    let output = super::read(&with(config, "header", json!(false)));
    assert_eq!(super::rows(&output), ["a,b,c", "1,2,3"]);
    // A name with a comma is no list of names where the rows are none.
    for contents in [
        "last, first\nAda\n",
        "a,b\n1,2,3\n",
        "a,b\n",
        "a,b\n\"1,2\"\n",
    ] {
        let (_files, config) = said(contents, ";");
        assert_eq!(super::read(&config).schema().unwrap().fields().len(), 1);
    }
}

#[test]
fn a_quote_in_the_wrong_place_is_named_by_its_line() {
    assert_eq!(
        failure("a.csv", "a,b\n1,\"x\n\n"),
        "a.csv:2: field 2 opens a quote that is not closed before the end of the file; close it, \
         or set quote: \"\" if quotes mean nothing in this file"
    );
    let message = failure("a.csv", "a,b\n\"1\n\",\"x\"y\n");
    assert!(
        message.starts_with("a.csv:3: field 2 has text after its closing quote"),
        "{message}"
    );
}

#[test]
fn a_value_that_does_not_fit_is_named_with_what_to_do() {
    let (files, config) = Files::with("a.csv", "id,n\n1,2\n2,5x7\n");
    assert_eq!(
        files.clean(&fails(&with(config.clone(), "sample_rows", json!(1))).message),
        "a.csv:3: column \"n\": \"5x7\" is not of type int64, which the rows before and the \
         sample have; declare the column's type (columns: { n: text } takes everything), or raise \
         sample_rows, or add the value to null_values if it means NULL"
    );
    let error = fails(&with(config, "columns", json!({ "n": "date" })));
    assert_eq!(error.category, Category::Data);
    assert_eq!(
        files.clean(&error.message),
        "a.csv:2: column \"n\": \"2\" is not of type date, as columns declares it; correct the \
         value, or declare the column as text"
    );
}

#[test]
fn a_float_that_would_lose_digits_after_the_sample_does_not_fit() {
    for value in ["99999999999999.99", "1.0e400", "1.0e-310", "1e5"] {
        for (name, contents) in [
            ("a.csv", format!("n\n1.5\n{value}\n")),
            ("a.jsonl", format!("{{\"n\":1.5}}\n{{\"n\":{value}}}\n")),
        ] {
            let (_files, config) = Files::with(name, contents);
            let error = fails(&with(config, "sample_rows", json!(1)));
            let expected = format!("\"{value}\" is not of type float64, which the rows before");
            assert!(error.message.contains(&expected), "{error}");
        }
    }
}

#[test]
fn a_declared_float_rounds_but_never_becomes_infinite() {
    for (kind, value) in [
        ("float64", "1e400"),
        ("float64", "-1e400"),
        ("float32", "1e39"),
    ] {
        let (_files, config) = Files::with("a.csv", format!("n\n{value}\n"));
        let error = fails(&with(config, "columns", json!({ "n": kind })));
        let expected = format!("\"{value}\" is not of type {kind}, as columns declares it");
        assert!(error.message.contains(&expected), "{error}");
    }
}

#[test]
fn text_of_another_encoding_is_refused() {
    assert_eq!(
        failure("a.csv", b"a,b\n1,caf\xe9\n"),
        "a.csv:2: column \"b\": \"caf\\xe9\" is not UTF-8; convert the file, for example with \
         iconv -f latin1 -t utf-8"
    );
    assert!(failure("a.csv", b"\xff\xfea\0").contains("is UTF-16"));
    assert!(failure("a.csv", b"caf\xe9,b\n").starts_with("a.csv:1: the name of column 1"));
    assert!(
        failure("a.jsonl", b"{\"a\":1}\n{\"a\":\"\xe9\"}\n").starts_with("a.jsonl:2:7: the line")
    );
}

#[test]
fn a_header_has_to_be_there_and_to_tell_columns_apart() {
    assert_eq!(
        failure("a.csv", "a,b,a\n1,2,3\n"),
        "a.csv:1: columns 1 and 3 are both named \"a\"; rename one of them"
    );
    for contents in ["", "\n\n", "\u{feff}"] {
        assert_eq!(
            failure("a.csv", contents),
            "a.csv: the file is empty; it needs a first line with the names of the columns"
        );
    }
}

#[test]
fn a_declared_column_has_to_exist() {
    let (_files, config) = Files::with("a.csv", "dep_time,b\n1,2\n");
    assert_eq!(
        fails(&with(
            config.clone(),
            "columns",
            json!({ "dep_tme": "text" })
        ))
        .message,
        "columns: there is no column \"dep_tme\"; did you mean \"dep_time\"?"
    );
    assert_eq!(
        fails(&with(config, "columns", json!({ "zzzzzz": "text" }))).message,
        "columns: there is no column \"zzzzzz\"; there are dep_time, b"
    );
}

#[test]
fn a_gzip_file_that_is_cut_off_is_not_an_end() {
    let packed = gzip("a,b\n1,2\n".repeat(500));
    for length in [10, 14, packed.len() / 2, packed.len() - 1] {
        let message = failure("a.csv.gz", &packed[..length]);
        assert_eq!(
            message, "a.csv.gz: the gzip data ends too early; the file is cut off, fetch it again",
            "{length} bytes"
        );
    }
    let twice = [packed.clone(), packed].concat();
    let message = failure("a.csv.gz", &twice[..twice.len() / 2 + 5]);
    assert!(message.contains("ends too early"), "{message}");
}

#[test]
fn what_is_not_gzip_is_not_unpacked() {
    let (files, config) = Files::with("a.csv", "a,b\n1,2\n");
    let message = files.clean(&fails(&with(config, "compression", json!("gzip"))).message);
    assert!(
        message.starts_with("a.csv: not valid gzip data"),
        "{message}"
    );
    let (_files, config) = Files::with("a.csv.gz", "a,b\n1,2\n");
    assert_eq!(super::rows(&super::read(&config)), ["1|2"]);
}

#[test]
fn a_file_that_is_not_there_or_is_a_folder_is_named() {
    let files = Files::new();
    let path = files.path().join("no.csv");
    let error = fails(&json!({ "path": [path] }));
    assert_eq!(error.category, Category::NotFound);
    assert_eq!(files.clean(&error.message), "no.csv: there is no such file");
    let path = files.path().join("folder.csv");
    fs::create_dir(&path).unwrap();
    let message = files.clean(&fails(&json!({ "path": [path] })).message);
    assert_eq!(
        message,
        "folder.csv is a folder; name files, for example folder.csv/*.csv"
    );
}

#[test]
fn a_file_that_changes_after_the_plan_is_a_conflict() {
    let (files, config) = Files::with("a.csv", "a\n1\n");
    let source = testing::open_source::<FileSource>(config.clone()).unwrap();
    let request = "any".into();
    let mut plan = block_on(source.plan(&request)).unwrap();
    files.add("a.csv", "a\n1\n2\n");
    let partition = plan.partitions.remove(0);
    let reading = vesicle_connector::native::read(source, request, partition, None, 10);
    let error = block_on(reading.outcome).unwrap_err();
    assert_eq!(
        (error.category, error.retryable),
        (Category::Conflict, false)
    );
    assert!(
        files
            .clean(&error.message)
            .starts_with("a.csv: the file has changed since")
    );
}

#[test]
fn of_several_mistakes_the_one_of_the_first_row_is_told() {
    let told = |contents: &str| {
        let (files, config) = Files::with("a.csv", contents);
        let config = with(config, "sample_rows", json!(1));
        files.clean(&fails(&config).message)
    };
    // Later columns are converted later, and widths are known before values.
    let later_column = told("a,b\n1,2\n3,y\nx,4\n5\n");
    assert!(
        later_column.starts_with("a.csv:3: column \"b\": \"y\""),
        "{later_column}"
    );
    let width = told("a,b\n1,2\n5\n3,y\n");
    assert!(width.starts_with("a.csv:3: 1 field where 2"), "{width}");
    let first_column = told("a,b\n1,2\n3,4\nx,y\n");
    assert!(
        first_column.starts_with("a.csv:4: column \"a\": \"x\""),
        "{first_column}"
    );
    let after_line_ends = told("a,b\nt,2\n\n\"3\nz\",5\nu,v\n");
    assert!(
        after_line_ends.starts_with("a.csv:6: column \"b\": \"v\""),
        "{after_line_ends}"
    );
}
