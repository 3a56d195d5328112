//! Runs are killed before every system call that changes a file or folder, of
//! the destination or of the state, and run again: every row is there once.

#![allow(clippy::unwrap_used)]

mod common;

use common::calls::kill_at_every;
use common::small::Small;

fn kill_everywhere(small: &Small) {
    let killed = kill_at_every(small, "all");
    assert!(killed >= 100, "{killed} kills");
    println!("{killed} kills");
}

#[test]
fn an_appending_run_killed_before_any_change_of_the_disk_has_every_row_once() {
    kill_everywhere(&Small::new("append"));
}

#[test]
fn a_replacing_run_killed_before_any_change_of_the_disk_has_every_row_once() {
    kill_everywhere(&Small::new("replace"));
}

#[test]
fn the_first_run_of_a_pipeline_killed_before_any_change_of_the_disk_has_every_row_once() {
    for mode in ["append", "replace"] {
        kill_everywhere(&Small::without_old(mode));
    }
}
