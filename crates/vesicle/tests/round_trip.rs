//! Rows go from CSV to Parquet to JSON Lines to CSV, and pyarrow finds the same
//! ones in each: as many, and with one checksum over the sorted rows.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::document::{Document, Pipeline};
use common::independent::{Reader, Seen};
use common::{FLIGHTS, flights};
use serde_json::{Value, json};

/// The formats that rows take after `in.csv`.
const FORMATS: [&str; 3] = ["parquet", "jsonl", "csv"];

/// Runs three pipelines, each of which reads what the one before has written.
/// The folders that they wrote. `columns` declares types where files have none.
fn take_around(pipeline: &mut Pipeline, columns: &str) -> [PathBuf; 3] {
    let mut path = "in.csv".to_owned();
    FORMATS.map(|format| {
        let document = Document::new(format, "replace").commit_after(50_000);
        let (name, out) = (format!("to-{format}"), format!("as-{format}"));
        let source = match path.ends_with(".parquet") || columns.is_empty() {
            true => String::new(),
            false => format!(", columns: {{ {columns} }}"),
        };
        pipeline.document = Document {
            name,
            path: path.clone(),
            source,
            out,
            ..document
        };
        pipeline.write_document();
        pipeline.complete();
        path = format!("{}/in/*.{format}", pipeline.document.out);
        pipeline.destination().visible
    })
}

/// What pyarrow finds in `in.csv` and in each of the folders.
fn read_all(pipeline: &Pipeline, folders: &[PathBuf], types: [&Value; 4]) -> Vec<Seen> {
    let mut reader = Reader::start();
    let first = (&"csv", &pipeline.path("in.csv"));
    let all = std::iter::once(first).chain(FORMATS.iter().zip(folders));
    all.zip(types)
        .map(|((format, path), types)| reader.read_as(format, path, types))
        .collect()
}

#[test]
fn flights_are_the_same_rows_as_csv_parquet_json_lines_and_csv_again() {
    let mut pipeline = Pipeline::new(Document::new("parquet", "replace"));
    pipeline.link("in.csv", &flights());
    let folders = take_around(&mut pipeline, "");
    // JSON has no type for times.
    let json = json!({ "time_hour": "timestamptz" });
    let none = json!({});
    let seen = read_all(&pipeline, &folders, [&none, &none, &json, &none]);
    for (seen, format) in seen.iter().zip(["the original", "parquet", "jsonl", "csv"]) {
        println!(
            "{format}: {} rows in {} files, sha256 {}",
            seen.rows,
            seen.files.len(),
            seen.sha256
        );
        assert_eq!(seen.rows, FLIGHTS, "{format}");
    }
    assert!(
        seen.iter().all(|other| other.rows() == seen[0].rows()),
        "{seen:#?}"
    );
    assert!(
        seen[1..].iter().all(|seen| seen.files.len() > 1),
        "{seen:#?}"
    );
}

/// Values that are easily lost on the way: the columns are those of [`types`].
const NASTY: &[&str] = &[
    "id,big,ratio,text,day,at,instant,flag,code",
    "1,9223372036854775807,0.1,plain,2024-02-29,2024-02-29T23:59:59.999999,2024-02-29T23:59:59+02:00,true,007",
    "2,-9223372036854775808,-0.0,\"a \"\"quoted\"\", text\",1970-01-01,1970-01-01T00:00:00,1969-12-31T23:59:59.5-05:30,false,0",
    "3,9007199254740993,5e-324,\"two\nlines,\r\nand a return\r\",0001-01-01,0001-01-01T00:00:00,0001-01-02T00:00:00Z,TRUE,00",
    "4,,,,,,,,",
    "5,0,1.7976931348623157e308,\"\",9999-12-31,9999-12-31T23:59:59,9999-12-31T00:00:00Z,False,\"\"",
    "6,-1,-1e-7,\"NULL\",1969-12-31,1969-12-31T23:59:59.000001,1970-01-01T00:00:00.000001Z,true,NA",
    "7,NULL,NA,\\N,N/A,null,NULL,NA,\"NA\"",
    "8,1,1,\" spaces \",2000-01-01,2000-01-01T12:00:00.25,2000-01-01T12:00:00+00:00,true,1e5",
    "9,2,0.30000000000000004,Ünïcødé 🦀 日本語 e\u{301} \u{200d},2000-01-01,2000-01-01T00:00:00,2000-06-01T00:00:00+05:45,true,-0",
    "10,3,123456789.123456789,\"{\"\"json\"\": [1, null]}\",2000-01-01,2000-01-01T00:00:00,2000-01-01T00:00:00Z,true,0x1F",
    "11,4,2.5,\"back\\slash \\N \\n\ttab\",2000-01-01,2000-01-01T00:00:00,2000-01-01T00:00:00Z,true,\"a\nb\"",
    "12,5,1e22,\"\n\",2000-01-01,2000-01-01T00:00:00,2000-01-01T00:00:00Z,true,\"\"\"\"",
];

fn types() -> Value {
    json!({
        "id": "int64",
        "big": "int64",
        "ratio": "float64",
        "text": "text",
        "day": "date",
        "at": "timestamp",
        "instant": "timestamptz",
        "flag": "boolean",
        "code": "text",
    })
}

#[test]
fn values_that_are_easily_lost_are_the_same_in_every_format() {
    let mut pipeline = Pipeline::new(Document::new("parquet", "replace"));
    // With the mark of UTF-8, and lines that end as on Windows.
    pipeline.write("in.csv", &format!("\u{feff}{}\r\n", NASTY.join("\r\n")));
    // Of the numbers some are rounded, and some have an exponent as a code may.
    let folders = take_around(&mut pipeline, "ratio: float64");
    let (types, none) = (types(), json!({}));
    // Parquet says itself which types its columns have.
    let seen = read_all(&pipeline, &folders, [&types, &none, &types, &types]);
    for (seen, format) in seen.iter().zip(["the original", "parquet", "jsonl", "csv"]) {
        println!("{format}: {} rows, sha256 {}", seen.rows, seen.sha256);
        assert_eq!(seen.rows, NASTY.len() as u64 - 1, "{format}");
    }
    assert!(
        seen.iter().all(|other| other.rows() == seen[0].rows()),
        "{seen:#?}"
    );
}

#[test]
fn the_independent_reader_tells_rows_apart_that_differ_in_one_value() {
    let pipeline = Pipeline::new(Document::new("csv", "replace"));
    let mut reader = Reader::start();
    let mut read = |text: &str| {
        pipeline.write("in.csv", text);
        reader.read_as(
            "csv",
            &pipeline.path("in.csv"),
            &json!({ "a": "text", "b": "float64" }),
        )
    };
    let first = read("a,b\nx,1\ny,2\n");
    assert_eq!(
        first.sha256,
        read("a,b\ny,2\nx,1\n").sha256,
        "the order of rows is nothing"
    );
    assert_eq!(
        first.sha256,
        read("b,a\n1,x\n2,y\n").sha256,
        "the order of columns is nothing"
    );
    let others = [
        "a,b\nx,1\ny,3\n",
        "a,b\nx,1\n",
        "a,b\nx,1\ny,2\ny,2\n",
        "a,c\nx,1\ny,2\n",
        "a,b\nx,1\n,2\n",
        "a,b\nx,1\n\"\",2\n",
        "a,b\nx,0\ny,2\n",
        "a,b\nx,-0.0\ny,2\n",
    ];
    let mut sums: Vec<_> = others.iter().map(|text| read(text).sha256).collect();
    sums.push(first.sha256);
    sums.sort();
    sums.dedup();
    assert_eq!(
        sums.len(),
        others.len() + 1,
        "two that differ have one checksum"
    );
}
