//! Changes of PostgreSQL's tables, from the server's log to another table.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use common::changes::{CHANGES, NOTES, STREAM, WRITER, follow, is_equal};
use common::child::Running;
use common::postgres::Tables;

#[test]
fn a_snapshot_is_followed_by_what_changes_after_it() {
    for mode in ["upsert", "replace"] {
        let tables = Tables::new(NOTES);
        tables.document(STREAM, mode);
        assert_eq!(tables.complete().figure("rows_written"), 1000);
        tables.expect_equal("notes", "raw.notes");
        // Nothing has changed.
        assert_eq!(tables.complete().figure("rows_written"), 0);
        tables.server.sql(CHANGES);
        tables.complete();
        tables.expect_equal("notes", "raw.notes");
        tables
            .server
            .sql("truncate notes; insert into notes values (5, 'five', 'v')");
        tables.complete();
        tables.expect_equal("notes", "raw.notes");
        assert_eq!(tables.count("raw.notes"), 1);
    }
}

#[test]
fn rows_that_change_while_the_snapshot_is_read_are_neither_lost_nor_doubled() {
    let tables = Tables::new(NOTES);
    tables.server.sql(
        "insert into notes select n, 'more', repeat('m', 500) from generate_series(200000, 260000) n",
    );
    tables.document(STREAM, "upsert");
    let ended = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for _ in 0..2 {
                tables.server.sql(WRITER);
                tables
                    .server
                    .sql("delete from notes where id < 0 or id between 100001 and 199999");
            }
            ended.store(true, SeqCst);
        });
        let mut runs = 0;
        while !ended.load(SeqCst) {
            tables.complete();
            runs += 1;
        }
        assert!(runs > 1, "nothing was written while it was read");
    });
    tables.complete();
    tables.expect_equal("notes", "raw.notes");
}

#[test]
fn a_table_without_a_primary_key_is_followed_by_all_of_its_columns() {
    let tables = Tables::new(NOTES);
    tables
        .server
        .sql("alter table notes drop constraint notes_pkey, replica identity full");
    tables.document(STREAM, "replace");
    tables.complete();
    tables
        .server
        .sql(&CHANGES.replace(" on conflict (id) do update set title = 'newer'", ""));
    tables.complete();
    tables.expect_equal("notes", "raw.notes");
}

#[test]
fn changes_of_every_type_arrive_as_they_left() {
    let tables = Tables::new(
        "create type mood as enum ('sad', 'it''s ok');
         create domain price as numeric(10,2) check (value >= 0);
         create table kinds (
           id int primary key, b boolean not null default false, i2 int2, i8 int8, f4 float4, f8 float8,
           n numeric, n2 numeric(12,3), p price, t text, v varchar(10), c char(5), bin bytea not null default '',
           d date, tm time, tz timetz, ts timestamp, tstz timestamptz not null default now(), iv interval,
           u uuid, j json, jb jsonb, ip inet, net cidr, mac macaddr, bits bit(4), vb varbit, m money, ia int[],
           ta text[], mo mood not null default 'sad', r int4range, tr tstzrange, pt point, x xml,
           twice int generated always as (id * 2) stored);
         insert into kinds (id) select generate_series(1, 20);",
    );
    tables.document(
        "{ name: kinds, sync_mode: cdc, primary_key: id }",
        "replace",
    );
    tables.complete();
    tables.server.sql(
        "update kinds set n = 'NaN', f8 = 'NaN', ts = 'infinity', d = 'infinity' where id = 1;
         update kinds set n = repeat('9', 500)::numeric, f8 = -0.0, d = '4713-01-01 BC' where id = 2;
         update kinds set id = 103, mo = 'it''s ok' where id = 3;
         delete from kinds where id in (4, 5);
         insert into kinds values (200, true, -32768, -9223372036854775808, 1.5, -0.0, 0.00,
           -123456789.125, 9.99, E'tab\\t\"quote\" é 😀', 'varchar', 'c', '\\xdeadbeef', '2024-02-29',
           '24:00:00', '12:00:00+05:30', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012+02',
           '-1 year 2 mons -3 days 04:05:06.789', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
           '{\"a\": [1, 2.50]}', '{\"a\": [1, 2.50]}', '192.168.1.5/24', '10.0.0.0/8', '08:00:2b:01:02:03',
           B'1010', B'101', '-12.34', '{1,NULL,3}', '{\"a,b\",NULL,\"\"}', 'it''s ok', '[1,5)',
           '[2024-01-01 00:00Z,)', '(1.5,-2)', '<a>é</a>');",
    );
    tables.complete();
    let plain = |table: &str| {
        let query = format!(
            "select ((to_jsonb(k) - 'j') - 'twice')::text || coalesce(j::text, '-') || coalesce(pt::text, '-')
                    || coalesce(x::text, '-') || coalesce(f8::text, '-') from {table} k order by 1"
        );
        tables.server.sql(&query)
    };
    assert_eq!(plain("raw.kinds"), plain("kinds"));
}

#[test]
fn a_table_in_partitions_is_followed_as_one() {
    let tables = Tables::new(
        "create table notes (id int, title text, body text, primary key (id)) partition by range (id);
         create table notes_low partition of notes for values from (minvalue) to (500);
         create table notes_high partition of notes for values from (500) to (maxvalue);
         insert into notes select n, 'note', 'body' from generate_series(1, 1000) n;",
    );
    tables.document(STREAM, "upsert");
    tables.complete();
    tables.expect_equal("notes", "raw.notes");
    tables.server.sql(
        "update notes set id = id + 700 where id between 301 and 310;
         delete from notes where id % 7 = 0; insert into notes values (-1, 'low', null);
         update notes set title = 'changed' where id % 5 = 0",
    );
    tables.complete();
    tables.expect_equal("notes", "raw.notes");
}

#[test]
fn columns_that_come_and_go_while_the_log_is_read_follow_the_policy() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    follow(&tables);
    let mut running = Running::start(tables.command());
    assert!(running.wait_until(|| is_equal(&tables)));
    let changes = "\
update notes set title = 'before' where id < 10;
alter table notes add column extra int;
update notes set extra = id where id < 20;
update notes set id = id + 5000 where id = 7;
alter table notes alter column title type varchar(40);
alter table notes drop column body;
update notes set title = 'after' where id = 30;
delete from notes where id = 31;";
    tables.server.sql(changes);
    // Nothing is changed unless the document says so.
    running
        .wait()
        .expect_exit(7)
        .expect_said("raw.notes has no column \"extra\"")
        .expect_said("new_column: add");
    let policy =
        "  schema_evolution: { new_column: add, removed_column: ignore, type_change: coerce }\n";
    tables.document_with(STREAM, "upsert", policy);
    tables.complete();
    for (view, table) in [("source", "notes"), ("target", "raw.notes")] {
        let columns = "id, title::text, at, extra";
        tables.server.sql(&format!(
            "create view {view} as select {columns} from {table}"
        ));
    }
    tables.expect_equal("source", "target");
    // What the source has not any more stays as it was.
    assert_eq!(tables.count("raw.notes where id > 500 and body is null"), 0);
    assert_eq!(
        tables.count("raw.notes where id = 5007 and length(body) = 6400"),
        1
    );
}

#[test]
fn a_large_transaction_takes_no_more_memory_than_a_small_one() {
    let tables = Tables::new(NOTES);
    tables.document(STREAM, "upsert");
    tables.complete();
    let peak = |rows: u32| {
        tables.server.sql(&format!(
            "insert into notes select n, 'large', repeat('l', 1000)
               from generate_series((select max(id) + 1 from notes), (select max(id) from notes) + {rows}) n"
        ));
        let ended = tables.complete();
        assert_eq!(ended.figure("rows_written"), u64::from(rows));
        ended.report()["peak_rss_bytes"].as_u64().unwrap() >> 20
    };
    let small = peak(20_000);
    let large = peak(200_000);
    tables.expect_equal("notes", "raw.notes");
    assert!(large <= small + 24, "{small} MiB, then {large} MiB");
}

#[test]
fn a_look_at_rows_leaves_nothing_at_the_server() {
    let tables = Tables::new(NOTES);
    let rename = "transforms:\n  - use: transform-rename\n    config: { columns: { id: number, body: text } }\n";
    tables.document_with(
        "{ name: notes, sync_mode: cdc, primary_key: id }",
        "replace",
        rename,
    );
    let mut command = common::vesicle();
    command
        .args(["run", "pipeline.yaml", "--dry-run", "--limit", "3"])
        .current_dir(tables.folder.path());
    let ended = Running::start(command).wait().expect_exit(0);
    assert!(ended.stdout.contains("note 1"), "{ended:#?}");
    assert_eq!(tables.count("pg_replication_slots"), 0);
    assert_eq!(tables.count("pg_publication"), 0);
    // Changes pass the transform too.
    tables.complete();
    tables.server.sql(CHANGES);
    tables.complete();
    tables.expect_equal("notes", "raw.notes");
}
