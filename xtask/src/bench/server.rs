//! A PostgreSQL server that lasts as long as a bench.
//!
//! Invariant: it ends with its [`Server`], and with this program.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::arguments::Profile;
use crate::command;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// The program that starts it, of the crate `tests/postgres`.
const PROGRAM: &str = "throwaway-postgres";

/// What the server is set to: as one is that keeps what it has committed, with
/// room enough that no checkpoint falls into a run.
const SETTINGS: [&str; 4] = [
    "fsync=on",
    "shared_buffers=512MB",
    "max_wal_size=16GB",
    "checkpoint_timeout=1h",
];

/// A running server.
pub struct Server {
    process: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// That of the user `postgres`.
    pub password: String,
    psql: PathBuf,
}

impl Server {
    /// Starts it.
    pub fn start(tree: &Tree) -> Result<Self> {
        let program = tree.binaries(Profile::Release).join(PROGRAM);
        let mut command = Command::new(&program);
        command.args(SETTINGS);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let not_started = |error| Error::NotStarted {
            program: PROGRAM.to_owned(),
            error,
        };
        let mut process = command.spawn().map_err(not_started)?;
        let said = process.stdout.take().map(BufReader::new);
        let lines: Vec<_> = said
            .into_iter()
            .flat_map(|said| said.lines().take(3))
            .collect::<std::io::Result<_>>()
            .map_err(not_started)?;
        let mut lines = lines.into_iter();
        let (Some(port), Some(password), Some(psql)) = (
            lines.next().and_then(|port| port.parse().ok()),
            lines.next(),
            lines.next(),
        ) else {
            let message = "the bench needs a PostgreSQL server of its own, and there is none";
            return Err(Error::unmet(message));
        };
        Ok(Self {
            process,
            port,
            password,
            psql: psql.into(),
        })
    }

    /// A command with the environment that `psql` connects by.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", "postgres")
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .env("PSQL", &self.psql);
        command
    }

    /// Where the superuser gets in, with what follows the database.
    pub fn url(&self, database: &str, parameters: &str) -> String {
        format!(
            "postgres://postgres:{}@127.0.0.1:{}/{database}{parameters}",
            self.password, self.port
        )
    }

    /// What statements print: columns apart by `|`, no headings.
    pub fn sql(&self, statements: &str) -> Result<String> {
        self.sql_in("postgres", statements)
    }

    /// The same in another database.
    pub fn sql_in(&self, database: &str, statements: &str) -> Result<String> {
        let mut psql = self.command(&self.psql.to_string_lossy());
        psql.env("PGDATABASE", database);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command::output(psql.args(["-c", statements]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Where it cannot be waited for, it is gone.
        let _ = self.process.wait();
    }
}
