//! The same document, run by two hosts at once that do not know of each other:
//! each has a state of its own, so no lock of a state keeps them apart.
//!
//! Either may fail, saying why. What is in the target is what the runs that
//! succeeded have promised, and a later run of either goes on.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::child::{Ended, Running};
use common::postgres::Tables;
use rustix::process::Signal;

/// How many rows the source has at first, and gets each round: one a block, so
/// many that they are read in two parts.
const ROWS: u64 = 8_500;

const FULL: &str = "{ name: people, sync_mode: full_refresh, primary_key: [id] }";
const INCREMENTAL: &str = "{ name: people, sync_mode: incremental, cursor_field: id, \
    tie_breaker_field: id, primary_key: [id] }";

const CASES: [(&str, &str); 5] = [
    (FULL, "append"),
    (FULL, "replace"),
    (FULL, "upsert"),
    (INCREMENTAL, "append"),
    (INCREMENTAL, "upsert"),
];

/// Tables with a document for each of two hosts.
struct Hosts(Tables);

impl Hosts {
    fn new() -> Self {
        let tables = Tables::new(
            "create table people (id bigint primary key, name text not null);
             alter table people alter name set storage plain;",
        );
        let hosts = Self(tables);
        hosts.add();
        hosts
    }

    /// Adds rows at the source.
    fn add(&self) {
        let rows = self.0.count("people");
        self.0.server.sql(&format!(
            "insert into people select n, lpad(n::text, 7000, '.')
               from generate_series({rows} + 1, {rows} + {ROWS}) n"
        ));
        self.0.server.sql("vacuum analyze people");
    }

    /// Begins with an empty target and no state.
    fn begin(&self, stream: &str, mode: &str) {
        self.0.server.sql("drop schema if exists raw cascade");
        let more = "resources: { parallelism: 2 }\ncheckpoint: { rows: 1000 }\n";
        self.0.document_with(stream, mode, more);
        let folder = self.0.folder.path();
        let text = std::fs::read_to_string(folder.join("pipeline.yaml")).unwrap();
        for host in ["one", "two"] {
            let text = text.replace("state.db", &format!("{host}.db"));
            self.0.write_to(&format!("{host}.yaml"), &text);
            // There is none before the first case.
            let _ = std::fs::remove_file(folder.join(format!("{host}.db")));
        }
    }

    /// A run of a host.
    fn command(&self, host: &str) -> Command {
        let mut command = common::vesicle();
        command
            .args(["run", &format!("{host}.yaml"), "--output", "json"])
            .current_dir(self.0.folder.path());
        command
    }

    /// Both run at once; and one of them again if neither succeeded. How many
    /// runs did.
    fn run(&self) -> usize {
        let both = ["one", "two"].map(|host| Running::start(self.command(host)));
        let ends = both.map(|running| succeeded(&running.wait()));
        match ends.iter().filter(|ended| **ended).count() {
            0 => {
                Running::start(self.command("one")).wait().expect_exit(0);
                1
            }
            count => count,
        }
    }
}

/// Whether a run succeeded. One that did not has said that another is there.
fn succeeded(ended: &Ended) -> bool {
    let told = ["written-by-another", "not-under-way", "in-use"];
    let is_told = told.iter().any(|code| ended.stderr.contains(code));
    assert!(ended.status.success() || is_told, "{ended:?}");
    ended.status.success()
}

#[test]
fn two_hosts_that_run_a_document_at_once_neither_double_rows_nor_lose_any() {
    let hosts = Hosts::new();
    for (stream, mode) in CASES {
        hosts.begin(stream, mode);
        let mut runs = 0;
        for round in 0..3 {
            runs += hosts.run();
            let times = match (stream, mode) {
                (FULL, "append") => runs,
                _ => 1,
            };
            let seen = hosts.0.server.sql(
                "select count(*) || ' rows, ' || min(times) || ' to ' || max(times) || ' times'
                   from (select count(*) as times from raw.people group by id, name) counted",
            );
            let rows = hosts.0.count("people");
            let expected = format!("{rows} rows, {times} to {times} times");
            assert_eq!(seen, expected, "round {round} of {stream} by {mode}");
            if stream == INCREMENTAL {
                hosts.add();
            }
        }
    }
}

#[test]
fn a_host_waits_while_another_writes_and_says_which_session_does() {
    let hosts = Hosts::new();
    hosts.begin(INCREMENTAL, "append");
    let mut first = hosts.command("one");
    first.env("VESICLE_FAIL_POINT", "committed:2:stop");
    let first = Running::start(first).wait_until_stopped();
    let mut second = Running::start(hosts.command("two"));
    second.wait_until_said("is writing people (session ");
    second.wait_until_said("trying again in 15.0 s");
    second.signal(Signal::INT);
    assert!(!second.wait().status.success());
    first.signal(Signal::CONT);
    first.wait().expect_exit(0);
    hosts.0.expect_equal("people", "raw.people");
    // What the second had begun is over.
    Running::start(hosts.command("two")).wait().expect_exit(0);
    hosts.0.expect_equal("people", "raw.people");
}
