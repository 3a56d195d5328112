//! With rows of a mebibyte and a queue of 64 MiB, the process stays below
//! 256 MiB. `full_memory.rs` does the same with longer files.

#![allow(clippy::unwrap_used)]

mod common;

use common::large::{Large, QUEUE, Took};

#[test]
fn rows_of_a_mebibyte_to_parquet_take_less_than_256_mebibytes() {
    let ended = Large::to_file(128, "parquet").run();
    Took::of("parquet", &ended).check();
}

#[test]
fn rows_of_a_mebibyte_to_json_lines_take_less_than_256_mebibytes() {
    let ended = Large::to_file(128, "jsonl").run();
    Took::of("jsonl", &ended).check();
}

#[test]
fn a_destination_that_cannot_keep_up_fills_the_queue_and_no_more() {
    let ended = Large::to_slow(128, "wait_ms: 120").run();
    let took = Took::of("slow", &ended).check();
    assert!(
        took.queued > QUEUE / 2,
        "the queue was to be filled: {took:?}"
    );
}

#[test]
fn a_smaller_queue_takes_less() {
    let queue = 4 << 20;
    let ended = Large::to_slow(24, "wait_ms: 100").queue(queue).run();
    let took = Took::of("small queue", &ended).check();
    assert!(took.queued <= queue, "{took:?}");
}
