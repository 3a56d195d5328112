//! A PostgreSQL server that lives as long as a test.
//!
//! Invariants: it listens on the loopback only, on a port of its own; its data
//! lie in a folder that only its user may enter; both are gone afterwards, even
//! if the test panics. Where it cannot be started the test fails and says what
//! is missing.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use vesicle_postgres::catalog::{self, Column, Row};

pub struct Server {
    bin: PathBuf,
    folder: String,
    port: u16,
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} cannot be started ({error}): install postgresql and util-linux")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    output
}

/// The newest server's programs.
fn programs() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = installed
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort_by_key(|bin| {
        let version = bin
            .parent()
            .and_then(|it| it.file_name())
            .unwrap_or_default();
        version.to_string_lossy().parse::<u32>().unwrap_or(0)
    });
    found.pop().expect(
        "no PostgreSQL server in /usr/lib/postgresql/*/bin: install postgresql (14 or later)",
    )
}

/// A command as a user who is not root, which the server refuses to run as.
fn as_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let id = run(Command::new("id").arg("-u"));
    if id.stdout != b"0\n" {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command
        .args(["-u", "postgres", "--"])
        .arg(program)
        .current_dir("/");
    command
}

impl Server {
    pub fn start() -> Self {
        let bin = programs();
        let folder = run(as_user("mktemp").args(["-d", "-t", "vesicle-postgres-XXXXXXXX"])).stdout;
        let folder = String::from_utf8(folder).unwrap().trim().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        // From here on dropping it cleans up.
        let server = Self { bin, folder, port };
        let data = format!("{}/data", server.folder);
        run(as_user(server.bin.join("initdb")).args([
            "-D",
            &data,
            "-A",
            "trust",
            "-U",
            "vesicle",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]));
        let options = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c timezone=UTC",
            server.folder
        );
        let log = format!("{}/log", server.folder);
        run(as_user(server.bin.join("pg_ctl"))
            .args(["-D", &data, "-l", &log, "-w", "-s", "-o", &options, "start"])
            .stdout(Stdio::null()));
        server
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        let port = self.port.to_string();
        command.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
        ]);
        command.args(["-p", &port, "-U", "vesicle", "-d", "postgres"]);
        command.env("PGCLIENTENCODING", "UTF8");
        command
    }

    /// What psql prints for these statements.
    pub fn sql(&self, statements: &str) -> Vec<u8> {
        run(self.psql().args(["-c", statements])).stdout
    }

    pub fn text(&self, statements: &str) -> String {
        String::from_utf8(self.sql(statements)).unwrap()
    }

    /// What `\d` says of a table, but for its name.
    pub fn describe(&self, table: &str) -> String {
        self.text(&format!("\\d {table}")).replace(table, "TABLE")
    }

    /// What the server says to a COPY into the table: nothing if it took it.
    pub fn copy_in(&self, table: &str, stream: &[u8]) -> Result<(), String> {
        let mut child = self
            .psql()
            .args(["-c", &format!("COPY {table} FROM STDIN (FORMAT binary)")])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The server may have refused it half-way.
        let _ = child.stdin.take().unwrap().write_all(stream);
        let output = child.wait_with_output().unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    pub fn copy_out(&self, table: &str) -> Vec<u8> {
        self.sql(&format!("COPY {table} TO STDOUT (FORMAT binary)"))
    }

    /// The columns of a table, by the query that connectors send.
    pub fn columns(&self, table: &str) -> vesicle_postgres::Result<Vec<Column>> {
        let query = catalog::COLUMNS.replace("$1", &format!("'{table}'::regclass"));
        let query = format!(
            "SELECT \"column\", depth, not_null, generated, dimensions, oid, schema, name, kind, \
             declared, array_to_string(labels, E'\\x1d') || repeat(E'\\x1d', \
             (cardinality(labels) > 0)::int) FROM ({query}) AS it"
        );
        let output = run(self.psql().args(["-F", "\x1f", "-R", "\x1e", "-c", &query])).stdout;
        let output = String::from_utf8(output).unwrap();
        let rows: Vec<Row> = output
            .trim_end_matches('\n')
            .split('\x1e')
            .filter(|row| !row.is_empty())
            .map(row)
            .collect();
        catalog::columns(&rows)
    }
}

fn row(line: &str) -> Row {
    let fields: Vec<&str> = line.split('\x1f').collect();
    Row {
        column: fields[0].into(),
        depth: fields[1].parse().unwrap(),
        not_null: fields[2] == "t",
        generated: fields[3] == "t",
        dimensions: fields[4].parse().unwrap(),
        oid: fields[5].parse().unwrap(),
        schema: fields[6].into(),
        name: fields[7].into(),
        kind: fields[8].chars().next().unwrap(),
        declared: fields[9].into(),
        labels: fields[10]
            .split_terminator('\x1d')
            .map(String::from)
            .collect(),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = format!("{}/data", self.folder);
        // It may not have come up; what is left is reported by what follows.
        let _ = as_user(self.bin.join("pg_ctl"))
            .args(["-D", &data, "-m", "immediate", "-w", "-s", "stop"])
            .output();
        let _ = as_user("rm").args(["-rf", "--", &self.folder]).output();
    }
}
