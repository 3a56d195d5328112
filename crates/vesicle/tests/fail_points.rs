//! Runs are killed at every boundary between data and cursor, the first time
//! they come to it, in the middle and the last time, and run again: every row
//! is there once.

#![allow(clippy::unwrap_used)]

mod common;

use common::small::Small;
use vesicle_pipeline::run::fail_point::ALL;

/// Kills a run at the n-th passage of a point and runs again. Whether it came
/// to be killed.
fn kill_and_run_again(before: &Small, point: &str, passage: u64) -> bool {
    let small = before.copy();
    let mut command = small.pipeline.command();
    command.env("VESICLE_FAIL_POINT", format!("{point}:{passage}"));
    let ended = common::child::Running::start(command).wait();
    if !ended.was_killed() {
        ended.expect_exit(0);
        assert_eq!(small.seen(), small.all());
        return false;
    }
    small.check_crashed();
    let finished = small.seen() == small.all();
    let ended = small
        .go_on(&format!("{point}:{passage}"))
        .expect_said("going on with run");
    let read = ended.figure("rows_read");
    match (point, passage) {
        ("before-finish" | "finished", _) => assert_eq!(read, 0),
        // A commit that is durable is not read again.
        ("committed" | "state-moved", passage) => assert!(read <= 12 - 3 * passage.min(4)),
        _ => assert!(read <= 12),
    }
    assert!(
        point != "finished" || finished,
        "it is finished, and readers do not see it"
    );
    true
}

fn kill_at_every_boundary(mode: &str) {
    let before = Small::new(mode);
    let commits = before.copy().pipeline.complete().figure("commits");
    assert!(commits >= 4, "{commits} commits");
    for point in ALL {
        let last = match *point {
            "commit-requested" | "committed" | "state-moved" => commits,
            _ => 1,
        };
        let mut passages = vec![1, last.div_ceil(2), last];
        passages.dedup();
        for passage in passages {
            assert!(
                kill_and_run_again(&before, point, passage),
                "{point} is not passed"
            );
        }
        assert!(
            !kill_and_run_again(&before, point, last + 1),
            "{point} is passed more often"
        );
    }
}

#[test]
fn an_appending_run_killed_at_any_boundary_between_data_and_cursor_repeats_nothing() {
    kill_at_every_boundary("append");
}

#[test]
fn a_replacing_run_killed_at_any_boundary_between_data_and_cursor_repeats_nothing() {
    kill_at_every_boundary("replace");
}

#[test]
fn a_run_killed_twice_at_different_boundaries_has_every_row_once() {
    for mode in ["append", "replace"] {
        let before = Small::new(mode);
        for (first, second) in [
            ("committed:2", "begun:1"),
            ("begun:1", "state-moved:1"),
            ("commit-requested:3", "committed:1"),
            ("before-finish:1", "before-finish:1"),
            ("before-finish:1", "finished:1"),
        ] {
            let small = before.copy();
            for point in [first, second] {
                let mut command = small.pipeline.command();
                command.env("VESICLE_FAIL_POINT", point);
                common::child::Running::start(command)
                    .wait()
                    .expect_killed();
                small.check_crashed();
            }
            small.go_on(&format!("{mode}: {first}, then {second}"));
        }
    }
}
