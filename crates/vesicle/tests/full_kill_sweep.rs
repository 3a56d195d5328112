//! The sweep of `kill_sweep.rs` in the formats and write modes that it leaves
//! out.

#![allow(clippy::unwrap_used)]

mod common;

use common::sweep::Sweep;

#[test]
fn a_replacing_run_to_parquet_killed_at_any_of_25_points_has_every_row_once() {
    Sweep {
        format: "parquet",
        mode: "replace",
        kills: 25,
    }
    .run();
}

#[test]
fn an_appending_run_to_csv_killed_at_any_of_25_points_has_every_row_once() {
    Sweep {
        format: "csv",
        mode: "append",
        kills: 25,
    }
    .run();
}

#[test]
fn a_replacing_run_to_csv_killed_at_any_of_25_points_has_every_row_once() {
    Sweep {
        format: "csv",
        mode: "replace",
        kills: 25,
    }
    .run();
}

#[test]
fn an_appending_run_to_json_lines_killed_at_any_of_25_points_has_every_row_once() {
    Sweep {
        format: "jsonl",
        mode: "append",
        kills: 25,
    }
    .run();
}
