//! Tables of a PostgreSQL server become tables of a PostgreSQL server, through
//! two connectors that never see a password.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::child::Running;
use common::postgres::Tables;
use vesicle_pipeline::run::fail_point::ALL;

/// A table of the columns that everybody has.
const PEOPLE: &str = "\
create table people (id int primary key, name text, born date, score numeric(8,2), seen timestamptz);
insert into people
select n, 'person ' || n, date '1970-01-01' + n, n * 1.25, timestamptz '2024-02-29 12:00Z' + n * interval '1 s'
  from generate_series(1, 1000) n;";

#[test]
fn the_document_that_a_user_writes_runs_as_it_stands() {
    let tables = Tables::new(PEOPLE);
    let (port, password) = (tables.server.port(), tables.server.password());
    let config = format!(
        "{{ host: 127.0.0.1, port: {port}, user: postgres, password: {password}, database: postgres"
    );
    tables.write(&format!(
        r#"version: "1.0"
pipeline: debug_async
source:
  use: source-postgres
  config: {config} }}
  streams:
    - {{ name: people, sync_mode: full_refresh }}
destination:
  use: dest-postgres
  config: {config}, schema: raw }}
  write_mode: append
state: {{ backend: sqlite, connection: debug_state.db }}
"#
    ));
    let ended = tables.complete();
    assert_eq!(ended.figure("rows_written"), 1000);
    assert_eq!(ended.report()["streams"][0]["places"][0], "raw.people");
    tables.expect_equal("people", "raw.people");
    // A completed full refresh that appends copies again.
    tables.complete();
    assert_eq!(tables.count("raw.people"), 2000);
    assert_eq!(tables.count("(select distinct * from raw.people) d"), 1000);
}

#[test]
fn the_password_is_in_nothing_that_is_printed_or_kept() {
    let tables = Tables::new(PEOPLE);
    tables.document("people", "append");
    let mut command = tables.command();
    command.args(["-vv", "--audit"]).env("VESICLE_LOG", "trace");
    let ended = Running::start(command).wait().expect_exit(0);
    let password = tables.server.password();
    for printed in [&ended.stdout, &ended.stderr] {
        assert!(!printed.contains(password), "{ended:#?}");
    }
    assert!(
        ended.stderr.contains("(postgres, as postgres)"),
        "{ended:#?}"
    );
    for file in common::list(tables.folder.path()) {
        if file != "pipeline.yaml" {
            let kept = fs::read(tables.folder.path().join(&file)).unwrap();
            let found = kept
                .windows(password.len())
                .any(|at| at == password.as_bytes());
            assert!(!found, "{file} has the password in it");
        }
    }
    // Nor in a failure.
    tables.server.sql("alter role postgres password 'another'");
    let refused = tables.run();
    assert!(!refused.stderr.contains(password), "{refused:#?}");
    refused
        .expect_exit(5)
        .expect_said("password authentication failed for user \"postgres\"");
}

#[test]
fn a_replaced_table_keeps_what_depends_on_it() {
    let tables = Tables::new(PEOPLE);
    tables.document("people", "replace");
    tables.complete();
    tables.expect_equal("people", "raw.people");
    // Nothing depends on it: it is swapped.
    let first = tables.server.sql("select 'raw.people'::regclass::oid");
    tables.server.sql("delete from people where id > 900");
    tables.complete();
    tables.expect_equal("people", "raw.people");
    assert_ne!(
        tables.server.sql("select 'raw.people'::regclass::oid"),
        first
    );
    // A view, an index and a grant do.
    tables.server.sql(
        "create view raw.scores as select sum(score) as total from raw.people;
         create index on raw.people (name);
         create role reader; grant select on raw.people to reader;
         update people set score = 1;",
    );
    tables.complete();
    tables.expect_equal("people", "raw.people");
    assert_eq!(tables.server.sql("select total from raw.scores"), "900.00");
    assert_eq!(
        tables
            .server
            .sql("select has_table_privilege('reader', 'raw.people', 'select')"),
        "t"
    );
}

#[test]
fn an_upsert_changes_the_rows_of_the_same_key_and_adds_the_others() {
    let tables = Tables::new(PEOPLE);
    tables.document_with("people", "upsert", "  primary_key: id\n");
    tables.complete();
    tables.expect_equal("people", "raw.people");
    tables.server.sql(
        "delete from people where id <= 10;
         update people set name = 'changed' where id between 11 and 20;
         insert into people values (2000, 'new', null, 'NaN', 'infinity');",
    );
    tables.complete();
    assert_eq!(tables.count("raw.people"), 1001);
    assert_eq!(tables.count("raw.people where name = 'changed'"), 10);
    assert_eq!(
        tables.count("people p join raw.people r using (id) where p is not distinct from r"),
        991
    );
}

#[test]
fn every_type_arrives_as_it_left() {
    let tables = Tables::new(
        "create type mood as enum ('sad', 'it''s ok');
         create domain price as numeric(10,2) check (value >= 0);
         create table kinds (
           b boolean, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,3),
           p price, t text, v varchar(10), c char(5), bin bytea, d date, tm time, tz timetz,
           ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, ip inet, net cidr,
           mac macaddr, bits bit(4), vb varbit, m money, ia int[], ta text[], mo mood, r int4range,
           tr tstzrange, pt point, x xml);
         insert into kinds (n, f8, ts, tstz, d) values
           ('NaN', 'NaN', 'infinity', '-infinity', 'infinity'),
           ('Infinity', '-Infinity', '-infinity', 'infinity', '-infinity'),
           ('1e-1000', 5e-324, '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999Z', '4713-01-01 BC'),
           (repeat('9', 500)::numeric, 1.7976931348623157e308, '1969-12-31 23:59:59.999999', null, null);
         insert into kinds values (true, -32768, -2147483648, -9223372036854775808, 1.5, -0.0, 0.00,
           -123456789.125, 9.99, E'tab\\t\"quote\" é 😀', 'varchar', 'c', '\\xdeadbeef', '2024-02-29',
           '24:00:00', '12:00:00+05:30', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012+02',
           '-1 year 2 mons -3 days 04:05:06.789', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
           '{\"a\": [1, 2.50]}', '{\"a\": [1, 2.50]}', '192.168.1.5/24', '10.0.0.0/8', '08:00:2b:01:02:03',
           B'1010', B'101', '-12.34', '{1,NULL,3}', '{\"a,b\",NULL,\"\"}', 'it''s ok', '[1,5)',
           '[2024-01-01 00:00Z,)', '(1.5,-2)', '<a>é</a>');
         insert into kinds default values;",
    );
    tables.document("kinds", "replace");
    // Untouched, then by Arrow, which has no room for the last years.
    assert_eq!(tables.complete().figure("rows_written"), 6);
    let plain = |table: &str| {
        // json, point and xml know no equality; their text does.
        let query = format!(
            "select (to_jsonb(k) - 'j')::text || coalesce(j::text, '-') || coalesce(pt::text, '-')
                    || coalesce(x::text, '-') || coalesce(f8::text, '-') from {table} k order by 1"
        );
        tables.server.sql(&query)
    };
    assert_eq!(plain("raw.kinds"), plain("kinds"));
    let columns = |schema: &str| {
        let query = format!(
            "select attname, format_type(case when typtype = 'd' then typbasetype else atttypid end,
                    case when typtype = 'd' then t.typtypmod else atttypmod end)
               from pg_attribute a join pg_type t on t.oid = atttypid
              where attrelid = '{schema}.kinds'::regclass and attnum > 0 order by attnum"
        );
        tables.server.sql(&query)
    };
    assert_eq!(columns("raw"), columns("public"));
    // A transform takes Arrow, which has no room for the last years.
    tables.server.sql(
        "drop table raw.kinds; update kinds set tstz = '294246-12-31 23:59:59.999999Z'
          where tstz > '294246-12-31 23:59:59.999999Z' and isfinite(tstz)",
    );
    let rename = "transforms:\n  - use: transform-rename\n    config: { columns: { t: words } }\n";
    tables.document_with("kinds", "replace", rename);
    assert_eq!(tables.complete().figure("rows_written"), 6);
    tables.server.sql("alter table raw.kinds rename words to t");
    assert_eq!(plain("raw.kinds"), plain("kinds"));
    assert_eq!(columns("raw"), columns("public"));
}

#[test]
fn a_run_killed_at_any_boundary_leaves_nothing_half_done_and_is_made_good_by_the_next() {
    for mode in ["append", "replace", "upsert"] {
        let tables = Tables::new(PEOPLE);
        let key = if mode == "upsert" {
            "  primary_key: id\n"
        } else {
            ""
        };
        tables.document_with("people", mode, key);
        for point in ALL {
            // What readers see before is what they see until all of it is there.
            tables.server.sql("drop table if exists raw.people");
            let mut command = tables.command();
            command.env("VESICLE_FAIL_POINT", format!("{point}:1"));
            Running::start(command).wait().expect_killed();
            let seen = tables
                .server
                .sql("select to_regclass('raw.people') is not null");
            assert_eq!(
                seen,
                if *point == "finished" { "t" } else { "f" },
                "{mode}: {point}"
            );
            tables.complete();
            tables.expect_equal("people", "raw.people");
        }
        let left = "pg_class c join pg_namespace n on n.oid = relnamespace
             where nspname = 'raw' and relkind = 'r' and relname like '\\_vesicle\\_%'
               and relname not in ('_vesicle_load', '_vesicle_cursor')";
        assert_eq!(tables.count(left), 0, "{mode}: staging tables are left");
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_is_tried_again() {
    let tables = Tables::new(
        "create table long as select n as id, repeat('x', 1000) as text from generate_series(1, 200000) n;
",
    );
    tables.document("long", "replace");
    let mut running = Running::start(tables.command());
    let staging = "select count(*) from pg_stat_progress_copy where command = 'COPY FROM'";
    assert!(running.wait_until(|| tables.server.try_sql(staging).is_ok_and(|n| n != "0")));
    tables
        .server
        .sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'vesicle%'");
    let ended = running.wait().expect_exit(0).expect_said("trying again");
    assert!(ended.figure("retries") >= 1);
    tables.expect_equal("long", "raw.long");
}

#[test]
fn large_tables_are_read_in_parts_of_one_snapshot() {
    let tables = Tables::new(
        "create table wide (id int, minus int, text text);
         alter table wide alter text set storage plain;
         insert into wide select n, -n, repeat('y', 2000) || n from generate_series(1, 60000) n;
         delete from wide where id % 10 = 0;",
    );
    tables.document("wide", "append");
    let text = fs::read_to_string(tables.folder.path().join("pipeline.yaml")).unwrap();
    tables.write(&(text + "resources: { parallelism: 3 }\n"));
    let ended = tables.complete();
    assert_eq!(ended.figure("rows_written"), 54_000);
    tables.expect_equal("wide", "raw.wide");
    assert!(ended.figure("commits") >= 2, "it was read in one part");
}

/// The people in the order of `seen`, whose values come in pairs.
const BY_SEEN: &str =
    "{ name: people, sync_mode: incremental, cursor_field: seen, tie_breaker_field: id }";

#[test]
fn an_incremental_run_reads_what_is_new_and_loses_nothing_among_equal_cursors() {
    let tables = Tables::new(PEOPLE);
    tables
        .server
        .sql("update people set seen = date_trunc('minute', seen)");
    tables.document(BY_SEEN, "append");
    assert_eq!(tables.complete().figure("rows_written"), 1000);
    tables.expect_equal("people", "raw.people");
    // Nothing is new.
    assert_eq!(tables.complete().figure("rows_written"), 0);
    // Some rows have the newest cursor there was, some are newer.
    tables.server.sql(
        "insert into people
         select 1000 + n, 'new', null, null, (select max(seen) from people) + (n / 4) * interval '1 s'
           from generate_series(1, 10) n",
    );
    assert_eq!(tables.complete().figure("rows_written"), 10);
    tables.expect_equal("people", "raw.people");
    // Without the state the destination's cursor holds, and that is said.
    fs::remove_file(tables.folder.path().join("state.db")).unwrap();
    let ended = tables
        .complete()
        .expect_said("adopted the destination's cursor");
    assert_eq!(ended.figure("rows_written"), 0);
    tables.expect_equal("people", "raw.people");
}

#[test]
fn an_incremental_upsert_brings_changes_over() {
    let tables = Tables::new(PEOPLE);
    let stream = "{ name: people, sync_mode: incremental, cursor_field: seen, primary_key: id }";
    tables.document(stream, "upsert");
    tables.complete();
    tables.server.sql(
        "update people set name = 'changed', seen = '2030-01-01Z' where id % 100 = 0;
         insert into people values (0, 'new', null, null, '2029-01-01Z');",
    );
    assert_eq!(tables.complete().figure("rows_written"), 11);
    tables.expect_equal("people", "raw.people");
}

#[test]
fn an_incremental_run_killed_at_any_boundary_repeats_nothing_and_loses_nothing() {
    let tables = Tables::new(PEOPLE);
    tables.document(BY_SEEN, "append");
    for point in ALL {
        let mut command = tables.command();
        command.env("VESICLE_FAIL_POINT", format!("{point}:1"));
        Running::start(command).wait().expect_killed();
        tables.complete();
        tables.expect_equal("people", "raw.people");
        tables.server.sql(
            "insert into people
             select id + 10000, name, born, score, seen + interval '1 day' from people
              order by seen desc limit 100",
        );
    }
}

#[test]
fn what_no_cursor_reaches_is_refused() {
    let tables = Tables::new(PEOPLE);
    tables
        .server
        .sql("update people set seen = null where id = 7");
    tables.document(BY_SEEN, "append");
    tables.run().expect_exit(7).expect_said("NULL in \"seen\"");
    let keyless = "create table plain as select * from people where seen is not null";
    tables.server.sql(keyless);
    let stream = "{ name: plain, sync_mode: incremental, cursor_field: seen }";
    tables.document(stream, "append");
    tables.run().expect_exit(3).expect_said("tie_breaker_field");
}

#[test]
fn tables_are_logged_and_commits_durable_whatever_the_defaults_are() {
    let tables = Tables::new(PEOPLE);
    tables.server.sql(
        "alter role postgres set synchronous_commit = off;
         create schema raw; create table raw.people (like people);
         create table seen (setting text);
         create function see() returns trigger language plpgsql as
           $$ begin insert into seen values (current_setting('synchronous_commit')); return new; end $$;
         create trigger see before insert on raw.people for each row execute function see();",
    );
    tables.document("people", "append");
    tables.complete();
    tables.expect_equal("people", "raw.people");
    assert_eq!(tables.server.sql("select distinct setting from seen"), "on");
    let unlogged = "pg_class where relpersistence <> 'p' and relnamespace = 'raw'::regnamespace";
    assert_eq!(tables.count(unlogged), 0);
}

/// What a component that has signed in finds in its memory: how often the
/// password, how often its user.
fn found_in_memory(tables: &Tables, leak: &str) -> (u64, u64) {
    let (port, password) = (tables.server.port(), tables.server.password());
    let (first, second) = password.split_at(password.len() / 2);
    let component = common::confined::guests().join("memory-search.wasm");
    tables.write(&format!(
        r#"version: "1.0"
pipeline: search
source:
  use: {component:?}
  config:
    {{ host: 127.0.0.1, port: {port}, user: postgres, password: {password:?}, database: postgres,
      secret_1: {first:?}, secret_2: {second:?}, known_1: post, known_2: gres, leak: {leak:?} }}
  streams: [found]
destination:
  use: dest-file
  config: {{ path: out, format: jsonl }}
  write_mode: replace
"#
    ));
    tables.complete();
    let out = tables.folder.path().join("out/found");
    let file = common::list(&out).pop().unwrap();
    let row: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join(file)).unwrap()).unwrap();
    assert!(row["bytes"].as_u64().unwrap() >= 1 << 20, "{row}");
    (
        row["secret"].as_u64().unwrap(),
        row["known"].as_u64().unwrap(),
    )
}

#[test]
fn the_password_is_nowhere_in_the_memory_of_a_component_that_has_signed_in() {
    let tables = Tables::new("");
    let (secret, known) = found_in_memory(&tables, "nothing");
    assert_eq!(secret, 0);
    assert!(known > 0, "the search does not find what is there");
    // Had it come in, it would have been found.
    let (secret, _) = found_in_memory(&tables, tables.server.password());
    assert!(secret > 0);
}
