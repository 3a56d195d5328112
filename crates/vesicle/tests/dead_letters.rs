//! Rows that cannot be passed on, over crashes: each is a dead letter once, and
//! each good row is in the destination once.

#![allow(clippy::unwrap_used)]

mod common;

use common::child::Running;
use common::document::{Document, Pipeline};
use serde_json::Value;
use vesicle_pipeline::run::fail_point::{ALL, OF_LETTERS};

/// Five files of three rows, each of which becomes a commit unless the one before
/// is still under way, so that there are four at least. Every file but the
/// fourth has a row that cannot be read.
fn pipeline() -> Pipeline {
    let mut document = Document::new("csv", "append").commit_after(1);
    document.path = "in/*.csv".into();
    document.source = ", columns: { number: int64 }".into();
    document.destination = "  on_data_error: dlq\n".into();
    let pipeline = Pipeline::new(document);
    std::fs::create_dir(pipeline.path("in")).unwrap();
    for file in 1..=5 {
        let middle = match file {
            4 => "41,good".to_owned(),
            _ => format!("bad,{file}"),
        };
        let rows = format!("number,text\n{file}0,good\n{middle}\n{file}2,good\n");
        pipeline.write(&format!("in/{file}.csv"), &rows);
    }
    pipeline
}

/// The rows of the letters, in the order in which they were kept.
fn letters(pipeline: &Pipeline) -> Vec<String> {
    let command = ["dead-letters", "list", "pipeline.yaml", "--output", "json"];
    let ended = Running::start(pipeline.command_of(&command))
        .wait()
        .expect_exit(0);
    let letters: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rows = letters.as_array().unwrap().iter();
    rows.map(|letter| letter["row"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn expect_everything_once(pipeline: &Pipeline, what: &str) {
    assert_eq!(
        letters(pipeline),
        ["bad,1", "bad,2", "bad,3", "bad,5"],
        "{what}"
    );
    let mut rows = pipeline.destination().rows();
    rows.sort();
    let numbers = [10, 12, 20, 22, 30, 32, 40, 41, 42, 50, 52];
    assert_eq!(rows, numbers.map(|n| format!("{n},good")), "{what}");
}

/// Kills a run at the n-th passage of a point and runs again. Whether it came
/// to be killed.
fn kill_and_run_again(points: &[(&str, u64)]) -> bool {
    let pipeline = pipeline();
    for (point, passage) in points {
        let mut command = pipeline.command();
        command.env("VESICLE_FAIL_POINT", format!("{point}:{passage}"));
        let ended = Running::start(command).wait();
        if !ended.was_killed() {
            ended.expect_exit(0);
            expect_everything_once(&pipeline, point);
            return false;
        }
    }
    let ended = pipeline.complete();
    expect_everything_once(&pipeline, &format!("{points:?}"));
    assert_eq!(ended.report()["dead_letters"], 4, "{points:?}");
    true
}

#[test]
fn a_run_killed_at_any_boundary_keeps_each_bad_row_once_and_writes_each_good_one_once() {
    for point in ALL.iter().chain(OF_LETTERS) {
        for passage in 1..=3 {
            let once = ["begun", "before-finish", "finished"].contains(point);
            let killed = kill_and_run_again(&[(point, passage)]);
            assert_eq!(killed, passage == 1 || !once, "{point}:{passage}");
        }
    }
}

#[test]
fn a_run_killed_twice_keeps_each_bad_row_once() {
    for points in [
        [("commit-prepared", 2), ("letters-stored", 1)],
        [("committed", 2), ("committed", 1)],
        [("commit-prepared", 3), ("committed", 1)],
        [("committed", 3), ("commit-prepared", 1)],
    ] {
        assert!(kill_and_run_again(&points), "{points:?}");
    }
}

#[test]
fn rows_of_a_run_that_is_abandoned_are_kept_once_by_the_run_that_reads_them_again() {
    for point in ["state-moved:3", "before-finish:1"] {
        let pipeline = pipeline();
        let mut command = pipeline.command();
        command.env("VESICLE_FAIL_POINT", point);
        Running::start(command).wait().expect_killed();
        let mut fresh = pipeline.command();
        fresh.arg("--fresh");
        Running::start(fresh).wait().expect_exit(0);
        expect_everything_once(&pipeline, point);
    }
}

#[test]
fn letters_of_a_load_that_another_run_goes_on_with_are_not_lost() {
    // The destination is behind what the state waits for, ahead of it, or at it.
    for first in ["commit-prepared:3", "committed:3", "state-moved:3"] {
        let pipeline = pipeline();
        for (point, argument) in [(first, None), ("fresh-asked:1", Some("--fresh"))] {
            let mut command = pipeline.command();
            command.env("VESICLE_FAIL_POINT", point).args(argument);
            Running::start(command).wait().expect_killed();
        }
        // The run that was to begin anew did not reach the destination.
        pipeline.complete();
        expect_everything_once(&pipeline, first);
    }
}

#[test]
fn a_run_that_only_skips_counts_what_a_commit_covers() {
    let mut pipeline = pipeline();
    pipeline.document.destination = "  on_data_error: skip\n".into();
    pipeline.write_document();
    let ended = pipeline.complete();
    assert_eq!(ended.figure("rows_rejected"), 4);
    assert_eq!(ended.figure("rows_written"), 11);
    assert_eq!(ended.figure("rows_read"), 15);
    assert_eq!(ended.report()["dead_letters"], 0);
    ended.expect_said("left out 4 rows with data errors (on_data_error: skip)");
    assert!(letters(&pipeline).is_empty());
}

#[test]
fn letters_are_stored_however_many_there_are_between_two_commits() {
    let mut document = Document::new("csv", "append");
    document.source = ", columns: { number: int64 }".into();
    document.destination = "  on_data_error: dlq\n".into();
    let pipeline = Pipeline::new(document);
    let long = "x".repeat(1000);
    let rows: Vec<String> = (0..20_000)
        .map(|n| match n % 2 {
            0 => format!("{n},good\n"),
            _ => format!("bad {n},{long}\n"),
        })
        .collect();
    pipeline.write("in.csv", &format!("number,text\n{}", rows.concat()));
    let ended = pipeline.complete();
    assert_eq!(ended.figure("rows_rejected"), 10_000);
    assert_eq!(ended.report()["dead_letters"], 10_000);
    assert_eq!(pipeline.destination().rows().len(), 10_000);
    assert_eq!(letters(&pipeline).len(), 10_000);
}
