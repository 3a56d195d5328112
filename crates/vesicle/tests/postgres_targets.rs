//! What a run may not do to tables that are not its own, or not its stream's.

#![allow(clippy::unwrap_used)]

mod common;

use common::child::Running;
use common::postgres::Tables;

const INCREMENTAL: &str =
    "{ name: people, sync_mode: incremental, cursor_field: id, tie_breaker_field: id }";

#[test]
fn two_streams_are_not_written_to_one_table() {
    let tables = Tables::new(
        "create schema east; create table east.orders as select 1 as id;
         create schema west; create table west.orders as select 2 as id;",
    );
    tables.document("east.orders\n    - west.orders", "replace");
    let ended = tables.run().expect_exit(3);
    ended.expect_said("\"east.orders\" and \"west.orders\" would both be written to it");
    assert_eq!(tables.server.sql("select id from raw.orders"), "1");
}

#[test]
fn rows_that_follow_those_of_a_replaced_table_are_not_lost() {
    let tables = Tables::new("create table people as select 1 as id;");
    for action in ["cascade", "set null", "set default"] {
        tables.server.sql(&format!(
            "drop schema if exists raw cascade; create schema raw;
             create table raw.people (id int primary key);
             create table raw.visits (person int references raw.people on delete {action});
             insert into raw.people values (1);
             insert into raw.visits values (1);"
        ));
        tables.document("people", "replace");
        let ended = tables
            .run()
            .expect_exit(3)
            .expect_said("rows of raw.visits");
        ended.expect_said("write_mode: upsert");
        assert_eq!(tables.server.sql("select person from raw.visits"), "1");
    }
}

#[test]
fn a_table_that_is_gone_is_not_taken_for_one_that_was_read() {
    let tables =
        Tables::new("create table people as select n as id from generate_series(1, 10) n;");
    tables.document(INCREMENTAL, "append");
    tables.complete();
    tables
        .server
        .sql("drop table raw.people; insert into people values (11)");
    tables
        .run()
        .expect_exit(7)
        .expect_said("the table is gone")
        .expect_said("--fresh");
    let mut command = tables.command();
    command.arg("--fresh");
    Running::start(command).wait().expect_exit(0);
    tables.expect_equal("people", "raw.people");
}

#[test]
fn a_first_document_that_was_wrong_is_corrected_without_more() {
    let tables = Tables::new("create table people as select 1 as id;");
    tables.document("people", "append");
    let file = tables.folder.path().join("pipeline.yaml");
    let right = std::fs::read_to_string(&file).unwrap();
    // First the source's database is wrong, then the destination's.
    for part in [0, 1] {
        let mut pieces = right.splitn(3, "database: postgres").collect::<Vec<_>>();
        let wrong = "database: postgrse";
        let text = match part {
            0 => [
                pieces.remove(0),
                wrong,
                pieces[0],
                "database: postgres",
                pieces[1],
            ]
            .concat(),
            _ => [
                pieces.remove(0),
                "database: postgres",
                pieces[0],
                wrong,
                pieces[1],
            ]
            .concat(),
        };
        tables.write(&text);
        assert!(!tables.run().expect_said("postgrse").was_killed());
    }
    tables.write(&right);
    tables.complete();
    tables.expect_equal("people", "raw.people");
}

#[test]
fn a_materialized_view_is_read_like_a_table() {
    let tables = Tables::new(
        "create table people as select n as id from generate_series(1, 10) n;
         create materialized view recent as select * from people where id > 5;",
    );
    tables.document("recent", "append");
    tables.complete();
    tables.expect_equal("recent", "raw.recent");
}

#[test]
fn a_stream_that_was_complete_is_named_when_its_run_is_gone_on_with() {
    let tables = Tables::new(
        "create table people as select 1 as id; create table orders as select 2 as id;
         create schema raw; create table raw.orders (id text);",
    );
    tables.document("people\n    - orders", "replace");
    tables
        .run()
        .expect_exit(7)
        .expect_said("raw.orders: column \"id\"");
    tables
        .server
        .sql("insert into people values (3); drop table raw.orders");
    tables
        .complete()
        .expect_said("not read again: people; run once more");
    assert_eq!(tables.count("raw.people"), 1);
    tables.complete();
    tables.expect_equal("people", "raw.people");
}

#[test]
fn what_is_kept_beside_tables_is_no_stream_and_no_target() {
    let tables = Tables::new("create table people as select 1 as id;");
    tables.document("people", "append");
    tables.complete();
    tables
        .server
        .sql("create table _vesicle_load as select 1 as id");
    tables.document("all", "replace");
    let text = std::fs::read_to_string(tables.folder.path().join("pipeline.yaml")).unwrap();
    tables.write(&text.replace("\n    - all", " \"*\""));
    let ended = tables.complete();
    assert_eq!(ended.report()["streams"].as_array().unwrap().len(), 1);
    tables.document("_vesicle_load", "replace");
    tables
        .run()
        .expect_exit(3)
        .expect_said("begin with _vesicle_ hold what dest-postgres keeps");
    tables.document("people", "append");
    tables.complete();
    assert_eq!(tables.count("raw.people"), 2);
}

#[test]
fn a_cursor_that_is_gone_does_not_bring_all_rows_again() {
    let tables =
        Tables::new("create table people as select n as id from generate_series(1, 10) n;");
    tables.document(INCREMENTAL, "append");
    tables.complete();
    tables.server.sql("delete from raw._vesicle_cursor");
    tables
        .run()
        .expect_exit(7)
        .expect_said("nothing says any more up to where its rows were read");
    tables.expect_equal("people", "raw.people");
    // Who empties the table gets its rows again.
    tables.server.sql("truncate raw.people");
    tables.complete();
    tables.expect_equal("people", "raw.people");
}

#[test]
fn a_target_that_others_read_is_replaced_once_they_have_ended_and_keeps_out_nobody_meanwhile() {
    let tables =
        Tables::new("create table people as select n as id from generate_series(1, 10) n;");
    tables.document("people", "replace");
    tables.complete();
    tables.server.sql("insert into people values (11)");
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            tables.server.sql(
                "begin; lock table raw.people in access share mode;
                 select pg_sleep(6); commit",
            )
        });
        let is_reading = "(select from pg_locks where relation = to_regclass('raw.people')) l";
        while tables.count(is_reading) == 0 {
            assert!(!reading.is_finished(), "it locks nothing");
        }
        let run = Running::start(tables.command());
        while !reading.is_finished() {
            let read = "set statement_timeout = '4s'; select count(*) from raw.people";
            let seen = tables.server.sql(read);
            assert!(
                ["10", "11"].iter().any(|rows| seen.ends_with(rows)),
                "{seen}"
            );
        }
        run.wait().expect_exit(0);
    });
    tables.expect_equal("people", "raw.people");
}
