//! Rows that cannot be passed on, over crashes: each is a dead letter once, and
//! each good row is in the destination once.

#![allow(clippy::unwrap_used)]

mod common;

use common::child::Running;
use common::document::{Document, Pipeline};
use common::postgres::Tables;
use serde_json::Value;
use vesicle_pipeline::run::fail_point::{ALL, OF_LETTERS};

/// Five files of three rows, each of which becomes a commit. Every file but the
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
        [("committed", 4), ("commit-prepared", 1)],
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
    let pipeline = pipeline();
    for (point, argument) in [("state-moved:3", None), ("fresh-asked:1", Some("--fresh"))] {
        let mut command = pipeline.command();
        command.env("VESICLE_FAIL_POINT", point).args(argument);
        Running::start(command).wait().expect_killed();
    }
    // The run that was to begin anew did not reach the destination.
    pipeline.complete();
    expect_everything_once(&pipeline, "taken over");
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

/// A table whose rows do not all fit where they go: those of an odd number have
/// no name, which the target insists on.
fn tables() -> Tables {
    let tables = Tables::new(
        "create table people (id bigint primary key, name text);
         insert into people select n, case n % 2 when 0 then 'person ' || n end
           from generate_series(1, 40) n;
         create schema raw; create table raw.people (id bigint primary key, name text not null)",
    );
    tables.document_with(
        "{ name: people, sync_mode: full_refresh }",
        "append",
        "  on_data_error: dlq\n",
    );
    tables
}

fn dead_letters(tables: &Tables, arguments: &[&str]) -> std::process::Command {
    let mut command = common::vesicle();
    command
        .arg("dead-letters")
        .args(arguments)
        .args(["pipeline.yaml", "--output", "json"])
        .current_dir(tables.folder.path());
    command
}

/// The ids of the rows that are dead letters.
fn left(tables: &Tables) -> Vec<u64> {
    let ended = Running::start(dead_letters(tables, &["list"])).wait();
    let letters: Value = serde_json::from_str(&ended.expect_exit(0).stdout).unwrap();
    let letters = letters.as_array().unwrap().iter();
    let id = |letter: &Value| {
        let row: Value = serde_json::from_str(letter["row"].as_str().unwrap()).unwrap();
        row["id"].as_u64().unwrap()
    };
    let mut ids: Vec<_> = letters.map(id).collect();
    ids.sort();
    ids
}

#[test]
fn a_replay_killed_at_any_boundary_adds_each_row_once_and_keeps_what_fails_again() {
    let points = [
        ("begun", 1),
        ("commit-requested", 1),
        ("letters-stored", 1),
        ("commit-prepared", 1),
        ("committed", 1),
        ("state-moved", 1),
        ("before-finish", 1),
        ("finished", 1),
    ];
    let tables = tables();
    for (point, passage) in points {
        tables.server.sql(
            "truncate raw.people; alter table raw.people alter name set not null;
             alter table raw.people drop constraint if exists most;
             drop table if exists raw._vesicle_load, raw._vesicle_cursor",
        );
        for name in ["state.db", "state.db-wal", "state.db-shm"] {
            let _ = std::fs::remove_file(tables.folder.path().join(name));
        }
        let ended = tables.complete();
        assert_eq!(ended.report()["dead_letters"], 20);
        // Now they fit, but for a few.
        tables.server.sql(
            "alter table raw.people alter name drop not null;
             alter table raw.people add constraint most check (id not in (7, 9))",
        );
        let mut command = dead_letters(&tables, &["replay"]);
        command.env("VESICLE_FAIL_POINT", format!("{point}:{passage}"));
        Running::start(command).wait().expect_killed();
        let ended = Running::start(dead_letters(&tables, &["replay"]))
            .wait()
            .expect_exit(0);
        assert_eq!(left(&tables), [7, 9], "{point}: {ended:?}");
        let rows = tables
            .server
            .sql("select count(*), count(distinct id) from raw.people");
        assert_eq!(rows, "38|38", "{point}: {ended:?}");
        // Nothing is left to be sent, and nothing is under way.
        let staged = "select count(*) from pg_tables where tablename like '\\_vesicle\\_%' \
                      and tablename not in ('_vesicle_load', '_vesicle_cursor')";
        assert_eq!(tables.server.sql(staged), "0", "{point}");
    }
}

#[test]
fn a_replay_disturbs_no_cursor_of_the_pipeline() {
    let tables = tables();
    tables.document_with(
        "{ name: people, sync_mode: incremental, cursor_field: id }",
        "append",
        "  on_data_error: dlq\n",
    );
    tables.complete();
    tables
        .server
        .sql("alter table raw.people alter name drop not null");
    Running::start(dead_letters(&tables, &["replay"]))
        .wait()
        .expect_exit(0);
    tables.server.sql("insert into people values (41, 'new')");
    let ended = tables.complete();
    assert_eq!(ended.figure("rows_read"), 1, "{ended:?}");
    tables.expect_equal("people", "raw.people");
}

#[test]
fn a_replay_waits_until_the_pipeline_s_own_run_is_finished() {
    let tables = tables();
    tables.complete();
    let mut command = tables.command();
    command.env("VESICLE_FAIL_POINT", "begun:1");
    Running::start(command).wait().expect_killed();
    Running::start(dead_letters(&tables, &["replay"]))
        .wait()
        .expect_exit(10)
        .expect_said("is not finished");
}
