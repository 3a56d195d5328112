//! `kill -9` at points spread over a run of flights.csv with seventeen commits,
//! and run again: every row is there once, less than everything is read, and
//! readers never see a row that is not committed.
//!
//! `full_kill_sweep.rs` does the same with the other formats and write modes.

#![allow(clippy::unwrap_used)]

mod common;

use common::sweep::Sweep;

#[test]
fn a_run_killed_at_any_of_25_points_and_run_again_has_every_row_once() {
    Sweep {
        format: "parquet",
        mode: "append",
        kills: 25,
    }
    .run();
}

#[test]
fn old_rows_are_seen_until_the_new_ones_are_complete_wherever_a_run_is_killed() {
    Sweep {
        format: "parquet",
        mode: "replace",
        kills: 5,
    }
    .run();
}
