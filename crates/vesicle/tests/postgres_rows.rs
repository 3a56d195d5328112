//! Rows of another shape than their table's, and rows that the table refuses.

#![allow(clippy::unwrap_used)]

mod common;

use common::child::Running;
use common::postgres::Tables;
use serde_json::Value;

const PEOPLE: &str = "{ name: people, sync_mode: full_refresh }";

/// The ids of the rows that are dead letters, sorted.
fn letters(tables: &Tables) -> Vec<u64> {
    let mut command = common::vesicle();
    command
        .args(["dead-letters", "list", "pipeline.yaml", "--output", "json"])
        .current_dir(tables.folder.path());
    let ended = Running::start(command).wait().expect_exit(0);
    let letters: Value = serde_json::from_str(&ended.stdout).unwrap();
    let id = |letter: &Value| {
        let row: Value = serde_json::from_str(letter["row"].as_str().unwrap()).unwrap();
        row["id"].as_u64().unwrap()
    };
    let mut ids: Vec<_> = letters.as_array().unwrap().iter().map(id).collect();
    ids.sort();
    ids
}

/// Removes what is known of the pipeline, here and at the server.
fn forget(tables: &Tables) {
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(tables.folder.path().join(name));
    }
    tables.server.sql(
        "truncate raw.people;
         do $$ declare t text; begin
           for t in select tablename from pg_tables
                     where schemaname = 'raw' and tablename like '\\_vesicle%'
           loop execute format('drop table raw.%I', t); end loop;
         end $$",
    );
}

/// Every twentieth row is refused by a CHECK, and some have values that do not
/// fit their column.
fn mixed() -> Tables {
    Tables::new(
        "create table people (id bigint primary key, age integer, size text);
         insert into people
           select n, case n % 20 when 0 then -1 else n end,
                  case n % 33 when 0 then 'tall' else n::text end
             from generate_series(1, 400) n;
         create schema raw;
         create table raw.people (id bigint primary key, age integer check (age >= 0), size smallint)",
    )
}

fn bad() -> Vec<u64> {
    (1..=400).filter(|n| n % 20 == 0 || n % 33 == 0).collect()
}

#[test]
fn a_run_killed_after_any_statement_keeps_each_refused_row_once_and_writes_each_good_one_once() {
    let tables = mixed();
    tables.document_with(
        PEOPLE,
        "append",
        "  on_data_error: dlq\n  schema_evolution: { type_change: coerce }\n\
         checkpoint: { rows: 100 }\n",
    );
    let ended = tables.complete();
    assert_eq!(ended.report()["dead_letters"], bad().len());
    let mut passage = 1;
    loop {
        forget(&tables);
        let mut command = tables.command();
        command.env("VESICLE_FAIL_POINT", format!("session-write:{passage}"));
        let killed = Running::start(command).wait();
        let was_killed = killed.was_killed();
        if was_killed {
            tables.complete();
        }
        assert_eq!(
            letters(&tables),
            bad(),
            "session-write:{passage}: {killed:?}"
        );
        let rows = tables
            .server
            .sql("select count(*), count(distinct id) from raw.people");
        let good = 400 - bad().len();
        assert_eq!(
            rows,
            format!("{good}|{good}"),
            "session-write:{passage}: {killed:?}"
        );
        if !was_killed {
            break;
        }
        passage += 13;
    }
    assert!(passage > 50, "it has sent no more than {passage} times");
}

#[test]
fn refused_rows_are_told_apart_whatever_their_share() {
    for refused in [
        "n % 1000 = 0",
        "n % 3 = 0",
        "n % 1000 <> 0",
        "n <= 500",
        "true",
    ] {
        let tables = Tables::new(&format!(
            "create table people (id bigint primary key, age integer);
             insert into people select n, case when {refused} then -1 else n end
               from generate_series(1, 1000) n;
             create schema raw;
             create table raw.people (id bigint primary key, age integer check (age >= 0))"
        ));
        tables.document_with(PEOPLE, "append", "  on_data_error: skip\n");
        let ended = tables.complete();
        let good = tables.count("people where age >= 0");
        assert_eq!(ended.figure("rows_rejected"), 1000 - good, "{refused}");
        tables
            .server
            .sql("create view good as select * from people where age >= 0");
        tables.expect_equal("good", "raw.people");
    }
}

#[test]
fn a_value_is_converted_only_if_sql_would_give_it_back() {
    // Type at the source, type of the table, values that become the other, and
    // values that do not.
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("smallint", "bigint", &["1", "-32768"], &[]),
        ("bigint", "smallint", &["32767"], &["32768"]),
        ("integer", "numeric(5,2)", &["999"], &["1000"]),
        (
            "numeric",
            "integer",
            &["7", "7.00"],
            &["7.5", "'NaN'", "3000000000"],
        ),
        ("numeric(10,4)", "numeric(20,6)", &["1.5"], &[]),
        ("real", "double precision", &["0.5"], &[]),
        (
            "double precision",
            "integer",
            &["3"],
            &["3.5", "'NaN'", "1e12"],
        ),
        ("integer", "text", &["42"], &[]),
        ("timestamptz", "text", &["'2020-01-01 10:00:00+00'"], &[]),
        ("text", "integer", &["'12'"], &["'12x'", "''"]),
        (
            "text",
            "date",
            &["'2020-02-29'", "'infinity'"],
            &["'2021-02-29'"],
        ),
        (
            "text",
            "timestamptz",
            &["'2020-01-01 10:00:00+02'"],
            &["'soon'"],
        ),
        ("text", "boolean", &["'yes'", "'f'"], &["'maybe'"]),
        (
            "text",
            "uuid",
            &["'7f2d2a3e-0c1b-4f6a-9d59-0f4a6f0b1c2d'"],
            &["'7f2d'"],
        ),
        ("text", "character varying(3)", &["'abc'"], &["'abcd'"]),
        ("date", "timestamp", &["'2020-01-01'"], &[]),
        (
            "timestamp",
            "date",
            &["'2020-01-01 00:00:00'"],
            &["'2020-01-01 00:00:01'"],
        ),
        ("integer", "boolean", &["0", "1"], &["2"]),
        ("jsonb", "text", &["'{\"a\": 1}'"], &[]),
    ];
    let tables = Tables::new("create schema raw");
    for (number, (from, to, good, wrong)) in cases.iter().enumerate() {
        let values: Vec<_> = good
            .iter()
            .chain(*wrong)
            .map(|value| format!("(({value})::{from})"))
            .collect();
        tables.server.sql(&format!(
            "create table s{number} (id bigint generated always as identity, v {from});
             insert into s{number} (v) values {};
             create table raw.s{number} (id bigint, v {to})",
            values.join(", ")
        ));
        let stream = format!("{{ name: s{number}, sync_mode: full_refresh }}");
        let policy = |policy: &str, more: &str| {
            format!("  schema_evolution: {{ type_change: {policy} }}\n{more}")
        };
        tables.document_with(
            &stream,
            "append",
            &policy("coerce", "  on_data_error: skip\n"),
        );
        let ended = tables.complete();
        let rejected = ended.figure("rows_rejected");
        assert_eq!(rejected, wrong.len() as u64, "{from} to {to}: {ended:?}");
        let same = format!(
            "raw.s{number} r join s{number} s using (id) where r.v is not distinct from s.v::text::{to}"
        );
        let same = match (*from, *to) {
            // Zeros after the point are no text of an integer.
            ("numeric", "integer") | ("integer", "boolean") => same.replace("::text", ""),
            _ => same,
        };
        assert_eq!(tables.count(&same), good.len() as u64, "{from} to {to}");
        tables.server.sql(&format!("truncate raw.s{number}"));
        tables.document_with(&stream, "replace", &policy("\"null\"", ""));
        tables.complete();
        let nulls = tables.count(&format!("raw.s{number} where v is null"));
        assert_eq!(nulls, wrong.len() as u64, "{from} to {to}: NULL");
        assert_eq!(
            tables.count(&format!("raw.s{number}")),
            (good.len() + wrong.len()) as u64
        );
    }
}

#[test]
fn a_table_that_is_replaced_keeps_its_shape_and_what_depends_on_it() {
    let tables = Tables::new(
        "create table people (id bigint primary key, name text, born date);
         insert into people values (1, 'Ada', '1815-12-10');
         create schema raw;
         create table raw.people (nick text, name text, id numeric);
         create view raw.names as select name from raw.people;
         insert into raw.people values ('E', 'Euclid', 0)",
    );
    tables.document_with(
        PEOPLE,
        "replace",
        "  schema_evolution: { new_column: add, removed_column: ignore, type_change: coerce }\n",
    );
    tables.complete();
    assert_eq!(
        tables.server.sql("select * from raw.people"),
        "|Ada|1|1815-12-10"
    );
    assert_eq!(tables.server.sql("select * from raw.names"), "Ada");
}

#[test]
fn what_changes_in_a_table_changes_when_its_rows_are_published() {
    let tables = Tables::new(
        "create table people (id bigint primary key, born date);
         insert into people values (1, '1815-12-10');
         create schema raw;
         create table raw.people (id bigint primary key)",
    );
    tables.document_with(
        PEOPLE,
        "append",
        "  schema_evolution: { new_column: add }\n",
    );
    let mut command = tables.command();
    command.env("VESICLE_FAIL_POINT", "before-finish:1");
    Running::start(command).wait().expect_killed();
    let columns = "select count(*) from information_schema.columns \
                   where table_schema = 'raw' and table_name = 'people'";
    assert_eq!(tables.server.sql(columns), "1");
    tables.complete();
    tables.expect_equal("people", "raw.people");
}

#[test]
fn an_upsert_leaves_the_columns_alone_that_are_not_written() {
    let tables = Tables::new(
        "create table people (id bigint primary key, name text, secret text);
         insert into people values (1, 'Ada', 'x'), (2, 'Grace', 'y');
         create schema raw;
         create table raw.people (id bigint primary key, name text, note text);
         insert into raw.people values (1, 'A.', 'first')",
    );
    tables.document_with(
        PEOPLE,
        "upsert",
        "  primary_key: [id]\n  schema_evolution: { new_column: ignore, removed_column: ignore }\n",
    );
    tables.complete();
    assert_eq!(
        tables.server.sql("select * from raw.people order by id"),
        "1|Ada|first\n2|Grace|"
    );
}
