//! A component with ten sessions, most of them silent: the busy one is as fast
//! as alone, and silence costs nothing.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::child::{PATIENCE, Running};
use common::postgres::Tables;
use vesicle_test_postgres::Background;

/// What the busy session reads: 200 MB.
const QUERY: &str =
    "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT (FORMAT binary)";
/// How many times as long it may take beside nine silent ones, at best, on a
/// machine that has other things to do.
const ALLOWED_RATIO: f64 = 1.25;
/// How long silent sessions are watched, and the processor time that they may
/// use meanwhile.
const WATCHED: Duration = Duration::from_secs(10);
const ALLOWED_TIME: Duration = Duration::from_millis(50);

/// Writes the document of a component with silent sessions, and a busy one if
/// there is a query.
fn document(tables: &Tables, silent: usize, query: Option<&str>) {
    let component = common::confined::guests().join("many-sessions.wasm");
    let (port, password) = (tables.server.port(), tables.server.password());
    let query = query
        .map(|query| format!(", query: {query:?}"))
        .unwrap_or_default();
    tables.write(&format!(
        "version: \"1.0\"\n\
         pipeline: sessions\n\
         source:\n  use: {component:?}\n  config:\n    {{ host: 127.0.0.1, port: {port}, user: postgres, \
         password: {password:?}, database: postgres, silent: {silent}{query} }}\n  streams: [read]\n\
         destination:\n  use: dest-file\n  config: {{ path: out, format: jsonl }}\n  write_mode: replace\n\
         state: {{ backend: sqlite, connection: state.{silent}.db }}\n"
    ));
}

/// Takes the lock that silent sessions wait for.
fn keep_silent(tables: &Tables) -> Background {
    let keeper = tables
        .server
        .begin_sql("select pg_advisory_lock(7), pg_sleep(3600)");
    let begin = Instant::now();
    while tables.count("pg_locks where locktype = 'advisory' and granted") == 0 {
        assert!(begin.elapsed() < PATIENCE, "nobody takes the lock");
        std::thread::sleep(Duration::from_millis(5));
    }
    keeper
}

/// How long the busy session has read.
fn time_of(tables: &Tables, silent: usize) -> u64 {
    document(tables, silent, Some(QUERY));
    tables.complete();
    let out = tables.folder.path().join("out/read");
    let file = common::list(&out).pop().unwrap();
    let row: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out.join(file)).unwrap()).unwrap();
    assert!(row["bytes"].as_u64().unwrap() > 200_000_000, "{row}");
    row["micros"].as_u64().unwrap()
}

#[test]
fn one_busy_session_beside_nine_silent_ones_is_as_fast_as_alone() {
    let tables = Tables::new("");
    let _silence = keep_silent(&tables);
    // The best of some turns: other programs take their time from both.
    let mut best = (u64::MAX, u64::MAX);
    for _ in 0..5 {
        best.0 = best.0.min(time_of(&tables, 0));
        best.1 = best.1.min(time_of(&tables, 9));
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds of seconds")]
    let ratio = best.1 as f64 / best.0 as f64;
    println!("alone {} µs, beside nine {} µs: {ratio:.2}", best.0, best.1);
    assert!(ratio < ALLOWED_RATIO, "{ratio:.2}: {best:?}");
}

#[test]
fn ten_silent_sessions_cost_nothing() {
    let tables = Tables::new("");
    let _silence = keep_silent(&tables);
    document(&tables, 10, None);
    let mut process = Running::start(tables.command());
    let waiting = "pg_stat_activity where application_name = 'silent' and wait_event = 'advisory'";
    assert!(process.wait_until(|| tables.count(waiting) == 10));
    // What ends with starting, such as the epoch's thread going to sleep.
    std::thread::sleep(Duration::from_secs(1));
    let before = process.processor_time();
    assert!(
        !before.is_zero(),
        "starting takes time, and none was measured"
    );
    std::thread::sleep(WATCHED);
    let used = process.processor_time() - before;
    println!(
        "ten sessions: {} ms in {} s",
        used.as_millis(),
        WATCHED.as_secs()
    );
    assert!(used < ALLOWED_TIME, "{used:?}");
    let speak = "select pg_terminate_backend(pid) from pg_stat_activity
                  where application_name = 'background'";
    tables.server.sql(speak);
    process.wait().expect_exit(0);
}
