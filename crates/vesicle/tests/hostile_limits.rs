//! A component that uses without end what there is an end of, or breaks the
//! contract, ends as an error that says so; the host stays as small as it was.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::child::Ended;
use common::confined::Confined;

const COMPONENT: i32 = 4;
const DATA: i32 = 7;
const LIMIT: i32 = 8;
const CRASH: i32 = 9;

/// How much the process grew after its components were there to run, in bytes.
fn growth(ended: &Ended) -> u64 {
    let report = ended.report();
    let figure = |name: &str| report[name].as_u64().unwrap();
    figure("peak_rss_bytes") - figure("compiled_rss_bytes")
}

/// Runs a deed that ends the component, and takes not much longer than the
/// two seconds in which it may move nothing.
#[track_caller]
fn ends(confined: &Confined, code: i32, error: &str) -> Ended {
    let begin = Instant::now();
    let ended = confined.run().expect_failed(code, error);
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "{:?}",
        begin.elapsed()
    );
    confined.check_empty_handed(&ended);
    ended
}

#[test]
fn a_source_that_computes_without_end_is_ended_and_named() {
    let stuck = "stream s: source hostile-source moved nothing for 2 s: it computes without end; \
                 allow more with limits.idle_timeout in the document";
    ends(&Confined::hostile("spin", ""), LIMIT, stuck);
}

#[test]
fn a_source_that_waits_without_end_is_ended_and_named() {
    let stuck = "source hostile-source moved nothing for 2 s: it waits for something outside";
    for mode in ["wait", "block"] {
        ends(&Confined::hostile(mode, ""), LIMIT, stuck);
    }
}

#[test]
fn a_source_that_never_has_a_plan_is_ended() {
    let late = "source hostile-source, stream s: not finished within 2000 ms, waiting included";
    ends(&Confined::hostile("spin-in-plan", ""), LIMIT, late);
}

#[test]
fn a_component_that_never_says_what_it_is_is_refused() {
    let confined = Confined::new("spinning-source", "");
    let refused = "spinning-source: asked what it is, it failed: not finished within 10000 ms";
    let ended = confined.run().expect_exit(COMPONENT).expect_said(refused);
    assert_eq!(ended.report()["exit"], COMPONENT);
}

#[test]
fn a_dry_run_of_a_source_that_computes_or_waits_without_end_ends_too() {
    for (mode, what) in [
        ("spin", "computes without end"),
        ("wait", "waits for something"),
    ] {
        let confined = Confined::hostile(mode, "");
        confined
            .run_with(&["--dry-run"])
            .expect_exit(LIMIT)
            .expect_said(what);
    }
}

#[test]
fn fuel_runs_out_where_the_document_meters_it() {
    let confined = Confined::hostile("spin", "").limited("fuel: 100000000, idle_timeout: 60s");
    ends(
        &confined,
        LIMIT,
        "source hostile-source, stream s: out of fuel",
    );
}

#[test]
fn memory_ends_where_the_document_says_and_the_host_has_not_grown_by_more() {
    let out = "source hostile-source, stream s: out of memory: it asked for 65 MiB in all, and \
               64 MiB are allowed; allow more with limits.memory in the document";
    let ended = ends(&Confined::hostile("allocate", ""), LIMIT, out);
    assert!(growth(&ended) < 96 << 20, "{} bytes", growth(&ended));
}

#[test]
fn a_stack_without_end_is_a_crash_of_the_component_alone() {
    let ended = ends(&Confined::hostile("recurse", ""), CRASH, "it trapped: ");
    assert!(
        ended.stderr.contains("at hostile_source::limits::recurse"),
        "{ended:#?}"
    );
}

#[test]
fn a_panic_is_told_with_what_it_said_and_where_it_was() {
    let ended = ends(&Confined::hostile("panic", ""), CRASH, "it trapped: ");
    assert!(
        ended.stderr.contains("hostile-source/src/lib.rs:"),
        "{ended:#?}"
    );
    assert!(ended.stderr.contains("    as asked\n"), "{ended:#?}");
    assert!(ended.stderr.contains("    at core"), "{ended:#?}");
}

#[test]
fn a_source_that_exits_has_failed_whatever_it_exits_with() {
    ends(
        &Confined::hostile("exit", "0"),
        CRASH,
        "stream s: it called exit(0)",
    );
    ends(
        &Confined::hostile("exit", "3"),
        CRASH,
        "stream s: it called exit(1)",
    );
}

#[test]
fn a_flood_on_stderr_neither_stops_the_source_nor_grows_the_host() {
    let confined = Confined::hostile("flood", "192").limited("memory: 64 MiB, idle_timeout: 60s");
    let ended = confined.run().expect_exit(0);
    assert_eq!(confined.arrived()["loot"], "flooded");
    assert!(
        ended.stderr.len() < 64 << 10,
        "{} bytes",
        ended.stderr.len()
    );
    assert!(growth(&ended) < 64 << 20, "{} bytes", growth(&ended));
}

#[test]
fn a_payload_above_the_contract_s_limit_is_refused_before_it_is_queued() {
    for (mebibytes, said) in [
        (
            "65",
            "it emitted a payload of 68157440 bytes; 67108864 are allowed",
        ),
        ("160", "it passes too much with one call"),
    ] {
        let confined = Confined::raw("large-batch", mebibytes).limited("memory: 256 MiB");
        let ended = ends(&confined, CRASH, said);
        assert_eq!(ended.figure("queue_peak_bytes") >> 20, 0, "{ended:#?}");
    }
}

#[test]
fn a_cursor_above_the_contract_s_limit_is_refused_and_does_not_reach_the_state() {
    let confined = Confined::raw("large-cursor", "2");
    ends(
        &confined,
        CRASH,
        "it emitted a cursor of 2097152 bytes; 1048576 are allowed",
    );
    let state = std::fs::metadata(confined.inside("state.db"))
        .unwrap()
        .len();
    assert!(state < 1 << 20, "{state} bytes");
}

#[test]
fn a_plan_that_is_one_text_four_thousand_times_does_not_fill_the_host() {
    let confined = Confined::raw("aliased-plan", "");
    let ended = ends(&confined, CRASH, "it passes too much with one call");
    // The host stops at 128 MiB.
    assert!(growth(&ended) < 192 << 20, "{} bytes", growth(&ended));
}

#[test]
fn a_plan_with_too_many_partitions_or_two_of_one_name_is_refused() {
    for (mode, said) in [
        (
            "many-partitions",
            "it planned 10001 partitions; 10000 are allowed",
        ),
        (
            "twin-partitions",
            "it planned two partitions with the name \"one\"; each needs its own",
        ),
        ("long-partition", "a name of 1025 bytes; 1024 are allowed"),
    ] {
        ends(&Confined::raw(mode, ""), CRASH, said);
    }
}

#[test]
fn rows_that_are_none_are_refused_by_whoever_reads_them() {
    for (mode, said) in [
        ("garbage", "bad-payload"),
        ("garbage-schema", "bad-schema-message"),
        ("no-schema", "a batch came before its schema"),
        ("great-numbers", "bad-payload"),
    ] {
        ends(&Confined::raw(mode, ""), DATA, said);
    }
}

#[test]
fn a_dry_run_of_rows_that_are_none_blames_the_source_and_not_the_host() {
    let blame = "source raw-source, stream s: what it emitted cannot be decoded: ";
    for mode in ["garbage", "garbage-schema", "no-schema", "great-numbers"] {
        let confined = Confined::raw(mode, "");
        confined
            .run_with(&["--dry-run"])
            .expect_exit(CRASH)
            .expect_said(blame);
    }
}

#[test]
fn a_source_that_ends_without_a_verdict_is_waited_for_no_longer_than_allowed() {
    let stuck = "source raw-source moved nothing for 2 s";
    ends(&Confined::raw("no-outcome", ""), LIMIT, stuck);
}

#[test]
fn a_source_s_own_commit_requests_commit_nothing() {
    let confined = Confined::raw("commits", "");
    let ended = confined.run().expect_exit(0);
    assert_eq!(ended.figure("commits"), 1, "the host's own: {ended:#?}");
}
