//! A table from PostgreSQL to PostgreSQL, over the fastest way there is
//! without a program in between: a `COPY … TO STDOUT` of one psql, piped into a
//! `COPY … FROM STDIN` of another, both in the binary form.
//!
//! One server is both ends, so that its work is the larger part of either
//! side's; what a process costs is what the client takes, without the server's.
//! `vesicle` also plans, stages, commits with its cursors, publishes and keeps
//! state, all of which counts. The target is not there before a run on either
//! side but for the empty table that the pipe needs.

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
const ROWS: u64 = 1_000_000;
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
struct Case {
    name: &'static str,
    table: &'static str,
    format: &'static str,
    parallelism: u32,
}

/// Those with the table of a million rows.
const CASES: [Case; 3] = [
    Case {
        name: "untouched",
        table: "bench",
        format: "auto",
        parallelism: 1,
    },
    Case {
        name: "by Arrow",
        table: "bench",
        format: "arrow",
        parallelism: 1,
    },
    Case {
        name: "untouched, 2 parts at once",
        table: "bench",
        format: "auto",
        parallelism: 2,
    },
];

/// The one that shows what the length of a table costs.
const LONG: Case = Case {
    name: "untouched, 10 times the rows",
    table: "long",
    format: "auto",
    parallelism: 1,
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
struct Postgres {
    server: Server,
    vesicle: PathBuf,
    folder: PathBuf,
    cache: PathBuf,
}

impl Postgres {
    fn prepare(tree: &Tree) -> Result<Self> {
        build::all(tree, Profile::Release)?;
        let folder = tree.target.join("bench/postgres");
        remove_folder(&folder)?;
        make_folder(&folder)?;
        Ok(Self {
            server: Server::start(tree)?,
            vesicle: tree.binaries(Profile::Release).join("vesicle"),
            folder,
            cache: tree.target.join("bench/cache"),
        })
    }

    fn make_table(&self, name: &str, rows: u64) -> Result<()> {
        let statements = TABLE
            .replace("NAME", name)
            .replace("ROWS", &rows.to_string());
        // A VACUUM stands alone.
        for statement in statements.split_inclusive(';') {
            self.server.sql(statement)?;
        }
        Ok(())
    }

    fn compare(&self, case: &Case, runs: usize) -> Result<Vec<Figure>> {
        let duel = Duel {
            case: case.name,
            subject: Side {
                name: "vesicle",
                prepare: Box::new(|| self.vesicle(case)),
            },
            baseline: Side {
                name: "COPY pipe",
                prepare: Box::new(|| self.pipe(case)),
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
        let server = json!({
            "host": "127.0.0.1", "port": self.server.port, "user": "postgres",
            "password": self.server.password, "database": "postgres",
        });
        let with = |name: &str, value: &str| {
            let mut config = server.clone();
            config[name] = Value::from(value);
            config
        };
        // JSON is YAML.
        let document = json!({
            "version": "1.0",
            "pipeline": "bench",
            "source": {
                "use": "source-postgres",
                "config": with("format", case.format),
                "streams": [{ "name": case.table, "sync_mode": "full_refresh" }],
            },
            "destination": {
                "use": "dest-postgres",
                "config": with("schema", "raw"),
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

    /// The same by two `psql` and a pipe.
    fn pipe(&self, case: &Case) -> Result<Command> {
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
            "{}: {source} of the source became {raw} by vesicle, {piped} by the pipe",
            case.name
        )))
    }
}
