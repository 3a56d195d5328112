//! Batches are bounded in bytes, whatever the rows are.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

use std::fmt::Write;
use std::fs;

use serde_json::json;
use source_file::FileSource;
use vesicle_connector::testing::{self, Output, block_on};

const MIB: usize = 1024 * 1024;

fn read(name: &str, contents: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, contents).unwrap();
    let output = block_on(testing::read::<FileSource>(json!({ "path": path }), "any")).unwrap();
    output.outcome.clone().unwrap();
    let checkpoints = output.checkpoints();
    let middle = checkpoints[checkpoints.len() / 2];
    let rest = block_on(testing::resume::<FileSource>(
        json!({ "path": path }),
        "any",
        "all",
        middle,
    ));
    let rest = rest.unwrap();
    rest.outcome.clone().unwrap();
    assert!(rest.rows() < output.rows());
    output
}

/// The bytes of the largest batch, slices counted as such.
fn largest(output: &Output) -> usize {
    let size = |column: &arrow_array::ArrayRef| column.to_data().get_slice_memory_size().unwrap();
    let batches = output.batches().into_iter();
    batches
        .map(|batch| batch.columns().iter().map(size).sum())
        .max()
        .unwrap()
}

#[test]
fn a_batch_of_huge_rows_holds_one() {
    let value = "x".repeat(MIB);
    let csv = (0..40).fold("id,text\n".to_owned(), |csv, id| {
        csv + &format!("{id},{value}\n")
    });
    let jsonl = (0..40).fold(String::new(), |jsonl, id| {
        jsonl + &format!("{{\"id\":{id},\"text\":\"{value}\"}}\n")
    });
    for (name, contents) in [("a.csv", csv), ("a.jsonl", jsonl)] {
        let output = read(name, &contents);
        assert_eq!((output.rows(), output.batches().len()), (40, 40));
        assert!(largest(&output) < MIB + 4096, "{}", largest(&output));
    }
}

#[test]
fn a_batch_of_small_rows_is_about_a_mebibyte() {
    let mut csv = "id,even,text\n".to_owned();
    for id in 0..200_000 {
        writeln!(csv, "{id},{},row {id}", id % 2 == 0).unwrap();
    }
    let output = read("a.csv", &csv);
    assert_eq!(output.rows(), 200_000);
    assert!(largest(&output) <= MIB, "{}", largest(&output));
    assert!(output.batches().len() < 16, "{}", output.batches().len());
}

#[test]
fn a_huge_row_among_small_ones_does_not_make_the_batch_of_the_others_larger() {
    let mut csv = "text\n".to_owned();
    for id in 0..60_000 {
        let value = if id % 7_000 == 5_000 {
            "y".repeat(900_000)
        } else {
            format!("row {id}")
        };
        writeln!(csv, "{value}").unwrap();
    }
    let output = read("a.csv", &csv);
    assert_eq!(output.rows(), 60_000);
    assert!(largest(&output) <= MIB + 4096, "{}", largest(&output));
}
