//! The databases of scenarios: one each, on a server that all share.
//!
//! A scenario whose folder has a file `postgres.sql` gets a database that these
//! statements have set up. Its commands find it by the variables that every
//! program of PostgreSQL's knows: `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`
//! and `PGDATABASE`. In a transcript, `$ sql STATEMENTS` asks the database: all
//! that follows the word is SQL, and goes through no shell. It prints a line a
//! row, columns apart by `|`.
//!
//! Invariant: the server begins with the first scenario that needs it, and ends
//! with [`Databases`].

use std::sync::OnceLock;

use vesicle_test_postgres::{Options, Server};

use super::transcript::Outcome;

/// The server that scenarios share.
#[derive(Default)]
pub struct Databases(OnceLock<Server>);

/// The database of a scenario.
pub struct Database<'s> {
    server: &'s Server,
    name: String,
}

impl Databases {
    /// Makes the database of a scenario. The error is what the server said.
    pub fn make(&self, scenario: &str, statements: &str) -> Result<Database<'_>, String> {
        let server = self.0.get_or_init(|| {
            // Slots are the server's, and scenarios leave theirs behind.
            let settings = ["max_replication_slots", "max_wal_senders"];
            Server::start(Options {
                settings: settings.map(|name| (name.into(), "100".into())).into(),
                ..Options::default()
            })
        });
        let name = scenario.replace('-', "_");
        server.try_sql(&format!("create database \"{name}\""))?;
        server.try_sql_in(&name, statements)?;
        Ok(Database { server, name })
    }
}

impl Database<'_> {
    /// The server's port.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// What the commands of a scenario find in their environment.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", "127.0.0.1".into()),
            ("PGPORT", self.server.port().to_string()),
            ("PGUSER", Server::SUPERUSER.into()),
            ("PGPASSWORD", self.server.password().into()),
            ("PGDATABASE", self.name.clone()),
        ]
    }

    /// The answer to a command, if it is one for the database.
    pub fn answer(&self, command: &str) -> Option<Outcome> {
        let statements = command.strip_prefix("sql ")?;
        let (stdout, stderr, exit) = match self.server.try_sql_in(&self.name, statements) {
            Ok(printed) => (printed, String::new(), 0),
            Err(said) => (String::new(), said, 1),
        };
        Some(Outcome {
            stdout,
            stderr,
            exit,
        })
    }
}
