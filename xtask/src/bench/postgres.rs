//! A table from PostgreSQL to PostgreSQL, over the fastest way there is
//! without a program in between: a `COPY … TO STDOUT` of one psql, piped into a
//! `COPY … FROM STDIN` of another, both in the binary form.
//!
//! One server is both ends, so that its work is the larger part of either
//! side's; what a process costs is what the client takes, without the server's.
//! `vesicle` also plans, stages, commits with its cursors, publishes and keeps
//! state, all of which counts. The target is not there before a run on either
//! side but for the empty table that the pipe needs.
//!
//! The sandbox's own cost is what the same connectors take in one native
//! program, `benches/native-pipe`.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::duel::{Duel, Side};
use super::figures::Figure;
use super::server::Server;
use crate::arguments::Profile;
use crate::build;
use crate::error::{Error, Result};
use crate::files::{make_folder, remove_file, remove_folder, write};
use crate::tree::Tree;

/// The rows of the table, and of the one that is ten times as long.
pub(super) const ROWS: u64 = 1_000_000;
/// No more runs than these on the long table.
const LONG_RUNS: usize = 3;

/// Twelve columns of as many types as tables have.
const TABLE: &str = "
create table NAME (
  id bigint not null, small int, flag boolean, amount numeric(12,2), ratio double precision,
  name text, code varchar(16), day date, at timestamptz not null, uid uuid, data jsonb, note text);
insert into NAME
select g, (g % 1000)::int, g % 3 = 0, (g * 0.37)::numeric(12,2), g / 7.0,
       'customer number ' || g, 'C' || (g % 100000), date '2020-01-01' + (g % 2000)::int,
       timestamptz '2020-01-01' + g * interval '1 second', md5(g::text)::uuid,
       jsonb_build_object('k', g % 50, 'v', 'x' || g),
       case when g % 5 = 0 then null else 'note ' || md5((g % 1000)::text) end
  from generate_series(1, ROWS) g;
vacuum analyze NAME";

/// What one case is: its name, the table, how rows travel, how many parts are
/// read at once.
pub(super) struct Case {
    name: &'static str,
    table: &'static str,
    format: &'static str,
    parallelism: u32,
    pub(super) baseline: Baseline,
}

/// What a case is compared with.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Baseline {
    /// `psql COPY | psql COPY`.
    Pipe,
    /// The same connectors, native.
    Native,
}

/// Those with the table of a million rows.
pub(super) const CASES: [Case; 5] = [
    Case {
        name: "untouched",
        table: "bench",
        format: "auto",
        parallelism: 1,
        baseline: Baseline::Pipe,
    },
    Case {
        name: "by Arrow",
        table: "bench",
        format: "arrow",
        parallelism: 1,
        baseline: Baseline::Pipe,
    },
    Case {
        name: "untouched, 2 parts at once",
        table: "bench",
        format: "auto",
        parallelism: 2,
        baseline: Baseline::Pipe,
    },
    Case {
        name: "untouched, sandbox tax",
        table: "bench",
        format: "auto",
        parallelism: 1,
        baseline: Baseline::Native,
    },
    Case {
        name: "by Arrow, sandbox tax",
        table: "bench",
        format: "arrow",
        parallelism: 1,
        baseline: Baseline::Native,
    },
];

/// The one that shows what the length of a table costs.
const LONG: Case = Case {
    name: "untouched, 10 times the rows",
    table: "long",
    format: "auto",
    parallelism: 1,
    baseline: Baseline::Pipe,
};

/// Measures all cases.
pub fn measure(tree: &Tree, runs: usize) -> Result<Vec<Figure>> {
    let bench = Postgres::prepare(tree)?;
    bench.make_table("bench", ROWS)?;
    let mut figures = Vec::new();
    for case in &CASES {
        figures.extend(bench.compare(case, runs)?);
    }
    bench.make_table("long", 10 * ROWS)?;
    figures.extend(bench.compare(&LONG, runs.min(LONG_RUNS))?);
    Ok(figures)
}

/// The server, the program, and the folder in which it works.
pub(super) struct Postgres {
    pub(super) server: Server,
    vesicle: PathBuf,
    native: PathBuf,
    folder: PathBuf,
    cache: PathBuf,
}

impl Postgres {
    pub(super) fn prepare(tree: &Tree) -> Result<Self> {
        build::all(tree, Profile::Release)?;
        let native = super::native::build(tree)?;
        let folder = tree.target.join("bench/postgres");
        remove_folder(&folder)?;
        make_folder(&folder)?;
        Ok(Self {
            server: Server::start(tree)?,
            vesicle: tree.binaries(Profile::Release).join("vesicle"),
            native,
            folder,
            cache: tree.target.join("bench/cache"),
        })
    }

    pub(super) fn make_table(&self, name: &str, rows: u64) -> Result<()> {
        let statements = TABLE
            .replace("NAME", name)
            .replace("ROWS", &rows.to_string());
        // A VACUUM stands alone.
        for statement in statements.split_inclusive(';') {
            self.server.sql(statement)?;
        }
        Ok(())
    }

    pub(super) fn compare(&self, case: &Case, runs: usize) -> Result<Vec<Figure>> {
        let duel = Duel {
            case: case.name,
            subject: Side {
                name: "vesicle",
                prepare: Box::new(|| self.vesicle(case)),
            },
            baseline: match case.baseline {
                Baseline::Pipe => Side {
                    name: "COPY pipe",
                    prepare: Box::new(|| self.pipe(case)),
                },
                Baseline::Native => Side {
                    name: "native",
                    prepare: Box::new(|| self.native(case)),
                },
            },
        };
        let figures = duel.fight(runs, &self.folder.join("log"))?;
        self.check_same_rows(case)?;
        self.server
            .sql("drop schema if exists raw cascade; drop schema if exists piped cascade")?;
        Ok(figures)
    }

    /// Every checkpoint is over before a run begins.
    fn forget(&self, schema: &str) -> Result<()> {
        self.server
            .sql(&format!("drop schema if exists {schema} cascade"))?;
        self.server.sql(&format!("create schema {schema}"))?;
        self.server.sql("checkpoint").map(drop)
    }

    /// A run of `vesicle`, from nothing but a warm cache.
    fn vesicle(&self, case: &Case) -> Result<Command> {
        self.forget("raw")?;
        let state = self.folder.join("state.db");
        for file in ["state.db", "state.db-wal", "state.db-shm"] {
            remove_file(&self.folder.join(file))?;
        }
        // JSON is YAML.
        let document = json!({
            "version": "1.0",
            "pipeline": "bench",
            "source": {
                "use": "source-postgres",
                "config": self.config("format", case.format, true),
                "streams": [{ "name": case.table, "sync_mode": "full_refresh" }],
            },
            "destination": {
                "use": "dest-postgres",
                "config": self.config("schema", "raw", true),
                "write_mode": "append",
            },
            "state": { "backend": "sqlite", "connection": state },
            "resources": { "parallelism": case.parallelism },
        });
        let file = self.folder.join("pipeline.yaml");
        write(&file, document.to_string())?;
        let mut run = Command::new(&self.vesicle);
        run.args(["run", "--quiet"]).arg(file);
        run.env("VESICLE_CACHE", &self.cache);
        run.env_remove("VESICLE_COMPONENTS");
        Ok(run)
    }

    /// The configuration of a connector, with an option of its own; the host
    /// keeps the password.
    fn config(&self, name: &str, value: &str, password: bool) -> Value {
        let mut config = json!({
            "host": "127.0.0.1", "port": self.server.port, "user": "postgres",
            "database": "postgres",
        });
        config[name] = Value::from(value);
        if password {
            config["password"] = Value::from(self.server.password.clone());
        }
        config
    }

    /// The same by the native program.
    fn native(&self, case: &Case) -> Result<Command> {
        self.forget("piped")?;
        let (source, destination) = (
            self.folder.join("source.json"),
            self.folder.join("destination.json"),
        );
        let config = self.config("format", case.format, false);
        write(&source, config.to_string())?;
        let config = self.config("schema", "piped", false);
        write(&destination, config.to_string())?;
        let mut run = self.server.command(&self.native.to_string_lossy());
        run.args(["postgres", case.table])
            .arg(source)
            .arg(destination);
        Ok(run)
    }

    /// The same by two `psql` and a pipe.
    pub(super) fn pipe(&self, case: &Case) -> Result<Command> {
        self.forget("piped")?;
        let table = case.table;
        self.server
            .sql(&format!("create table piped.{table} (like public.{table})"))?;
        let script = format!(
            "set -e; \"$PSQL\" -Xqc 'copy public.{table} to stdout (format binary)' \
             | \"$PSQL\" -Xqc 'copy piped.{table} from stdin (format binary)'"
        );
        let mut shell = self.server.command("sh");
        shell.args(["-c", &script]);
        Ok(shell)
    }

    /// Rows are the same whatever their order if their hashes add up.
    fn check_same_rows(&self, case: &Case) -> Result<()> {
        let table = case.table;
        let sum = |schema: &str| {
            self.server.sql(&format!(
                "select count(*), sum(hashtextextended(t::text, 0)::numeric) from {schema}.{table} t"
            ))
        };
        let (source, raw, piped) = (sum("public")?, sum("raw")?, sum("piped")?);
        if source == raw && source == piped {
            return Ok(());
        }
        Err(Error::unmet(format!(
            "{}: {source} of the source became {raw} by vesicle, {piped} by the other",
            case.name
        )))
    }
}
