//! Every write mode with every reading of PostgreSQL, killed and disturbed at
//! every boundary.

#![allow(clippy::unwrap_used)]

mod common;

use common::certify::{Certification, PEOPLE, TARGET};

/// What follows a first run: rows change, come and are as new as the newest.
const MORE: &str = "\
update people set name = name || '!', seen = seen + interval '1 hour' where id % 10 = 0;
insert into people
select 100 + n, 'new', (select max(seen) from people) + (n / 4) * interval '1 s'
  from generate_series(1, 60) n;";

const FULL: &str = "{ name: people, sync_mode: full_refresh }";
const NEW: &str = "{ name: people, sync_mode: incremental, cursor_field: seen }";

const LOG: &str = "{ name: people, sync_mode: cdc, primary_key: id }";

fn certify(stream: &str, mode: &str) {
    let key = "  primary_key: id\n";
    Certification {
        reset: PEOPLE,
        then: Some(MORE),
        stream,
        mode,
        destination: if mode == "upsert" { key } else { "" },
        check: TARGET,
        stride: 2,
        kills: 10,
    }
    .expect_held();
}

#[test]
fn a_full_refresh_that_appends() {
    certify(FULL, "append");
}

#[test]
fn a_full_refresh_that_replaces() {
    certify(FULL, "replace");
}

#[test]
fn a_full_refresh_that_upserts() {
    certify(FULL, "upsert");
}

#[test]
fn an_incremental_reading_that_appends() {
    certify(NEW, "append");
}

#[test]
fn an_incremental_reading_that_upserts() {
    certify(NEW, "upsert");
}

#[test]
fn a_log_of_changes_that_upserts() {
    certify(LOG, "upsert");
}

#[test]
fn a_log_of_changes_that_replaces() {
    certify(LOG, "replace");
}
