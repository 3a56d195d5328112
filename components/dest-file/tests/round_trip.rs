//! What is written is read back as it was, by the source that ships beside.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use common::files;
use dest_file::FileDestination;
use serde_json::{Value, json};
use source_file::FileSource;
use vesicle_connector::testing::{self, Item, block_on};
use vesicle_connector::{Destination, LoadRequest, WriteMode};

/// Values that are easily lost on the way.
fn nasty() -> RecordBatch {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![
        Some("plain"),
        Some(""),
        None,
        Some("NA"),
        Some("NULL"),
        Some("\\N"),
        Some("a \"quoted\", text"),
        Some("line\r\nfeed\nreturn\r"),
        Some(" spaces "),
        Some("\u{feff}mark\u{0}\u{1}\t"),
        Some("007"),
        Some("\u{1f980}{\"a\":[1]}"),
    ]));
    let integers: ArrayRef = Arc::new(Int64Array::from(vec![
        Some(0),
        Some(i64::MAX),
        Some(i64::MIN),
        None,
        Some(9_007_199_254_740_993),
        Some(-1),
        None,
        Some(1),
        Some(1),
        Some(1),
        Some(1),
        Some(1),
    ]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(0.1),
        Some(-0.0),
        Some(f64::MAX),
        Some(f64::MIN_POSITIVE),
        Some(5e-324),
        Some(f64::INFINITY),
        Some(f64::NEG_INFINITY),
        None,
        Some(1e21),
        Some(39.1),
        Some(1.0),
        Some(0.30000000000000004),
    ]));
    let booleans: ArrayRef = Arc::new(BooleanArray::from_iter(
        (0..12).map(|row| (row != 2).then_some(row % 2 == 0)),
    ));
    let dates: ArrayRef = Arc::new(Date32Array::from_iter(
        (0..12).map(|row| (row != 3).then_some(row * 9999 - 40_000)),
    ));
    let stamps = (0..12).map(|row| (row != 4).then_some(row * 987_654_321_987_654 - 1));
    let stamps: Vec<Option<i64>> = stamps.collect();
    let local: ArrayRef = Arc::new(TimestampMicrosecondArray::from(stamps.clone()));
    let instants: ArrayRef = Arc::new(TimestampMicrosecondArray::from(stamps).with_timezone("UTC"));
    RecordBatch::try_from_iter_with_nullable([
        ("text, with \"quotes\"", texts, true),
        ("integer", integers, true),
        ("float", floats, true),
        ("boolean", booleans, true),
        ("date", dates, true),
        ("local", local, true),
        ("instant", instants, true),
    ])
    .unwrap()
}

fn write(folder: &Path, options: &Value, batch: &RecordBatch) -> Value {
    let mut config = options.clone();
    config["path"] = json!(folder);
    let mut request = LoadRequest::new("t", "run", batch.schema());
    request.write_mode = WriteMode::Replace;
    let items = [Item::from(batch.clone()), Item::last("end")];
    let loaded = testing::load::<FileDestination>(config.clone(), &request, "all", items);
    let loaded = block_on(loaded).unwrap();
    loaded.outcome.unwrap();
    let destination = testing::open_destination::<FileDestination>(config).unwrap();
    block_on(destination.finish(&loaded.load)).unwrap();
    json!({ "path": files(&folder.join("t")) })
}

/// A configuration that reads the float column whatever digits it has: there
/// are more than a type is inferred from.
fn declared(mut config: Value, format: &Value) -> Value {
    if format != "parquet" {
        config["columns"] = json!({ "float": "float64" });
    }
    config
}

fn read(config: Value) -> RecordBatch {
    let output = block_on(testing::read::<FileSource>(config, "t")).unwrap();
    output.outcome.clone().unwrap();
    output.concat().unwrap()
}

#[test]
fn every_format_gives_back_every_value() {
    for options in [
        json!({ "format": "parquet" }),
        json!({ "format": "parquet", "compression": "none" }),
        json!({ "format": "parquet", "compression": "gzip" }),
        json!({ "format": "parquet", "compression": "lz4" }),
        json!({ "format": "parquet", "compression": "brotli" }),
        json!({ "format": "csv" }),
        json!({ "format": "csv", "compression": "gzip" }),
        json!({ "format": "csv", "delimiter": ";", "null": "NA" }),
        json!({ "format": "csv", "delimiter": "\\t" }),
        json!({ "format": "jsonl" }),
        json!({ "format": "jsonl", "compression": "gzip" }),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = write(folder.path(), &options, &nasty());
        let mut config = declared(config, &options["format"]);
        if let Some(delimiter) = options.get("delimiter") {
            config["delimiter"] = delimiter.clone();
        }
        assert_eq!(read(config), nasty(), "{options}");
    }
}

#[test]
fn a_chain_of_formats_keeps_every_value() {
    let folder = tempfile::tempdir().unwrap();
    let mut batch = nasty();
    for (step, format) in ["csv", "parquet", "jsonl", "csv"].into_iter().enumerate() {
        let folder = folder.path().join(step.to_string());
        let config = write(&folder, &json!({ "format": format }), &batch);
        batch = read(declared(config, &json!(format)));
    }
    assert_eq!(batch, nasty());
}

#[test]
fn a_table_of_one_column_keeps_its_nulls_and_empty_texts() {
    let texts = StringArray::from(vec![None, Some(""), Some("x"), Some("NULL"), None]);
    let column: ArrayRef = Arc::new(texts);
    let batch = RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), &json!({ "format": "csv" }), &batch);
    let contents = fs::read_to_string(&files(&folder.path().join("t"))[0]).unwrap();
    assert_eq!(contents, "a\nNULL\n\"\"\nx\n\"NULL\"\nNULL\n");
    assert_eq!(read(config), batch);
}

#[test]
fn numbers_that_json_does_not_have_come_back() {
    let column: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, 1.5]));
    let batch = RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), &json!({ "format": "jsonl" }), &batch);
    let contents = fs::read_to_string(&files(&folder.path().join("t"))[0]).unwrap();
    assert_eq!(
        contents,
        "{\"a\":\"NaN\"}\n{\"a\":\"Infinity\"}\n{\"a\":1.5}\n"
    );
    assert_eq!(read(config), batch);
}
