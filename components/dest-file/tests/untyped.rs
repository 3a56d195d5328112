//! Files without values are appended to tables of any types.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use dest_file::FileDestination;
use serde_json::{Value, json};
use source_file::FileSource;
use vesicle_connector::testing::{self, Item, block_on};
use vesicle_connector::{Category, Destination, LoadRequest, Result, WriteMode};

/// Appends what a CSV file of some contents holds.
fn append(root: &Path, format: &str, run: &str, source: &Value, contents: &str) -> Result<()> {
    let path = root.join("in.csv");
    fs::write(&path, contents).unwrap();
    let mut source = source.clone();
    source["path"] = json!(path);
    let output = block_on(testing::read::<FileSource>(source, "s")).unwrap();
    output.outcome.clone().unwrap();
    let mut request = LoadRequest::new("s", run, output.schema().unwrap().clone());
    request.write_mode = WriteMode::Append;
    let batches = output.batches().into_iter().cloned().map(Item::from);
    let items: Vec<Item> = batches.chain([Item::last("end")]).collect();
    let config = config(&root.join("out"), format);
    let loaded = testing::load::<FileDestination>(config.clone(), &request, "all", items);
    let loaded = block_on(loaded)?;
    loaded.outcome?;
    block_on(destination(&config).finish(&loaded.load)).map(drop)
}

/// What the files hold, by name and type.
fn columns(root: &Path) -> Vec<String> {
    let config = json!({ "path": files(&root.join("out/s")) });
    let output = block_on(testing::read::<FileSource>(config, "s")).unwrap();
    output.outcome.clone().unwrap();
    let schema = output.schema().unwrap();
    let named = |field: &arrow_schema::FieldRef| {
        assert!(field.metadata().is_empty());
        format!("{}: {}", field.name(), field.data_type())
    };
    schema.fields().iter().map(named).collect()
}

const DAY: &str = "id,day,price,note\n1,2013-01-31,1.5,x\n";

#[test]
fn an_export_without_rows_or_values_is_appended_to_columns_of_any_type() {
    for format in ["csv", "jsonl", "parquet"] {
        let root = tempfile::tempdir().unwrap();
        let append = |run: &str, contents: &str| {
            append(root.path(), format, run, &json!({}), contents).unwrap();
        };
        append("one", DAY);
        append("two", "id,day,price,note\n");
        append("three", "note,price,day,id\n,,,\nNA,,,7\n");
        append("four", DAY);
        assert_eq!(visible(&root.path().join("out")), [1, 1, 7], "{format}");
        assert_eq!(
            columns(root.path()),
            ["id: Int64", "day: Date32", "price: Float64", "note: Utf8"],
            "{format}"
        );
    }
}

#[test]
fn a_value_in_a_column_that_was_inferred_from_none_is_refused() {
    let root = tempfile::tempdir().unwrap();
    append(root.path(), "csv", "one", &json!({}), DAY).unwrap();
    let source = json!({ "sample_rows": 1 });
    let late = "id,day,price,note\n,,,\n7,,,\n";
    let error = append(root.path(), "csv", "two", &source, late).unwrap_err();
    assert_eq!(
        (error.category, &error.code[..]),
        (Category::Data, "untyped-column")
    );
    assert_eq!(
        error.message,
        "column \"id\" was inferred from no value and is written as int64, as the files that are \
         there have it, but now has the value \"7\"; declare it in the source (columns: { id: \
         int64 }), or raise sample_rows"
    );
    let declared = json!({ "sample_rows": 1, "columns": { "id": "int64" } });
    append(root.path(), "csv", "two", &declared, late).unwrap();
    assert_eq!(visible(&root.path().join("out")), [1, 7]);
}

#[test]
fn a_column_that_nobody_knows_the_type_of_begins_as_text() {
    let root = tempfile::tempdir().unwrap();
    for run in ["one", "two"] {
        append(root.path(), "parquet", run, &json!({}), "id,note\n,\n").unwrap();
    }
    append(
        root.path(),
        "parquet",
        "three",
        &json!({}),
        "id,note\nx,y\n",
    )
    .unwrap();
    assert_eq!(columns(root.path()), ["id: Utf8", "note: Utf8"]);
}
