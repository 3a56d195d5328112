//! The counters of the stages, as the report has them, tell what each did and
//! where the time went.

#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;

use common::child::{Ended, Running};
use common::large::{Large, MEBIBYTE};
use serde_json::Value;

/// The stages of the first stream.
fn stages(ended: &Ended) -> Vec<Value> {
    let report = ended.report();
    let stages = report["streams"][0]["stages"].as_array().unwrap().clone();
    for stage in &stages {
        println!("{stage}");
    }
    stages
}

#[track_caller]
fn number(of: &Value, name: &str) -> u64 {
    of[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {of}"))
}

/// Rows, batches and bytes that went one way through a stage.
fn moved(stage: &Value, way: &str) -> [u64; 3] {
    ["rows", "batches", "bytes"].map(|what| number(stage, &format!("{what}_{way}")))
}

/// For how long a stage was there, in milliseconds.
fn lifetime(stage: &Value) -> u64 {
    number(stage, "busy_ms") + number(stage, "waiting_ms")
}

#[test]
fn what_leaves_a_stage_enters_the_next_and_is_what_the_report_says_in_all() {
    const ROWS: u64 = 50_000;
    let folder = common::folder();
    let mut rows = String::from("id,name\n");
    for n in 0..ROWS {
        writeln!(rows, "{n},the name of number {n}").unwrap();
    }
    std::fs::write(folder.path().join("in.csv"), &rows).unwrap();
    let text = "version: \"1.0\"\npipeline: counters\n\
                source: { use: source-file, config: { path: in.csv }, streams: [in] }\n\
                transforms: [ { use: transform-rename, config: { columns: { name: title } } } ]\n\
                destination: { use: dest-file, config: { path: out, format: jsonl } }\n";
    std::fs::write(folder.path().join("pipeline.yaml"), text).unwrap();
    let mut command = common::vesicle();
    command
        .args(["run", "pipeline.yaml", "--output", "json"])
        .current_dir(folder.path());
    let ended = Running::start(command).wait().expect_exit(0);
    assert_eq!(ended.figure("rows_read"), ROWS);
    assert_eq!(ended.figure("rows_written"), ROWS);
    assert_eq!(ended.figure("bytes_read"), rows.len() as u64);

    let stages = stages(&ended);
    let names: Vec<_> = stages
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    let expected = [
        "source source-file",
        "transform transform-rename",
        "destination dest-file",
    ];
    assert_eq!(names, expected);
    let [source, transform, destination] = &stages[..] else {
        unreachable!()
    };
    assert_eq!(moved(source, "in"), [0; 3]);
    assert_eq!(moved(source, "out"), moved(transform, "in"));
    assert_eq!(moved(transform, "out"), moved(destination, "in"));
    assert_eq!(moved(destination, "out"), [0; 3]);
    let [rows, batches, bytes] = moved(source, "out");
    assert_eq!(rows, ROWS);
    assert!((1..ROWS).contains(&batches), "{batches} batches");
    // An id takes eight bytes, and the rest is text.
    assert!(bytes > ROWS * 20 && bytes < 8 * MEBIBYTE, "{bytes} bytes");
    for stage in &stages {
        assert_eq!(stage["doing"], "ended");
        assert!(number(stage, "busy_ms") > 0, "{stage}");
        assert!(
            lifetime(stage) <= number(&ended.report(), "elapsed_ms"),
            "{stage}"
        );
    }
}

#[test]
fn the_time_of_a_destination_that_waits_is_waiting_and_its_source_waits_for_room() {
    const ROWS: u64 = 12;
    const WAIT: u64 = 400;
    let large = Large::to_slow(ROWS, &format!("wait_ms: {WAIT}")).queue(MEBIBYTE);
    let stages = stages(&large.run());
    let [source, destination] = &stages[..] else {
        unreachable!()
    };
    assert_eq!(number(destination, "batches_in"), ROWS);
    let in_all = ROWS * WAIT;
    assert!(number(destination, "waiting_ms") >= in_all, "{destination}");
    assert!(number(destination, "busy_ms") < in_all / 2, "{destination}");
    // All but what fits in the queue, and what is under way, was waited for.
    assert!(lifetime(source) >= in_all - 4 * WAIT, "{source}");
    assert!(
        number(source, "waiting_ms") > number(source, "busy_ms"),
        "{source}"
    );
    assert!(
        lifetime(source) <= lifetime(destination),
        "{source} {destination}"
    );
}

#[test]
fn the_time_of_a_destination_that_computes_is_its_own() {
    const ROWS: u64 = 12;
    const COMPUTE: u64 = 400;
    let large = Large::to_slow(ROWS, &format!("compute_ms: {COMPUTE}")).queue(MEBIBYTE);
    let stages = stages(&large.run());
    let [source, destination] = &stages[..] else {
        unreachable!()
    };
    let in_all = ROWS * COMPUTE;
    // At each tick it gives way, and the time until its next turn is not its own.
    assert!(
        number(destination, "busy_ms") >= in_all / 2,
        "{destination}"
    );
    assert!(number(source, "waiting_ms") >= in_all / 6, "{source}");
}
