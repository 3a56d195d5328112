//! Dead letters sent again: each row arrives once, in the place of no newer
//! one, and a row that fails again keeps the others from nothing.

#![allow(clippy::unwrap_used)]

mod common;

use common::child::{Ended, Running};
use common::postgres::Tables;
use serde_json::Value;

/// A table whose rows do not all fit where they go: those of an odd number have
/// no name, which the target insists on.
fn tables() -> Tables {
    let tables = Tables::new(
        "create table people (id bigint primary key, name text);
         insert into people select n, case n % 2 when 0 then 'person ' || n end
           from generate_series(1, 40) n;
         create schema raw; create table raw.people (id bigint primary key, name text not null)",
    );
    tables.document_with(
        "{ name: people, sync_mode: full_refresh }",
        "append",
        "  on_data_error: dlq\n",
    );
    tables
}

fn dead_letters(tables: &Tables, arguments: &[&str]) -> std::process::Command {
    let mut command = common::vesicle();
    command
        .arg("dead-letters")
        .args(arguments)
        .args(["pipeline.yaml", "--output", "json"])
        .current_dir(tables.folder.path());
    command
}

/// Reads the rows of later versions.
const BY_VERSION: &str = "{ name: people, sync_mode: incremental, cursor_field: version, \
    tie_breaker_field: id, primary_key: [id] }";

/// Sends them again, to the end.
fn replay(tables: &Tables) -> Ended {
    Running::start(dead_letters(tables, &["replay"])).wait()
}

/// Lets the target take the rows that it has refused.
fn mend(tables: &Tables) {
    tables
        .server
        .sql("alter table raw.people alter name drop not null");
}

/// The ids of the rows that are dead letters.
fn left(tables: &Tables) -> Vec<u64> {
    let ended = Running::start(dead_letters(tables, &["list"])).wait();
    let letters: Value = serde_json::from_str(&ended.expect_exit(0).stdout).unwrap();
    let letters = letters.as_array().unwrap().iter();
    let id = |letter: &Value| {
        let row: Value = serde_json::from_str(letter["row"].as_str().unwrap()).unwrap();
        row["id"].as_u64().unwrap()
    };
    let mut ids: Vec<_> = letters.map(id).collect();
    ids.sort();
    ids
}

#[test]
fn a_replay_killed_at_any_boundary_adds_each_row_once_and_keeps_what_fails_again() {
    let points = [
        ("begun", 1),
        ("commit-requested", 1),
        ("letters-stored", 1),
        ("commit-prepared", 1),
        ("committed", 1),
        ("state-moved", 1),
        ("before-finish", 1),
        ("finished", 1),
    ];
    let tables = tables();
    for (point, passage) in points {
        tables.server.sql(
            "truncate raw.people; alter table raw.people alter name set not null;
             alter table raw.people drop constraint if exists most;
             drop table if exists raw._vesicle_load, raw._vesicle_cursor",
        );
        for name in ["state.db", "state.db-wal", "state.db-shm"] {
            let _ = std::fs::remove_file(tables.folder.path().join(name));
        }
        let ended = tables.complete();
        assert_eq!(ended.report()["dead_letters"], 20);
        // Now they fit, but for a few.
        tables.server.sql(
            "alter table raw.people alter name drop not null;
             alter table raw.people add constraint most check (id not in (7, 9))",
        );
        let mut command = dead_letters(&tables, &["replay"]);
        command.env("VESICLE_FAIL_POINT", format!("{point}:{passage}"));
        Running::start(command).wait().expect_killed();
        let ended = Running::start(dead_letters(&tables, &["replay"]))
            .wait()
            .expect_exit(7);
        assert_eq!(left(&tables), [7, 9], "{point}: {ended:?}");
        let rows = tables
            .server
            .sql("select count(*), count(distinct id) from raw.people");
        assert_eq!(rows, "38|38", "{point}: {ended:?}");
        // Nothing is left to be sent, and nothing is under way.
        let staged = "select count(*) from pg_tables where tablename like '\\_vesicle\\_%' \
                      and tablename not in ('_vesicle_load', '_vesicle_cursor')";
        assert_eq!(tables.server.sql(staged), "0", "{point}");
    }
}

#[test]
fn a_replay_disturbs_no_cursor_of_the_pipeline() {
    let tables = tables();
    tables.document_with(
        "{ name: people, sync_mode: incremental, cursor_field: id }",
        "append",
        "  on_data_error: dlq\n",
    );
    tables.complete();
    tables
        .server
        .sql("alter table raw.people alter name drop not null");
    Running::start(dead_letters(&tables, &["replay"]))
        .wait()
        .expect_exit(0);
    tables.server.sql("insert into people values (41, 'new')");
    let ended = tables.complete();
    assert_eq!(ended.figure("rows_read"), 1, "{ended:?}");
    tables.expect_equal("people", "raw.people");
}

#[test]
fn a_replay_waits_until_the_pipeline_s_own_run_is_finished() {
    let tables = tables();
    tables.complete();
    let mut command = tables.command();
    command.env("VESICLE_FAIL_POINT", "begun:1");
    Running::start(command).wait().expect_killed();
    Running::start(dead_letters(&tables, &["replay"]))
        .wait()
        .expect_exit(10)
        .expect_said("is not finished");
}

#[test]
fn a_row_that_the_target_refuses_again_keeps_the_others_from_nothing() {
    for mode in ["append", "upsert"] {
        let tables = tables();
        tables.document_with(
            "{ name: people, sync_mode: full_refresh, primary_key: [id] }",
            mode,
            "  on_data_error: dlq\n",
        );
        tables.complete();
        mend(&tables);
        // A key and a reference, which only the target knows.
        tables.server.sql(
            "create table raw.odd as select 2 * n - 1 as id from generate_series(1, 19) n;
             alter table raw.odd add primary key (id);
             alter table raw.people add column twin bigint generated always as (
               case id % 2 when 1 then id end) stored references raw.odd;
             create unique index on raw.people (coalesce(name, 'nobody ' || id / 4));",
        );
        let ended = replay(&tables).expect_exit(7);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        // 39 has no twin; of each pair with one name the second is refused.
        assert_eq!(
            left(&tables),
            [3, 7, 11, 15, 19, 23, 27, 31, 35, 39],
            "{mode}: {ended:?}"
        );
        assert_eq!(report["failed"], 10, "{mode}: {ended:?}");
        let arrived = tables.count("raw.people where id % 4 = 1");
        assert_eq!(arrived, 10, "{mode}");
    }
}

#[test]
fn a_replayed_row_takes_the_place_of_no_newer_one() {
    let tables = tables();
    tables.server.sql(
        "alter table people add column version int not null default 1;
         alter table raw.people add column version int not null;",
    );
    tables.document_with(BY_VERSION, "upsert", "  on_data_error: dlq\n");
    tables.complete();
    tables
        .server
        .sql("update people set name = 'renamed', version = 2 where id <= 10");
    tables.complete();
    mend(&tables);
    // The target has an older row of 11.
    tables
        .server
        .sql("insert into raw.people values (11, 'older', 0)");
    replay(&tables).expect_exit(0);
    assert!(left(&tables).is_empty());
    tables.expect_equal("people", "raw.people");
}

#[test]
fn a_run_that_replaces_all_rows_supersedes_their_letters() {
    let tables = tables();
    tables.document_with(
        "{ name: people, sync_mode: full_refresh }",
        "replace",
        "  on_data_error: dlq\n",
    );
    tables.complete();
    assert_eq!(left(&tables).len(), 20);
    tables
        .server
        .sql("update people set name = 'given' where id < 20; delete from people where id = 21");
    tables
        .complete()
        .expect_said("discarded 20 dead letters of runs before");
    assert_eq!(left(&tables), [23, 25, 27, 29, 31, 33, 35, 37, 39]);
    mend(&tables);
    replay(&tables).expect_exit(0);
    tables.expect_equal("people", "raw.people");
}

#[test]
fn where_nothing_tells_which_row_is_newer_the_one_that_is_there_stays() {
    let tables = tables();
    let stream = "{ name: people, sync_mode: full_refresh, primary_key: [id] }";
    tables.document_with(stream, "upsert", "  on_data_error: dlq\n");
    tables.complete();
    tables
        .server
        .sql("update people set name = 'given' where id <= 10");
    tables.complete();
    mend(&tables);
    // The letters of 1 to 9 have been overtaken; those of the others are twice.
    replay(&tables).expect_exit(7);
    tables.expect_equal("people", "raw.people");
    let twice = [11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39];
    let mut expected = vec![1, 3, 5, 7, 9];
    expected.extend(twice);
    assert_eq!(left(&tables), expected);
    let ended = Running::start(dead_letters(&tables, &["list"])).wait();
    assert!(ended.stdout.contains("which may be newer"), "{ended:?}");
}

#[test]
fn of_two_letters_with_one_key_the_newer_row_stays() {
    let tables = tables();
    tables.server.sql(
        "alter table people add column version int not null default 1;
         alter table raw.people add column version int not null,
           add constraint later check (version <> 1 or id <> 1);
         update people set name = 'first' where id = 1",
    );
    tables.document_with(BY_VERSION, "upsert", "  on_data_error: dlq\n");
    tables.complete();
    tables
        .server
        .sql("update people set name = null, version = 2 where id = 1");
    tables.complete();
    // A replay in which both fail again keeps the newer one first.
    replay(&tables).expect_exit(7);
    mend(&tables);
    tables
        .server
        .sql("alter table raw.people drop constraint later");
    replay(&tables).expect_exit(0);
    tables.expect_equal("people", "raw.people");
}

#[test]
fn what_a_target_checks_at_the_end_of_a_transaction_makes_a_reject_too() {
    let tables = tables();
    tables.complete();
    mend(&tables);
    tables.server.sql(
        "create table raw.odd as select 2 * n - 1 as id from generate_series(1, 19) n;
         alter table raw.odd add primary key (id);
         alter table raw.people add column twin bigint generated always as (
           case id % 2 when 1 then id end) stored
           references raw.odd deferrable initially deferred;
         create function raw.refuse() returns trigger language plpgsql as
           $$ begin if new.id = 5 then raise exception 'never 5'; end if; return new; end $$;
         create trigger refuse before insert on raw.people
           for each row execute function raw.refuse()",
    );
    replay(&tables).expect_exit(7);
    assert_eq!(left(&tables), [5, 39]);
    assert_eq!(tables.count("raw.people"), 38);
}

#[test]
fn a_target_is_mended_between_two_attempts_of_a_replay() {
    let tables = tables();
    tables.server.sql(
        "insert into people select n from generate_series(42, 9000) n where n % 2 = 1;
         create type mood as enum ('fine');
         alter table people add column state mood;",
    );
    tables.document_with(
        "{ name: people, sync_mode: full_refresh }",
        "append",
        "  on_data_error: dlq\n  schema_evolution: { new_column: add, removed_column: ignore }\n",
    );
    tables.complete();
    mend(&tables);
    let mut command = dead_letters(&tables, &["replay"]);
    command.env("VESICLE_FAIL_POINT", "state-moved:2");
    Running::start(command).wait().expect_killed();
    let arrived = tables.count("raw.people");
    assert!(arrived >= 1000, "{arrived}");
    assert!(arrived < tables.count("people"), "all of them");
    tables
        .server
        .sql("alter table raw.people drop column state, add column more int");
    replay(&tables).expect_exit(0);
    assert_eq!(tables.count("raw.people"), tables.count("people"));
    let twice = "(select id from raw.people group by id having count(*) > 1) twice";
    assert_eq!(tables.count(twice), 0);
}

#[test]
fn a_replay_that_was_cut_off_does_not_come_between_a_later_run_and_its_letters() {
    for point in ["begun:1", "committed:1", "finished:1"] {
        let tables = tables();
        tables.document_with(
            "{ name: people, sync_mode: full_refresh }",
            "replace",
            "  on_data_error: dlq\n",
        );
        tables.complete();
        mend(&tables);
        let mut command = dead_letters(&tables, &["replay"]);
        command.env("VESICLE_FAIL_POINT", point);
        Running::start(command).wait().expect_killed();
        // They may have arrived, so they are not discarded.
        let mut discard = dead_letters(&tables, &["discard"]);
        discard.arg("--all");
        let ended = Running::start(discard).wait().expect_exit(10);
        ended.expect_said("20 others belong to a replay that was interrupted");
        tables.server.sql(
            "delete from raw.people where name is null;
             alter table raw.people alter name set not null",
        );
        tables.complete();
        assert_eq!(left(&tables).len(), 20, "{point}");
        mend(&tables);
        replay(&tables).expect_exit(0);
        tables.expect_equal("people", "raw.people");
    }
}

#[test]
fn letters_of_a_stream_that_is_read_from_a_log_are_not_sent() {
    let tables = tables();
    tables.document_with(
        "{ name: people, sync_mode: cdc, primary_key: [id] }",
        "upsert",
        "  on_data_error: dlq\n",
    );
    tables.complete();
    assert_eq!(left(&tables).len(), 20);
    replay(&tables)
        .expect_exit(3)
        .expect_said("change those rows at the source");
    mend(&tables);
    tables
        .server
        .sql("update people set name = null where name is null");
    tables.complete();
    tables.expect_equal("people", "raw.people");
    // As it says.
    let mut discard = dead_letters(&tables, &["discard"]);
    discard.args(["--stream", "people"]);
    Running::start(discard).wait().expect_exit(0);
    assert!(left(&tables).is_empty());
}
