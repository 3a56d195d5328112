//! State in PostgreSQL: whichever host runs a pipeline next goes on where the
//! last one has ended, and no two run it at once.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::child::Running;
use common::postgres::Tables;
use rustix::process::Signal;
use tempfile::TempDir;
use vesicle_pipeline::run::fail_point::ALL;

/// A table, and what its stream says to read what is new in it.
const EVENTS: &str = "\
create table events (id int primary key, text text, at timestamptz);
insert into events select n, repeat('event ', 300) || n, timestamptz '2024-02-29 12:00Z' + n * interval '1 s'
  from generate_series(1, 3000) n;";
const NEW_EVENTS: &str = "{ name: events, sync_mode: incremental, cursor_field: at }";

/// More events.
const MORE: &str = "insert into events
select id + 10000, text, at + interval '1 day' from events order by at desc limit 100";

/// Hosts that run one pipeline, each with a folder of its own.
struct Hosts {
    tables: Tables,
    other: TempDir,
}

impl Hosts {
    /// A pipeline whose state is a schema of the server.
    fn new(stream: &str, mode: &str) -> Self {
        let tables = Tables::new(EVENTS);
        tables.document(stream, mode);
        let (port, password) = (tables.server.port(), tables.server.password());
        let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?schema=team");
        let other = common::folder();
        let path = tables.folder.path().join("pipeline.yaml");
        let document = std::fs::read_to_string(path).unwrap().replace(
            "{ backend: sqlite, connection: state.db }",
            &format!("{{ backend: postgres, connection: {url:?} }}\ncheckpoint: {{ rows: 500 }}"),
        );
        for folder in [tables.folder.path(), other.path()] {
            std::fs::write(folder.join("pipeline.yaml"), &document).unwrap();
        }
        Self { tables, other }
    }

    /// A run on the first host.
    fn one(&self) -> Command {
        self.tables.command()
    }

    /// A run on the other host.
    fn other(&self) -> Command {
        let mut command = self.tables.command();
        command.current_dir(self.other.path());
        command
    }

    /// A run on the first host that stops at a point.
    #[track_caller]
    fn stopped_at(&self, point: &str) -> Running {
        let mut command = self.one();
        command.env("VESICLE_FAIL_POINT", format!("{point}:stop"));
        Running::start(command).wait_until_stopped()
    }

    /// Ends the session that a host has with the state.
    fn end_session(&self) {
        let ended = "select bool_and(pg_terminate_backend(pid, 10000)) from pg_stat_activity
             where application_name = 'vesicle state'";
        assert_eq!(self.tables.server.sql(ended), "t");
    }

    #[track_caller]
    fn expect_equal(&self) {
        self.tables.expect_equal("events", "raw.events");
    }
}

#[test]
fn a_run_killed_at_any_boundary_on_one_host_is_gone_on_with_on_another() {
    for (stream, mode) in [(NEW_EVENTS, "append"), ("events", "replace")] {
        let hosts = Hosts::new(stream, mode);
        for point in ALL {
            let mut command = hosts.one();
            command.env("VESICLE_FAIL_POINT", format!("{point}:1"));
            Running::start(command).wait().expect_killed();
            let ended = Running::start(hosts.other()).wait().expect_exit(0);
            ended.expect_said("going on with run");
            hosts.expect_equal();
            hosts.tables.server.sql(MORE);
        }
        let open = "team.runs where status <> 'completed'";
        assert_eq!(hosts.tables.count(open), 0);
        assert_eq!(hosts.tables.count("team.runs"), ALL.len() as u64);
    }
}

#[test]
fn a_run_that_loses_its_session_at_any_boundary_ends_and_the_next_goes_on() {
    let hosts = Hosts::new(NEW_EVENTS, "append");
    for point in ALL {
        let running = hosts.stopped_at(&format!("{point}:1"));
        hosts.end_session();
        running.signal(Signal::CONT);
        running
            .wait()
            .expect_exit(6)
            .expect_said("the connection with the state was lost while pipeline tables ran");
        let ended = Running::start(hosts.other()).wait().expect_exit(0);
        ended.expect_said("going on with run");
        hosts.expect_equal();
        hosts.tables.server.sql(MORE);
    }
}

#[test]
fn a_pipeline_runs_on_one_host_at_a_time_and_who_lost_it_changes_nothing_more() {
    let hosts = Hosts::new("events", "append");
    let running = hosts.stopped_at("committed:1");
    let holder = format!("is being run by another process (process {}", running.id());
    Running::start(hosts.other())
        .wait()
        .expect_exit(10)
        .expect_said(&holder);
    let reset = || {
        let mut command = common::vesicle();
        command
            .args(["state", "reset", "pipeline.yaml"])
            .current_dir(hosts.other.path());
        Running::start(command).wait()
    };
    reset().expect_exit(10).expect_said(&holder);

    hosts.end_session();
    Running::start(hosts.other())
        .wait()
        .expect_exit(0)
        .expect_said("going on with run");
    hosts.expect_equal();
    let state =
        "select string_agg(p::text, ' ') || (select string_agg(r::text, ' ') from team.runs r)
                   from team.partitions p";
    let before = hosts.tables.server.sql(state);
    running.signal(Signal::CONT);
    running.wait().expect_exit(6);
    hosts.expect_equal();
    assert_eq!(hosts.tables.server.sql(state), before);
    reset().expect_exit(0);
}

#[test]
fn a_commit_that_begins_where_another_run_has_gone_on_keeps_nothing() {
    let hosts = Hosts::new("events", "append");
    let running = hosts.stopped_at("commit-requested:1");
    // As a host does that took this one for dead.
    hosts.tables.server.sql(
        "insert into raw._vesicle_cursor (pipeline, stream, partition, cursor, last, rows, bytes)
         values ('tables', 'events', 'all', 'further', false, 7, 70)",
    );
    running.signal(Signal::CONT);
    running
        .wait()
        .expect_exit(10)
        .expect_said("another run has written to partition all since this one began");
    let staging = hosts
        .tables
        .server
        .sql("select staging from raw._vesicle_load");
    assert_eq!(hosts.tables.count(&format!("raw.\"{staging}\"")), 0);
}

#[test]
fn a_server_that_starts_late_is_waited_for() {
    let mut hosts = Hosts::new(NEW_EVENTS, "append");
    let port = hosts.tables.server.port();
    hosts.tables.server.stop();
    let mut running = Running::start(hosts.one());
    running.wait_until_said(&format!("127.0.0.1:{port}: connection refused"));
    hosts.tables.server.restart();
    running.wait().expect_exit(0).expect_said("trying again");
    hosts.expect_equal();
}
