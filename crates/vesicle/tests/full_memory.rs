//! With rows of a mebibyte and a queue of 64 MiB, the process stays below
//! 256 MiB however long the file is; what compiling takes is told apart.

#![allow(clippy::unwrap_used)]

mod common;

use common::large::{Large, MEBIBYTE, Took};

/// Moves a file, and one that is four times as long.
fn does_not_grow_with_the_file(format: &str) {
    let [short, long] = [400, 1600].map(|rows| {
        let ended = Large::to_file(rows, format).run();
        assert_eq!(ended.figure("rows_written"), rows);
        Took::of(format, &ended).check()
    });
    // How full the queue happens to be differs from run to run.
    let queues = long.queued.saturating_sub(short.queued);
    let grown = long.peak.saturating_sub(short.peak);
    assert!(grown <= queues + 24 * MEBIBYTE, "{short:?} {long:?}");
}

#[test]
fn a_file_four_times_as_long_takes_no_more_to_move_to_parquet() {
    does_not_grow_with_the_file("parquet");
}

#[test]
fn a_file_four_times_as_long_takes_no_more_to_move_to_json_lines() {
    does_not_grow_with_the_file("jsonl");
}

#[test]
fn what_compiling_takes_is_in_the_report_apart_from_what_moving_takes() {
    let large = Large::to_file(16, "jsonl");
    let cold = Took::of("cold", &large.run_cold());
    let warm = Took::of("warm", &large.run_cold()).check();
    assert!(cold.compiled > warm.compiled, "{cold:?} {warm:?}");
    assert!(
        cold.compiled > warm.peak,
        "moving would hide it: {cold:?} {warm:?}"
    );
    assert!(cold.compiled < 1024 * MEBIBYTE, "{cold:?}");
}
