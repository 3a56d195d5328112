//! Runs that follow changes until they are stopped, whatever happens around them.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::changes::{CHANGES, NOTES, STREAM, WRITER, catch_up, confirmed, follow, is_equal};
use common::child::Running;
use common::postgres::Tables;
use rustix::process::Signal;

#[test]
fn sessions_that_end_in_the_middle_are_opened_again() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    follow(&tables);
    let mut running = Running::start(tables.command());
    assert!(running.wait_until(|| is_equal(&tables)));
    std::thread::scope(|threads| {
        threads.spawn(|| tables.server.sql(WRITER));
        for _ in 0..3 {
            let before = confirmed(&tables);
            tables.server.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'vesicle%'",
            );
            tables.server.sql("update notes set body = 'seen'");
            assert!(running.wait_until(|| confirmed(&tables) > before));
        }
    });
    assert!(running.wait_until(|| is_equal(&tables)));
    running.signal(Signal::INT);
    running
        .wait()
        .expect_exit(130)
        .expect_said("trying again in");
    catch_up(&tables);
}

#[test]
fn a_run_that_follows_costs_nothing_while_nothing_happens_and_keeps_no_log() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    follow(&tables);
    let path = tables.folder.path().join("pipeline.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let limits = "  limits: { idle_timeout: 2s }\ndestination:";
    tables.write(&text.replacen("destination:", limits, 1));
    let mut running = Running::start(tables.command());
    assert!(running.wait_until(|| is_equal(&tables)));
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", running.id())).unwrap();
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        // Time in user and in system mode, in hundredths of a second.
        fields[11] + fields[12]
    };
    // What there is to do at the beginning is done.
    std::thread::sleep(Duration::from_secs(2));
    let before = ticks();
    std::thread::sleep(Duration::from_secs(6));
    let spent = ticks() - before;
    assert!(spent <= 12, "{spent} hundredths of a second in 6 seconds");
    // The log of others goes.
    tables
        .server
        .sql("create table noise as select repeat('x', 1000) from generate_series(1, 5000)");
    let end: u64 = tables
        .server
        .sql("select pg_current_wal_lsn() - '0/0'")
        .parse()
        .unwrap();
    if !running.wait_until(|| confirmed(&tables) + (1 << 20) > end) {
        panic!("it has ended: {:#?}", running.wait());
    }
    // And it still listens.
    tables.server.sql(CHANGES);
    assert!(running.wait_until(|| is_equal(&tables)));
    let asked = Instant::now();
    running.signal(Signal::INT);
    running.wait().expect_exit(130);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(4), "it took {took:?}");
}

#[test]
fn a_run_that_is_interrupted_goes_on_where_it_was() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "replace");
    follow(&tables);
    for _ in 0..3 {
        let mut running = Running::start(tables.command());
        tables
            .server
            .sql(CHANGES.replace("10000", "20000").as_str());
        assert!(running.wait_until(|| is_equal(&tables)));
        running.signal(Signal::TERM);
        running.wait().expect_exit(130);
        tables
            .server
            .sql("delete from notes where id > 10000; update notes set title = 'while away'");
    }
    catch_up(&tables);
}

#[test]
fn streams_that_follow_go_side_by_side_and_end_together() {
    let tables = Tables::new(NOTES);
    tables
        .server
        .sql("create table others (id int primary key, note text)");
    tables.document(
        "{ name: notes, sync_mode: cdc, primary_key: id }\n    - { name: others, sync_mode: cdc, primary_key: id }",
        "upsert",
    );
    follow(&tables);
    let mut running = Running::start(tables.command());
    assert!(running.wait_until(|| is_equal(&tables)));
    tables
        .server
        .sql("insert into others values (1, 'one'); delete from notes where id < 10");
    let others = "select count(*) from raw.others";
    assert!(running.wait_until(|| tables.server.try_sql(others).is_ok_and(|n| n == "1")));
    assert!(running.wait_until(|| is_equal(&tables)));
    // One that fails ends the run.
    tables
        .server
        .sql("drop table raw.others; insert into others values (2, 'two')");
    let ended = running.wait();
    assert!(!ended.status.success(), "{ended:#?}");
    ended.expect_said("raw.others");
}

#[test]
fn a_server_that_is_killed_is_waited_for() {
    let mut tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    follow(&tables);
    let mut running = Running::start(tables.command());
    assert!(running.wait_until(|| is_equal(&tables)));
    tables.server.sql(CHANGES);
    tables.server.restart();
    tables
        .server
        .sql("update notes set title = 'up again' where id = 2");
    assert!(running.wait_until(|| is_equal(&tables)));
    running.signal(Signal::INT);
    running
        .wait()
        .expect_exit(130)
        .expect_said("trying again in");
    catch_up(&tables);
}

#[test]
fn a_destination_that_is_held_up_does_not_cost_the_connection() {
    let tables = Tables::new(NOTES);
    tables
        .server
        .sql("alter system set wal_sender_timeout = '1s'");
    tables.server.sql("select pg_reload_conf()");
    tables.document(STREAM, "upsert");
    follow(&tables);
    let mut running = Running::start(tables.command());
    assert!(running.wait_until(|| is_equal(&tables)));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let hold = "begin; lock table raw.notes in share mode; select pg_sleep(5); commit";
            tables.server.sql(hold)
        });
        // More than the queue takes, so that the source has to wait.
        tables.server.sql(
            "do $$ begin for n in 1..40 loop
               insert into notes select 10000 + n * 1000 + m, 'held', repeat('h', 2000)
                 from generate_series(1, 500) m;
               commit;
             end loop; end $$",
        );
    });
    assert!(running.wait_until(|| is_equal(&tables)));
    running.signal(Signal::INT);
    let ended = running.wait().expect_exit(130);
    assert_eq!(ended.figure("retries"), 0, "{ended:#?}");
}

#[test]
fn a_server_that_is_to_end_does_not_wait_for_a_run_that_follows() {
    let mut tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    follow(&tables);
    let mut running = Running::start(tables.command());
    assert!(running.wait_until(|| is_equal(&tables)));
    // A little of the log is nobody's.
    tables.server.sql("create table others as select 1");
    // What `pg_ctl stop` does. The session that asks for it ends too.
    let stop = "copy (select 1) to program 'kill -INT $(head -n 1 postmaster.pid)'";
    let _ = tables.server.try_sql(stop);
    let asked = Instant::now();
    while tables.server.try_sql("select 1").is_ok() {}
    assert!(running.wait_until(|| tables.server.log().contains("database system is shut down")));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    tables.server.restart();
    tables.server.sql(CHANGES);
    assert!(running.wait_until(|| is_equal(&tables)));
    running.signal(Signal::INT);
    running.wait().expect_exit(130);
}
