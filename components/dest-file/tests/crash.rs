//! Stops a load at every step that changes the file system, and at several in
//! a row, and goes on: each row has to be there once, whatever was left.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

mod common;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use common::*;
use dest_file::disk::{Disk, Step};
use vesicle_connector::testing::block_on;
use vesicle_connector::{Destination, WriteMode};

const SOURCE: Numbers = Numbers { count: 10, step: 3 };

/// Runs a load that is stopped after so many steps; whether it was.
fn stopped(
    config: &serde_json::Value,
    run: &str,
    mode: WriteMode,
    fresh: bool,
    after: usize,
) -> bool {
    let mut request = request(run, mode);
    request.fresh = fresh;
    match SOURCE.load(&crashing(config, after), &request) {
        Ok(_) => false,
        Err(error) => {
            assert!(error.message.contains("crash"), "{error}");
            true
        }
    }
}

/// Calls `check` for each number of steps after which a load can stop.
fn at_each_step(mut check: impl FnMut(usize) -> bool) {
    let mut after = 0;
    while check(after) {
        after += 1;
        assert!(after < 500);
    }
    assert!(after > 20, "only {after} steps");
}

fn ten() -> Vec<i64> {
    (0..10).collect()
}

#[test]
fn a_load_stopped_at_any_step_and_gone_on_with_has_each_row_once() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        for format in ["parquet", "csv", "jsonl"] {
            at_each_step(|after| {
                let root = folder();
                let config = config(root.path(), format);
                let stopped = stopped(&config, "run", mode, false, after);
                let seen = visible(root.path());
                if mode == WriteMode::Replace {
                    assert!(seen.is_empty() || seen == ten(), "{after}: {seen:?}");
                } else {
                    // Commits become visible whole and in order.
                    let whole = [0, 3, 6, 9, 10].map(|count| (0..count).collect::<Vec<i64>>());
                    assert!(whole.contains(&seen), "{after}: {seen:?}");
                }
                SOURCE
                    .load(&destination(&config), &request("run", mode))
                    .unwrap();
                assert_eq!(
                    visible(root.path()),
                    ten(),
                    "{mode:?} {format} after {after} steps"
                );
                assert!(
                    is_clean(root.path()),
                    "{mode:?} {format} after {after} steps"
                );
                stopped
            });
        }
    }
}

#[test]
fn a_load_stopped_again_while_it_is_mended_has_each_row_once() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        at_each_step(|after| {
            // Not all of the pairs: every place is hit by some.
            for again in (after % 5..30).step_by(5) {
                let root = folder();
                let config = config(root.path(), "csv");
                stopped(&config, "run", mode, false, after);
                stopped(&config, "other", mode, false, again);
                // Whatever run is asked for, the one that was begun goes on.
                let summary = SOURCE.load(&destination(&config), &request("run", mode));
                let rows = visible(root.path());
                if rows.len() > 10 {
                    // The first was finished before it was stopped, so that the
                    // second was another load.
                    assert_eq!(rows.len(), 20);
                } else {
                    assert_eq!(
                        rows,
                        ten(),
                        "{mode:?} after {after} and {again} steps: {summary:?}"
                    );
                }
                assert!(is_clean(root.path()));
            }
            let root = folder();
            stopped(&config(root.path(), "csv"), "run", mode, false, after)
        });
    }
}

#[test]
fn a_second_load_stopped_at_any_step_leaves_the_first_as_it_should_be() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        at_each_step(|after| {
            let root = folder();
            let config = config(root.path(), "parquet");
            SOURCE
                .load(&destination(&config), &request("first", mode))
                .unwrap();
            let stopped = stopped(&config, "second", mode, false, after);
            let seen = visible(root.path());
            match mode {
                // Old rows, or new rows, or, between the two renames, none.
                WriteMode::Replace => assert!(seen.is_empty() || seen == ten(), "{seen:?}"),
                _ => assert!(ten().iter().all(|id| seen.contains(id)), "{seen:?}"),
            }
            SOURCE
                .load(&destination(&config), &request("second", mode))
                .unwrap();
            let mut expected = ten();
            if mode == WriteMode::Append {
                expected.extend(ten());
                expected.sort_unstable();
            }
            assert_eq!(
                visible(root.path()),
                expected,
                "{mode:?} after {after} steps"
            );
            assert!(is_clean(root.path()));
            stopped
        });
    }
}

#[test]
fn starting_afresh_stopped_at_any_step_repeats_no_row() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        for first in [18, 30, 40] {
            at_each_step(|after| {
                let root = folder();
                let config = config(root.path(), "csv");
                assert!(stopped(&config, "first", mode, false, first));
                let stopped = stopped(&config, "second", mode, true, after);
                // The discarding goes on, or the second load does.
                SOURCE
                    .load(&destination(&config), &request("second", mode))
                    .unwrap();
                assert_eq!(
                    visible(root.path()),
                    ten(),
                    "{mode:?} {first} after {after} steps"
                );
                assert!(is_clean(root.path()));
                stopped
            });
        }
    }
}

#[test]
fn an_abort_stopped_at_any_step_can_be_repeated() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        for after in 0..40 {
            let root = folder();
            let config = config(root.path(), "csv");
            let load = block_on(destination(&config).begin(&request("run", mode))).unwrap();
            SOURCE.write(&destination(&config), &load).unwrap();
            let _ = block_on(crashing(&config, after).abort(&load));
            block_on(destination(&config).begin(&request("run", mode))).unwrap();
            block_on(destination(&config).abort(&load)).unwrap();
            assert!(visible(root.path()).is_empty());
            assert_eq!(files(root.path()), [root.path().join(".vesicle")]);
            block_on(destination(&config).abort(&load)).unwrap();
        }
    }
}

/// The folder of a path and its name.
fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap().to_owned()
}

#[test]
fn everything_is_durable_before_what_refers_to_it() {
    for mode in [WriteMode::Append, WriteMode::Replace] {
        let root = folder();
        let config = config(root.path(), "parquet");
        let steps = Rc::new(RefCell::new(Vec::new()));
        let log = steps.clone();
        let disk = Disk::watched(move |step| {
            log.borrow_mut().push(step.clone());
            Ok(())
        });
        SOURCE
            .load(&destination(&config).on(disk), &request("run", mode))
            .unwrap();
        // What was made or renamed and is not durable yet.
        let mut unsynced_files: HashSet<PathBuf> = HashSet::new();
        let mut unsynced_folders: HashSet<PathBuf> = HashSet::new();
        let mut commits = 0;
        for step in steps.take() {
            match step {
                Step::Create(path) => {
                    unsynced_folders.insert(parent(&path));
                    unsynced_files.insert(path);
                }
                Step::MakeFolder(path) => {
                    unsynced_folders.insert(parent(&path));
                }
                Step::SyncFile(path) => {
                    unsynced_files.remove(&path);
                }
                Step::SyncFolder(path) => {
                    unsynced_folders.remove(&path);
                }
                Step::Rename(from, to) => {
                    assert!(
                        !unsynced_files.contains(&from),
                        "{from:?} is renamed before it is synced"
                    );
                    let name = to.file_name().unwrap().to_str().unwrap();
                    if name == "load.json" || name.starts_with("parts-") {
                        // A record may refer to anything before it. The record's
                        // own temporary file is in its folder.
                        commits += 1;
                        assert!(unsynced_files.is_empty(), "{unsynced_files:?}");
                        unsynced_folders.remove(&parent(&from));
                        assert!(
                            unsynced_folders.is_empty(),
                            "{unsynced_folders:?} before {name}"
                        );
                    }
                    unsynced_folders.insert(parent(&from));
                    unsynced_folders.insert(parent(&to));
                }
                Step::RemoveFile(_) | Step::RemoveFolder(_) => {}
            }
        }
        assert!(
            unsynced_folders.is_empty(),
            "{unsynced_folders:?} at the end"
        );
        assert!(commits >= 6, "{commits}");
    }
}
