//! Certifies a connector against a PostgreSQL server of its own.

use std::fs;
use std::process::Command;

use super::child::Running;
use super::postgres::Tables;

/// What is certified: a reading and a writing of one stream.
pub struct Certification<'a> {
    /// Statements that put everything back.
    pub reset: &'a str,
    /// Statements that follow a first run, if there is to be one.
    pub then: Option<&'a str>,
    /// The stream, as the document has it.
    pub stream: &'a str,
    /// How it is written.
    pub mode: &'a str,
    /// More of the destination.
    pub destination: &'a str,
    /// What is in the target.
    pub check: &'a str,
    /// Every so many-th statement is tried.
    pub stride: u32,
    /// How many runs are killed by the clock.
    pub kills: u32,
}

impl Certification<'_> {
    /// Runs it, and makes sure that every cell held, and that there were some.
    #[track_caller]
    pub fn expect_held(&self) {
        let tables = Tables::new("");
        tables.document_with(self.stream, self.mode, self.destination);
        let file = tables.folder.path().join("pipeline.yaml");
        let text = fs::read_to_string(&file).unwrap();
        tables.write(&(text + "checkpoint: { rows: 20 }\n"));
        fs::write(tables.folder.path().join("reset.sql"), self.reset).unwrap();
        let psql = format!(
            "PGPASSWORD={} {} -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p {} -U postgres",
            tables.server.password(),
            tables.server.path_of_psql().display(),
            tables.server.port()
        );
        let mut reset = format!("{psql} -f reset.sql 2>&1");
        if let Some(then) = self.then {
            fs::write(tables.folder.path().join("then.sql"), then).unwrap();
            let vesicle = super::vesicle();
            let vesicle = vesicle.get_program().display();
            reset += &format!(" && {vesicle} run --quiet && {psql} -f then.sql");
        }
        let ours = "application_name like 'vesicle%'";
        let disturb =
            format!("select pg_terminate_backend(pid) from pg_stat_activity where {ours}");
        let mut command: Command = super::vesicle();
        command
            .args(["certify", "dest-postgres", "--output", "json"])
            .args(["--reset", &reset])
            .args(["--check", &format!("{psql} -c \"{}\"", self.check)])
            .args(["--disturb", &format!("{psql} -c \"{disturb}\"")])
            .args(["--stride", &self.stride.to_string()])
            .args(["--kills", &self.kills.to_string()])
            .current_dir(tables.folder.path());
        let ended = Running::start(command).wait();
        let report = ended.report();
        let broken: Vec<_> = report["cells"]
            .as_array()
            .unwrap_or_else(|| panic!("{report}"))
            .iter()
            .filter(|cell| cell["outcome"] != "held")
            .collect();
        assert!(broken.is_empty(), "{}: {broken:#?}", self.mode);
        for trouble in ["kill", "disturb"] {
            for point in ["begun", "committed", "finished", "session-write"] {
                let found = report["cells"].as_array().unwrap().iter();
                let found = found.filter(|it| it["point"] == point && it["trouble"] == trouble);
                assert!(found.count() > 0, "{trouble} at {point} was not tried");
            }
        }
        ended.expect_exit(0);
    }
}

/// A table of people, some of whom were seen at the same time, in an order
/// that is not that of the table, and no target.
pub const PEOPLE: &str = "\
set client_min_messages = error;
drop schema if exists raw cascade;
drop table if exists people;
create table people (id int primary key, name text, seen timestamptz not null);
insert into people
select n, 'person ' || n, timestamptz '2024-02-29 12:00Z' + (n * 7 % 50 / 3) * interval '1 s'
  from generate_series(1, 100) n;";

/// What is in the target.
pub const TARGET: &str =
    "select count(*), sum(hashtextextended(t::text, 0)::numeric) from raw.people t";
