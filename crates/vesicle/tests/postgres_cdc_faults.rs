//! What becomes of changes when runs end before their time, and of those that
//! cannot be had.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::changes::{CHANGES, NOTES, STREAM, confirmed};
use common::child::Running;
use common::postgres::Tables;
use vesicle_pipeline::run::fail_point::ALL;

#[test]
fn a_run_killed_at_any_boundary_loses_no_change_and_repeats_none() {
    for mode in ["upsert", "replace"] {
        let tables = Tables::new(NOTES);
        tables.document(STREAM, mode);
        for point in ALL {
            // The snapshot, then what follows it.
            tables.server.sql("drop schema if exists raw cascade");
            let _ = fs::remove_file(tables.folder.path().join("state.db"));
            for changes in ["update notes set title = title || '.'", CHANGES] {
                let mut command = tables.command();
                command.env("VESICLE_FAIL_POINT", format!("{point}:1"));
                Running::start(command).wait().expect_killed();
                tables.server.sql(changes);
                tables.complete();
                if *point == "finished" {
                    // The run was complete; only the note of it was missing.
                    tables.complete();
                }
                tables.expect_equal("notes", "raw.notes");
                tables.server.sql("update notes set title = title || '!'");
            }
            tables.server.sql(
                "delete from notes where id > 1000; insert into notes
                 select n, 'back', repeat('b', 4000) from generate_series(1, 1000) n
                     on conflict do nothing",
            );
        }
        let left = "pg_class c join pg_namespace n on n.oid = relnamespace
             where nspname = 'raw' and relkind = 'r' and relname like '\\_vesicle\\_%'
               and relname not in ('_vesicle_load', '_vesicle_cursor')";
        assert_eq!(tables.count(left), 0, "{mode}: staging tables are left");
    }
}

#[test]
fn the_slot_is_confirmed_only_once_the_destination_has_committed() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    tables.complete();
    tables.server.sql("create table go ()");
    tables.server.sql(CHANGES);
    let before = confirmed(&tables);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            tables.server.sql(
                "do $$ begin
                   lock table raw.notes in share mode;
                   while not exists (select from go) loop perform pg_sleep(0.02); end loop;
                 end $$",
            )
        });
        let held =
            "pg_locks where relation = 'raw.notes'::regclass and mode = 'ShareLock' and granted";
        while tables.count(held) == 0 {}
        let mut running = Running::start(tables.command());
        let waits = "pg_stat_activity where application_name = 'vesicle dest-postgres'
                        and wait_event_type = 'Lock'";
        assert!(running.wait_until(|| tables.count(waits) == 1));
        // All of the log has been read by now.
        let sent = "pg_stat_replication where sent_lsn > flush_lsn";
        assert!(running.wait_until(|| tables.count(sent) == 1));
        assert_eq!(confirmed(&tables), before);
        tables.server.sql("insert into go default values");
        running.wait().expect_exit(0);
    });
    tables.expect_equal("notes", "raw.notes");
    assert!(confirmed(&tables) > before);
}

#[test]
fn without_the_state_the_destinations_cursor_holds() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    tables.complete();
    tables.server.sql(CHANGES);
    fs::remove_file(tables.folder.path().join("state.db")).unwrap();
    let ended = tables
        .complete()
        .expect_said("adopted the destination's cursor");
    assert!(ended.figure("rows_written") < 1000);
    tables.expect_equal("notes", "raw.notes");
}

#[test]
fn changes_that_are_lost_are_told_and_only_a_fresh_copy_goes_on() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "replace");
    tables.complete();
    let fresh = || {
        let mut command = tables.command();
        command.arg("--fresh");
        Running::start(command).wait().expect_exit(0);
        tables.expect_equal("notes", "raw.notes");
    };
    // Somebody has dropped the slot.
    tables.server.sql(CHANGES);
    tables
        .server
        .sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
    tables
        .run()
        .expect_exit(6)
        .expect_said("is gone; the changes after")
        .expect_said("--fresh");
    fresh();
    // Somebody else has read from it.
    tables.server.sql("update notes set title = 'stolen'");
    tables.server.sql("select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) from pg_replication_slots");
    tables
        .run()
        .expect_exit(6)
        .expect_said("alone; the changes after");
    fresh();
    // The server was not let to keep enough.
    tables
        .server
        .sql("alter system set max_slot_wal_keep_size = '1MB'");
    tables.server.sql("select pg_reload_conf()");
    tables
        .server
        .sql("create table noise as select repeat('x', 1000) from generate_series(1, 60000)");
    tables.server.sql("select pg_switch_wal()");
    tables.server.sql("checkpoint");
    tables
        .run()
        .expect_exit(6)
        .expect_said("max_slot_wal_keep_size");
    fresh();
    // The table is not published any more.
    let publication = tables.server.sql("select pubname from pg_publication");
    tables
        .server
        .sql(&format!("alter publication {publication} drop table notes"));
    tables
        .run()
        .expect_exit(6)
        .expect_said("those in between are lost");
    fresh();
    // The table is another one of the same name.
    tables
        .server
        .sql("create table copy (like notes including all)");
    tables.server.sql("drop table notes");
    tables.server.sql("alter table copy rename to notes");
    tables
        .run()
        .expect_exit(6)
        .expect_said("dropped and made again");
    fresh();
}

#[test]
fn what_has_no_log_is_refused_before_anything_is_read() {
    let tables = Tables::new(NOTES);
    tables.server.sql(
        "create table keyless (id int, note text);
         create view seen as select * from notes;
         create unlogged table quick (id int primary key);
         create role plain login password 'p';
         grant select on notes to plain;",
    );
    let check = || {
        let mut command = common::vesicle();
        command
            .args(["check", "pipeline.yaml"])
            .current_dir(tables.folder.path());
        Running::start(command).wait()
    };
    for (stream, words) in [
        ("keyless", "REPLICA IDENTITY FULL"),
        ("seen", "no table with a log of its own"),
        ("quick", "unlogged"),
    ] {
        tables.document(
            &format!("{{ name: {stream}, sync_mode: cdc, primary_key: id }}"),
            "upsert",
        );
        let ended = check().expect_said(words);
        assert!(!ended.status.success());
    }
    tables.document(
        "{ name: notes, sync_mode: cdc, primary_key: title }",
        "upsert",
    );
    check().expect_exit(3).expect_said("identifies rows by id");
    tables.document(STREAM, "append");
    check()
        .expect_exit(3)
        .expect_said("does not go with write_mode: append");
    tables.document(STREAM, "upsert");
    let text = fs::read_to_string(tables.folder.path().join("pipeline.yaml")).unwrap();
    let password = format!("user: postgres, password: {}", tables.server.password());
    tables.write(&text.replacen(&password, "user: plain, password: p", 1));
    check().expect_exit(5).expect_said("REPLICATION");
    tables.server.sql("alter role plain replication");
    check()
        .expect_exit(5)
        .expect_said("CREATE PUBLICATION some_name FOR TABLE public.notes");
    // Nothing was made by looking.
    assert_eq!(tables.count("pg_replication_slots"), 0);
    assert_eq!(tables.count("pg_publication"), 0);
    // What the owner has published may be read.
    tables
        .server
        .sql("create publication some_name for table notes");
    let text = text.replacen(
        &password,
        "user: plain, password: p, publication: some_name",
        1,
    );
    tables.write(&text);
    tables.complete();
    tables.expect_equal("notes", "raw.notes");
}

#[test]
fn a_server_whose_log_has_no_rows_says_what_to_set() {
    let mut tables = Tables::new(NOTES);
    tables.server.sql("alter system set wal_level = replica");
    tables.server.restart();
    tables.document(STREAM, "upsert");
    tables.run().expect_exit(3).expect_said("set it to logical");
}

#[test]
fn a_slot_that_waits_for_the_transaction_of_another_says_so() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    tables.server.sql("create table go ()");
    std::thread::scope(|threads| {
        threads.spawn(|| {
            tables.server.sql(
                "do $$ begin
                   perform txid_current();
                   while not exists (select from go) loop perform pg_sleep(0.02); end loop;
                 end $$",
            )
        });
        let is_open = "pg_stat_activity where backend_xid is not null";
        while tables.count(is_open) == 0 {}
        let mut running = Running::start(tables.command());
        running.wait_until_said("something have ended; the oldest is that of process ");
        tables.server.sql("insert into go default values");
        running.wait().expect_exit(0);
    });
    tables.expect_equal("notes", "raw.notes");
}
