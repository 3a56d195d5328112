//! Others that move a table from PostgreSQL to PostgreSQL, and Vesicle, each
//! over the same pipe of two `psql`, from one database of a server to another.
//!
//! What others need is installed under `target/bench/peers` (and pgcopydb by
//! Debian's packages, as root). One that cannot be installed is said not to be
//! measured, with the reason; it does not end the bench.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::duel::{Duel, Side};
use super::figures::Figure;
use super::postgres::{Baseline, CASES, Postgres, ROWS};
use crate::command::{self, heading, succeeds};
use crate::error::{Error, Result};
use crate::files::{make_folder, remove_folder, write};
use crate::tree::Tree;

/// No more runs than these of each: some take half a minute.
const RUNS: usize = 3;

/// What is installed for those from PyPI; versions are part of a figure.
const PACKAGES: [&str; 7] = [
    "sling-linux-amd64==1.4.11",
    "dlt[postgres]==1.31.0",
    "connectorx==0.4.6",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
    "sqlalchemy==2.1.9",
    "psycopg2-binary==2.9.13",
];

/// What dlt is asked to do: the source, the target and a folder to work in.
const DLT: &str = r#"
import sys
import dlt
from dlt.sources.sql_database import sql_table
source, target, folder = sys.argv[1:]
table = sql_table(credentials=source, table="bench", schema="public", backend="connectorx")
destination = dlt.destinations.postgres(credentials=target)
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="peer", pipelines_dir=folder)
pipeline.run(table, write_disposition="replace").raise_on_failed_jobs()
"#;

/// Measures all of them.
pub fn measure(tree: &Tree, runs: usize) -> Result<Vec<Figure>> {
    let runs = runs.min(RUNS);
    let bench = Postgres::prepare(tree)?;
    bench.make_table("bench", ROWS)?;
    let mut figures = Vec::new();
    for case in CASES.iter().filter(|case| case.baseline == Baseline::Pipe) {
        figures.extend(bench.compare(case, runs)?);
    }
    let folder = tree.target.join("bench/peers");
    make_folder(&folder)?;
    let peers = Peers {
        bench: &bench,
        folder: folder.clone(),
    };
    match has_pgcopydb() {
        Ok(()) => figures.extend(peers.compare("pgcopydb 0.10", peers.pgcopydb(), runs)?),
        Err(reason) => eprintln!("pgcopydb is NOT MEASURED: {reason}"),
    }
    match install(&folder) {
        Ok(python) => {
            figures.extend(peers.compare("sling 1.4.11", peers.sling(&python), runs)?);
            let name = "dlt 1.31.0 with connectorx";
            figures.extend(peers.compare(name, peers.dlt(&python), runs)?);
        }
        Err(reason) => eprintln!("sling and dlt are NOT MEASURED: {reason}"),
    }
    Ok(figures)
}

/// Makes the command of one run.
type Make<'a> = Box<dyn Fn() -> Result<Command> + 'a>;

struct Peers<'a> {
    bench: &'a Postgres,
    folder: PathBuf,
}

impl Peers<'_> {
    fn compare(&self, name: &'static str, make: Make<'_>, runs: usize) -> Result<Vec<Figure>> {
        let duel = Duel {
            case: name,
            subject: Side {
                name: "peer",
                prepare: Box::new(|| {
                    self.forget()?;
                    make()
                }),
            },
            baseline: Side {
                name: "COPY pipe",
                prepare: Box::new(|| self.bench.pipe(&CASES[0])),
            },
        };
        let figures = duel.fight(runs, &self.folder.join("log"))?;
        let count = "select count(*), sum(id) from";
        let wanted = self.bench.server.sql(&format!("{count} public.bench"))?;
        let found = ["public.bench", "peer.bench"].iter().find_map(|table| {
            let found = self
                .bench
                .server
                .sql_in("peer", &format!("{count} {table}"));
            found.ok()
        });
        if found.as_ref() == Some(&wanted) {
            return Ok(figures);
        }
        Err(Error::unmet(format!("{name}: {wanted} became {found:?}")))
    }

    /// An empty target, and nothing left of a run before.
    fn forget(&self) -> Result<()> {
        for statement in [
            "drop database if exists peer",
            "create database peer",
            "checkpoint",
        ] {
            self.bench.server.sql(statement)?;
        }
        // Others clone all there is in the source.
        self.bench
            .server
            .sql("drop schema if exists raw cascade; drop schema if exists piped cascade")?;
        remove_folder(&self.folder.join("work"))
    }

    fn pgcopydb(&self) -> Make<'_> {
        Box::new(|| {
            let mut run = Command::new("pgcopydb");
            run.args(["clone", "--table-jobs", "1", "--index-jobs", "1"]);
            run.args([
                "--source",
                &self.bench.server.url("postgres", "?sslmode=disable"),
            ]);
            run.args([
                "--target",
                &self.bench.server.url("peer", "?sslmode=disable"),
            ]);
            run.arg("--dir").arg(self.folder.join("work"));
            Ok(run)
        })
    }

    fn sling(&self, python: &Path) -> Make<'_> {
        let packages = python.join("lib");
        Box::new(move || {
            let find = "find \"$0\" -name sling-linux-amd64 -type f";
            let found = command::output(Command::new("sh").args(["-c", find]).arg(&packages))?;
            let mut run = Command::new(found.trim());
            run.args(["run", "--mode", "full-refresh"]);
            run.args([
                "--src-conn",
                &self.bench.server.url("postgres", "?sslmode=disable"),
            ]);
            run.args(["--src-stream", "public.bench", "--tgt-object", "peer.bench"]);
            run.args([
                "--tgt-conn",
                &self.bench.server.url("peer", "?sslmode=disable"),
            ]);
            run.env("SLING_DISABLE_TELEMETRY", "true");
            run.env("SLING_HOME_DIR", self.folder.join("work"));
            Ok(run)
        })
    }

    fn dlt(&self, python: &Path) -> Make<'_> {
        let program = python.join("bin/python");
        Box::new(move || {
            let script = self.folder.join("with_dlt.py");
            write(&script, DLT)?;
            let source = self.bench.server.url("postgres", "");
            let mut run = Command::new(&program);
            // Modules come from the environment, not from beside the script.
            run.arg("-P").arg(&script);
            run.arg(source.replacen("postgres:", "postgresql+psycopg2:", 1));
            run.arg(self.bench.server.url("peer", ""));
            run.arg(self.folder.join("work"));
            run.env("RUNTIME__DLTHUB_TELEMETRY", "false");
            Ok(run)
        })
    }
}

/// Installs what comes from PyPI; where it is.
fn install(folder: &Path) -> Result<PathBuf> {
    make_folder(folder)?;
    let python = folder.join("python");
    heading("installing sling and dlt");
    if !python.join("bin/pip").exists() {
        command::run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
    }
    let mut pip = Command::new(python.join("bin/pip"));
    command::run(pip.args(["install", "--quiet"]).args(PACKAGES))?;
    Ok(python)
}

fn has_pgcopydb() -> Result<()> {
    if succeeds(Command::new("pgcopydb").arg("--version")) {
        return Ok(());
    }
    heading("installing pgcopydb");
    command::run(Command::new("apt-get").args(["install", "-y", "-q", "pgcopydb"]))
}
