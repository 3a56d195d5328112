//! A pipeline from one schema of a PostgreSQL server to another.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use vesicle_test_postgres::{Options, Server};

use super::child::{Ended, Running};

/// A server with a database that asks for a password, and a folder with the
/// document of a pipeline from `public` to `raw`.
pub struct Tables {
    /// The server.
    pub server: Server,
    /// The folder.
    pub folder: TempDir,
}

impl Tables {
    /// A server with what some statements make.
    pub fn new(statements: &str) -> Self {
        let server = Server::start(Options::default());
        server.sql(statements);
        Self {
            server,
            folder: super::folder(),
        }
    }

    /// Writes the document: a stream, and how it is written.
    pub fn document(&self, stream: &str, mode: &str) {
        self.document_with(stream, mode, "");
    }

    /// Writes the document with more of the destination.
    pub fn document_with(&self, stream: &str, mode: &str, destination: &str) {
        let (port, password) = (self.server.port(), self.server.password());
        let server = format!(
            "host: 127.0.0.1, port: {port}, user: postgres, password: {password}, database: postgres"
        );
        let text = format!(
            "version: \"1.0\"\n\
             pipeline: tables\n\
             source:\n  use: source-postgres\n  config: {{ {server} }}\n  streams:\n    - {stream}\n\
             destination:\n  use: dest-postgres\n  config: {{ {server}, schema: raw }}\n  \
             write_mode: {mode}\n{destination}\
             state: {{ backend: sqlite, connection: state.db }}\n"
        );
        self.write(&text);
    }

    /// Writes any document.
    pub fn write(&self, text: &str) {
        self.write_to("pipeline.yaml", text);
    }

    /// Writes a file into the folder.
    pub fn write_to(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// A run, about to be started.
    pub fn command(&self) -> Command {
        let mut command = super::vesicle();
        command
            .args(["run", "pipeline.yaml", "--output", "json"])
            .current_dir(self.folder.path());
        command
    }

    /// Runs to the end.
    pub fn run(&self) -> Ended {
        Running::start(self.command()).wait()
    }

    /// Runs, which has to succeed.
    #[track_caller]
    pub fn complete(&self) -> Ended {
        self.run().expect_exit(0)
    }

    /// How many rows a query has.
    pub fn count(&self, query: &str) -> u64 {
        let count = self.server.sql(&format!("select count(*) from {query}"));
        count.parse().unwrap()
    }

    /// Makes sure that two tables have the same rows, each as often.
    #[track_caller]
    pub fn expect_equal(&self, left: &str, right: &str) {
        for (one, other) in [(left, right), (right, left)] {
            let missing = format!("(table {one} except all table {other}) missing");
            assert_eq!(
                self.count(&missing),
                0,
                "rows of {one} that {other} has not"
            );
        }
    }
}
