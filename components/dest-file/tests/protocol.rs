//! What a load does, without accidents.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

mod common;

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use common::*;
use serde_json::json;
use vesicle_connector::testing::{self, Item, block_on};
use vesicle_connector::{Category, Destination, Error, LoadRequest, WriteMode, Writer};

const SOURCE: Numbers = Numbers { count: 10, step: 4 };

fn begin_fails(config: &serde_json::Value, request: &LoadRequest) -> Error {
    block_on(destination(config).begin(request)).unwrap_err()
}

#[test]
fn a_load_ends_with_a_summary_and_can_be_finished_twice() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "parquet");
    let destination = destination(&config);
    let load = block_on(destination.begin(&request("run", WriteMode::Replace))).unwrap();
    SOURCE.write(&destination, &load).unwrap();
    assert!(
        visible(root.path()).is_empty(),
        "parts stay hidden until the end"
    );
    let summary = block_on(destination.finish(&load)).unwrap();
    let place = format!("{}/ (3 files)", root.path().join("s").display());
    assert_eq!((summary.rows, &summary.places), (10, &vec![place]));
    assert_eq!(block_on(destination.finish(&load)).unwrap(), summary);
    assert_eq!(visible(root.path()), (0..10).collect::<Vec<_>>());
    let again = block_on(destination.begin(&request("run", WriteMode::Replace))).unwrap();
    assert!(again.complete);
    assert_eq!(block_on(destination.finish(&again)).unwrap(), summary);
}

#[test]
fn a_load_that_another_run_went_on_with_is_complete_for_both() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        let root = tempfile::tempdir().unwrap();
        let destination = destination(&config(root.path(), "csv"));
        block_on(destination.begin(&request("lost", mode))).unwrap();
        let load = block_on(destination.begin(&request("found", mode))).unwrap();
        assert_eq!(load.run, "lost");
        SOURCE.write(&destination, &load).unwrap();
        block_on(destination.finish(&load)).unwrap();
        for run in ["found", "lost"] {
            let again = block_on(destination.begin(&request(run, mode))).unwrap();
            assert!(again.complete, "{run}");
        }
        let other = block_on(destination.begin(&request("other", mode))).unwrap();
        assert!(!other.complete);
    }
}

#[test]
fn an_append_shows_each_commit_and_keeps_what_was_there() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "csv");
    SOURCE
        .load(&destination(&config), &request("one", WriteMode::Append))
        .unwrap();
    let items: Vec<Item> = vec![
        numbers(10, 12).into(),
        Item::commit("12"),
        Item::commit("12 and nothing"),
        numbers(12, 13).into(),
    ];
    let loaded = block_on(testing::load::<dest_file::FileDestination>(
        config.clone(),
        &request("two", WriteMode::Append),
        "all",
        items,
    ))
    .unwrap();
    loaded.outcome.clone().unwrap();
    let receipts: Vec<_> = loaded
        .receipts()
        .iter()
        .map(|receipt| (&receipt.cursor[..], receipt.rows))
        .collect();
    assert_eq!(receipts, [("12", 2), ("12 and nothing", 0)]);
    assert_eq!(visible(root.path()), (0..12).collect::<Vec<_>>());
    // The last row was not committed; the next run goes on from the cursor.
    let load = block_on(destination(&config).begin(&request("three", WriteMode::Append))).unwrap();
    assert_eq!((load.run.as_str(), load.complete), ("two", false));
    assert_eq!(load.snapshot.as_deref(), Some("the snapshot"));
    assert_eq!(load.cursors.len(), 1);
    assert_eq!(load.cursors[0].cursor, "12 and nothing");
    assert_eq!(visible(root.path()), (0..12).collect::<Vec<_>>());
}

#[test]
fn starting_afresh_removes_what_an_unfinished_append_has_shown() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "jsonl");
    SOURCE
        .load(&destination(&config), &request("one", WriteMode::Append))
        .unwrap();
    let load = block_on(destination(&config).begin(&request("two", WriteMode::Append))).unwrap();
    SOURCE.write(&destination(&config), &load).unwrap();
    assert_eq!(visible(root.path()).len(), 20);
    let mut fresh = request("three", WriteMode::Append);
    fresh.fresh = true;
    let load = block_on(destination(&config).begin(&fresh)).unwrap();
    assert_eq!((load.run.as_str(), load.cursors.len()), ("three", 0));
    assert_eq!(visible(root.path()), (0..10).collect::<Vec<_>>());
}

#[test]
fn partitions_are_written_side_by_side() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "csv");
    let destination = destination(&config);
    let load = block_on(destination.begin(&request("run", WriteMode::Replace))).unwrap();
    for (partition, from) in [("a/b", 0), ("../c", 5), ("", 10)] {
        let mut writer = block_on(destination.writer(&load, partition)).unwrap();
        block_on(writer.batch(numbers(from, from + 5))).unwrap();
        let commit = vesicle_connector::CommitRequest {
            cursor: "end".into(),
            last: true,
        };
        block_on(writer.commit(&commit)).unwrap();
    }
    let load = block_on(destination.begin(&request("other", WriteMode::Replace))).unwrap();
    let mut partitions: Vec<_> = load
        .cursors
        .iter()
        .map(|cursor| cursor.partition.as_str())
        .collect();
    partitions.sort_unstable();
    assert_eq!(partitions, ["", "../c", "a/b"]);
    assert!(load.cursors.iter().all(|cursor| cursor.last));
    block_on(destination.finish(&load)).unwrap();
    assert_eq!(visible(root.path()), (0..15).collect::<Vec<_>>());
}

#[test]
fn a_hostile_stream_name_stays_in_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("out");
    for name in ["../x", "a/b", "", ".", "..", ".vesicle"] {
        let config = config(&root, "csv");
        let mut request = request("run", WriteMode::Replace);
        request.stream_name = name.to_owned();
        SOURCE.load(&destination(&config), &request).unwrap();
    }
    assert_eq!(files(outer.path()), std::slice::from_ref(&root));
    assert_eq!(files(&root).len(), 7);
    assert_eq!(files(&root.join(".vesicle")).len(), 6);
}

#[test]
fn a_stream_of_no_rows_still_makes_a_file() {
    for (format, contents) in [("csv", "id,name\n"), ("jsonl", "")] {
        for mode in [WriteMode::Append, WriteMode::Replace] {
            let root = tempfile::tempdir().unwrap();
            let config = config(root.path(), format);
            let none = Numbers { count: 0, step: 1 };
            let summary = none
                .load(&destination(&config), &request("run", mode))
                .unwrap();
            assert!(summary.places[0].ends_with("/s/ (1 file)"), "{summary:?}");
            let files = files(&root.path().join("s"));
            assert_eq!(fs::read_to_string(&files[0]).unwrap(), contents);
        }
    }
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "parquet");
    SOURCE
        .load(&destination(&config), &request("one", WriteMode::Append))
        .unwrap();
    let none = Numbers { count: 0, step: 1 };
    let summary = none
        .load(&destination(&config), &request("two", WriteMode::Append))
        .unwrap();
    assert!(summary.places[0].ends_with("/s/ (0 files)"), "{summary:?}");
    assert_eq!(visible(root.path()).len(), 10);
}

#[test]
fn a_folder_of_somebody_else_is_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "csv");
    fs::create_dir(root.path().join("s")).unwrap();
    fs::write(root.path().join("s/mine.csv"), "a\n").unwrap();
    let error = begin_fails(&config, &request("run", WriteMode::Replace));
    assert_eq!(
        (error.category, error.retryable),
        (Category::Conflict, false)
    );
    let place = root.path().join("s");
    assert_eq!(
        error.message,
        format!(
            "{}: mine.csv was not written by Vesicle, and replacing the folder would remove it; \
             move it away or choose another path",
            place.display()
        )
    );
    // Nor is a file that comes later.
    fs::remove_file(place.join("mine.csv")).unwrap();
    let load = block_on(destination(&config).begin(&request("run", WriteMode::Replace))).unwrap();
    SOURCE.write(&destination(&config), &load).unwrap();
    fs::write(place.join("mine.csv"), "a\n").unwrap();
    let error = block_on(destination(&config).finish(&load)).unwrap_err();
    assert_eq!(error.code, "foreign-files");
    fs::remove_file(place.join("mine.csv")).unwrap();
    block_on(destination(&config).finish(&load)).unwrap();
    assert_eq!(visible(root.path()).len(), 10);
}

#[test]
fn another_pipeline_is_refused_until_it_starts_afresh() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "csv");
    SOURCE
        .load(&destination(&config), &request("one", WriteMode::Append))
        .unwrap();
    let mut other = request("two", WriteMode::Append);
    other.pipeline = "another".to_owned();
    let error = begin_fails(&config, &other);
    assert_eq!(error.code, "other-pipeline");
    assert!(
        error.message.contains("written by the pipeline \"test\""),
        "{error}"
    );
    other.fresh = true;
    SOURCE.load(&destination(&config), &other).unwrap();
    assert_eq!(visible(root.path()).len(), 20);
}

#[test]
fn files_of_other_columns_or_formats_are_not_appended_to() {
    let root = tempfile::tempdir().unwrap();
    let append = |run: &str| request(run, WriteMode::Append);
    SOURCE
        .load(&destination(&config(root.path(), "csv")), &append("one"))
        .unwrap();
    let mut other = append("two");
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(["x"]));
    other.schema = RecordBatch::try_from_iter([("id", ids.clone()), ("name", ids)])
        .unwrap()
        .schema();
    let error = begin_fails(&config(root.path(), "csv"), &other);
    assert_eq!(error.category, Category::Schema);
    assert!(
        error
            .message
            .contains("column \"id\" of its files is of type int64, in the stream it is text"),
        "{error}"
    );
    other.schema = numbers(0, 0).project(&[0]).unwrap().schema();
    let error = begin_fails(&config(root.path(), "csv"), &other);
    assert!(
        error
            .message
            .contains("column \"name\" of its files is not in the stream"),
        "{error}"
    );
    let error = begin_fails(&config(root.path(), "parquet"), &append("two"));
    assert!(
        error
            .message
            .contains("its files are csv, this load writes parquet"),
        "{error}"
    );
    // Replacing may change everything.
    let replace = request("two", WriteMode::Replace);
    SOURCE
        .load(&destination(&config(root.path(), "parquet")), &replace)
        .unwrap();
    assert_eq!(visible(root.path()).len(), 10);
}

#[test]
fn a_type_that_a_format_cannot_hold_is_named_in_the_users_words() {
    let root = tempfile::tempdir().unwrap();
    let mut request = request("one", WriteMode::Append);
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let list = Field::new("tags", DataType::List(item), true);
    request.schema = Arc::new(Schema::new(vec![list]));
    assert_eq!(
        begin_fails(&config(root.path(), "csv"), &request).message,
        "column \"tags\" is of type list of int64, which csv files cannot hold; write jsonl or \
         parquet, or drop the column"
    );
}

#[test]
fn text_files_of_another_dialect_are_not_appended_to() {
    let cases = [
        ("csv", "delimiter", "\\t", "\",\"", "\"\\t\""),
        ("csv", "null", "NA", "\"\"", "\"NA\""),
        ("csv", "compression", "gzip", "\"none\"", "\"gzip\""),
        ("jsonl", "compression", "gzip", "\"none\"", "\"gzip\""),
    ];
    for (format, key, value, was, is) in cases {
        let root = tempfile::tempdir().unwrap();
        let plain = config(root.path(), format);
        let mut other = plain.clone();
        other[key] = json!(value);
        SOURCE
            .load(&destination(&plain), &request("one", WriteMode::Append))
            .unwrap();
        let error = begin_fails(&other, &request("two", WriteMode::Append));
        assert_eq!(
            (error.category, &error.code[..]),
            (Category::Schema, "other-format")
        );
        let expected = format!(
            "{}: its files are written with {key}: {was}, this load writes {is}; set {key} back, \
             or choose another path",
            root.path().join("s").display()
        );
        assert_eq!(error.message, expected);
        // Nor does a load go on in another dialect once it has committed.
        let load = block_on(destination(&plain).begin(&request("two", WriteMode::Append)));
        SOURCE.write(&destination(&plain), &load.unwrap()).unwrap();
        let error = begin_fails(&other, &request("two", WriteMode::Append));
        let expected = format!("begun with {key}: {was}, now it is {is}");
        assert!(error.message.contains(&expected), "{error}");
        // Replacing may change everything.
        let mut fresh = request("three", WriteMode::Replace);
        fresh.fresh = true;
        SOURCE.load(&destination(&other), &fresh).unwrap();
    }
}

#[test]
fn parquet_files_may_be_packed_in_any_way() {
    let root = tempfile::tempdir().unwrap();
    let mut config = config(root.path(), "parquet");
    for (run, codec) in [("one", "snappy"), ("two", "gzip")] {
        config["compression"] = json!(codec);
        SOURCE
            .load(&destination(&config), &request(run, WriteMode::Append))
            .unwrap();
    }
    assert_eq!(visible(root.path()).len(), 20);
}

#[test]
fn a_record_that_does_not_know_the_dialect_is_read_and_appended_to() {
    let root = tempfile::tempdir().unwrap();
    let mut config = config(root.path(), "csv");
    SOURCE
        .load(&destination(&config), &request("one", WriteMode::Append))
        .unwrap();
    let path = root.path().join(".vesicle/s/load.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let finished = record["finished"].as_object_mut().unwrap();
    assert!(finished.remove("dialect").is_some());
    fs::write(&path, record.to_string()).unwrap();
    config["null"] = json!("NA");
    SOURCE
        .load(&destination(&config), &request("two", WriteMode::Append))
        .unwrap();
    assert_eq!(visible(root.path()).len(), 20);
}

#[test]
fn columns_in_another_order_are_written_in_the_order_of_the_files_that_are_there() {
    for format in ["csv", "parquet"] {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), format);
        let append = |run: &str, rows: RecordBatch| {
            let mut request = request(run, WriteMode::Append);
            request.schema = rows.schema();
            let items: Vec<Item> = vec![rows.into(), Item::last("end")];
            let loaded = block_on(testing::load::<dest_file::FileDestination>(
                config.clone(),
                &request,
                "all",
                items,
            ))
            .unwrap();
            loaded.outcome.unwrap();
            block_on(destination(&config).finish(&loaded.load)).unwrap();
        };
        append("one", numbers(0, 5));
        append("two", numbers(5, 8).project(&[1, 0]).unwrap());
        append("three", numbers(8, 9));
        assert_eq!(visible(root.path()), (0..9).collect::<Vec<_>>());
        if format == "csv" {
            for file in files(&root.path().join("s")) {
                let contents = fs::read_to_string(file).unwrap();
                assert!(contents.starts_with("id,name\n"), "{contents}");
            }
        }
    }
}

#[test]
fn an_unfinished_load_goes_on_only_as_it_was_begun() {
    let root = tempfile::tempdir().unwrap();
    let csv = config(root.path(), "csv");
    let load = block_on(destination(&csv).begin(&request("one", WriteMode::Append))).unwrap();
    SOURCE.write(&destination(&csv), &load).unwrap();
    let error = begin_fails(&csv, &request("one", WriteMode::Replace));
    assert!(
        error
            .message
            .contains("begun with write_mode: append, now it is replace"),
        "{error}"
    );
    let error = begin_fails(
        &config(root.path(), "jsonl"),
        &request("one", WriteMode::Append),
    );
    assert!(
        error
            .message
            .contains("begun with format: csv, now it is jsonl"),
        "{error}"
    );
}

#[test]
fn a_load_that_committed_nothing_gives_way_to_one_of_another_shape() {
    let root = tempfile::tempdir().unwrap();
    let csv = config(root.path(), "csv");
    block_on(destination(&csv).begin(&request("one", WriteMode::Append))).unwrap();
    let jsonl = destination(&config(root.path(), "jsonl"));
    let load = block_on(jsonl.begin(&request("one", WriteMode::Replace))).unwrap();
    assert!(load.cursors.is_empty() && !load.complete);
    SOURCE.write(&jsonl, &load).unwrap();
    assert_eq!(block_on(jsonl.finish(&load)).unwrap().rows, 10);
    assert_eq!(visible(root.path()), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_damaged_record_is_an_error_and_not_a_new_start() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "csv");
    let load = block_on(destination(&config).begin(&request("one", WriteMode::Append))).unwrap();
    SOURCE.write(&destination(&config), &load).unwrap();
    let records = [
        (
            root.path().join(".vesicle/s/load-one/parts-all.json"),
            &[false][..],
        ),
        (root.path().join(".vesicle/s/load.json"), &[false, true][..]),
    ];
    for (record, fresh_or_not) in records {
        let whole = fs::read(&record).unwrap();
        for contents in [&whole[..0], &whole[..whole.len() / 2], b"{}", b"\xff"] {
            fs::write(&record, contents).unwrap();
            for fresh in fresh_or_not.iter().copied() {
                let mut request = request("two", WriteMode::Append);
                request.fresh = fresh;
                let error = begin_fails(&config, &request);
                assert_eq!(
                    (error.category, &error.code[..]),
                    (Category::Data, "damaged-record")
                );
                assert!(
                    error.message.starts_with(&record.display().to_string()),
                    "{error}"
                );
            }
        }
        fs::write(&record, whole).unwrap();
    }
    block_on(destination(&config).begin(&request("one", WriteMode::Append))).unwrap();
    assert_eq!(visible(root.path()).len(), 10);
}

#[test]
fn a_committed_part_that_is_gone_is_said() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "csv");
    let load = block_on(destination(&config).begin(&request("one", WriteMode::Replace))).unwrap();
    SOURCE.write(&destination(&config), &load).unwrap();
    let parts = files(&root.path().join(".vesicle/s/load-one/parts"));
    fs::remove_file(&parts[1]).unwrap();
    let error = begin_fails(&config, &request("one", WriteMode::Replace));
    assert_eq!(error.code, "part-gone");
    let mut fresh = request("two", WriteMode::Replace);
    fresh.fresh = true;
    SOURCE.load(&destination(&config), &fresh).unwrap();
    assert_eq!(visible(root.path()).len(), 10);
}

#[test]
fn a_check_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    block_on(destination(&config(&root.path().join("out"), "csv")).check()).unwrap();
    assert_eq!(files(&root.path().join("out")).len(), 0);
    let error = block_on(destination(&json!({ "path": "/proc/no", "format": "csv" })).check());
    assert!(error.is_err());
}
