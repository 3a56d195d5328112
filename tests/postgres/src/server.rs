//! One server: its folder, its process, its end.
//!
//! Invariants: the process and the folder end with the [`Server`], and with
//! the process that holds it, however that ends; the folder outlives the
//! process, so that a server that was killed can be started again on its data.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::certificate;
use crate::cluster::{self, Options};
use crate::programs::Programs;

/// How long a server may take to start, or to recover, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stays beside the server, which takes the place of the shell, and waits for
/// a line. If the end comes instead, the test is dead, and the server and its
/// folder go too.
const WATCHED: &str = r#"
exec 3<&0
( if ! read -r line <&3; then
    kill -QUIT $$
    while kill -0 $$; do sleep 0.1; done
    rm -rf "$FOLDER"
  fi ) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// A running server. It is gone when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    port: u16,
    password: String,
    programs: Programs,
    folder: TempDir,
}

#[derive(Debug)]
struct Process {
    child: Child,
    watchdog: ChildStdin,
}

/// Statements that are being carried out. Dropped, their client is gone; the
/// server learns of it when it next speaks to it.
#[derive(Debug)]
pub struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// The superuser.
    pub const SUPERUSER: &'static str = "postgres";
    /// The database to start with.
    pub const DATABASE: &'static str = "postgres";

    /// Makes a cluster and starts it: one to three seconds.
    ///
    /// It speaks UTF-8, sorts by bytes, has `wal_level = logical`, and does
    /// not wait for disks: it survives being killed, not a loss of power.
    ///
    /// # Panics
    ///
    /// Where PostgreSQL is not installed or does not start; the message says
    /// what to do, or what the server said.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let programs = Programs::find();
        let folder = tempfile::Builder::new()
            .prefix("vesicle-postgres-")
            .tempdir()
            .expect("a folder for temporary files can be written to");
        let password = random_word();
        cluster::own(&programs, folder.path());
        cluster::make(&programs, folder.path(), &options, &password);
        let mut server = Self {
            process: None,
            port: 0,
            password,
            programs,
            folder,
        };
        // Between finding a free port and listening on it, another may take it.
        let mut refused = String::new();
        for _ in 0..5 {
            server.port = free_port();
            match server.launch() {
                Ok(()) => return server,
                Err(reason) => refused = reason,
            }
        }
        panic!("PostgreSQL does not start: {refused}");
    }

    /// The port, on 127.0.0.1 alone.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The certificate, in PEM, of the authority that vouches for the server's.
    /// There is none where the server has no TLS.
    #[must_use]
    pub fn root_certificate(&self) -> PathBuf {
        self.folder.path().join(certificate::ROOT)
    }

    /// Where the superuser gets in, as a URL with the password.
    #[must_use]
    pub fn url(&self) -> String {
        let (user, database) = (Self::SUPERUSER, Self::DATABASE);
        format!(
            "postgres://{user}:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// The path of the `psql` that comes with the server.
    #[must_use]
    pub fn path_of_psql(&self) -> PathBuf {
        self.programs.path("psql")
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs statements as the superuser, through `psql`, and returns what they
    /// print: a line a row, columns apart by `|`, no headings.
    ///
    /// # Panics
    ///
    /// Where a statement fails, with what the server said.
    pub fn sql(&self, statements: &str) -> String {
        match self.try_sql(statements) {
            Ok(printed) => printed,
            Err(said) => panic!("{statements}: {said}"),
        }
    }

    /// As [`Server::sql`], for statements that may fail.
    ///
    /// # Errors
    ///
    /// What `psql` said.
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        self.psql(Self::DATABASE, &[], statements)
    }

    /// As [`Server::try_sql`], in another database. NULL is printed as `NULL`.
    ///
    /// # Errors
    ///
    /// What `psql` said.
    pub fn try_sql_in(&self, database: &str, statements: &str) -> Result<String, String> {
        self.psql(database, &["-P", "null=NULL"], statements)
    }

    /// Begins to run statements, through a `psql` that is gone when what this
    /// returns is dropped. The session is called `background`.
    ///
    /// # Panics
    ///
    /// Where `psql` does not start.
    #[must_use]
    pub fn begin_sql(&self, statements: &str) -> Background {
        let mut psql = self.psql_command(Self::DATABASE, &[], statements);
        psql.env("PGAPPNAME", "background")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Background(psql.spawn().expect("psql starts"))
    }

    fn psql(&self, database: &str, options: &[&str], statements: &str) -> Result<String, String> {
        let mut psql = self.psql_command(database, options, statements);
        let printed = psql.output().expect("psql starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if printed.status.success() {
            Ok(text(printed.stdout))
        } else {
            Err(text(printed.stderr))
        }
    }

    fn psql_command(&self, database: &str, options: &[&str], statements: &str) -> Command {
        let mut psql = self
            .programs
            .command(self.programs.path("psql"), self.folder.path());
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", Self::SUPERUSER, "-d", database])
            .args(options)
            .args(["-c", statements])
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::null());
        psql
    }

    /// Kills the server and all that belongs to it, as `kill -9` does. Does
    /// nothing where it does not run.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(Signal::KILL);
        }
    }

    /// Stops the server, letting nobody finish. Does nothing where it does not run.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(Signal::QUIT);
        }
    }

    /// Starts the server again on the same port and data, killing it first
    /// where it still runs; returns once it has recovered.
    ///
    /// # Panics
    ///
    /// Where it does not start, with what it said.
    pub fn restart(&mut self) {
        self.kill();
        // Until the last process of a server that was killed is gone, its
        // memory counts as in use.
        let deadline = Instant::now() + PATIENCE;
        while let Err(reason) = self.launch() {
            assert!(
                Instant::now() < deadline,
                "PostgreSQL does not start again: {reason}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts the process and waits until it answers.
    fn launch(&mut self) -> Result<(), String> {
        let folder = self.folder.path();
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(folder.join("log"))
            .expect("the log can be written to");
        let logged = self.log().len();
        let mut child = self
            .programs
            .command("/bin/sh", folder)
            .args(["-c", WATCHED, "sh"])
            .arg(self.programs.path("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-p", &self.port.to_string()])
            .env("FOLDER", folder)
            .env("LC_ALL", "C")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log)
            .spawn()
            .expect("/bin/sh starts");
        let watchdog = child.stdin.take().expect("it was asked for");
        self.process = Some(Process { child, watchdog });

        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            let ended = match &mut self.process {
                Some(process) => process.child.try_wait().expect("it is our child"),
                None => None,
            };
            if ended.is_some() || Instant::now() > deadline {
                self.stop();
                let log = self.log();
                return Err(log.get(logged..).unwrap_or(&log).trim().to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        // The port may be somebody else's: this file is written by our own
        // server alone, once it listens on the port and has recovered.
        let state = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        let pid = self.process.as_ref().map(|process| process.child.id());
        state.is_ok_and(|state| {
            let mut lines = state.lines();
            lines.next().and_then(|pid| pid.parse().ok()) == pid
                && lines.nth(6).is_some_and(|status| status.trim() == "ready")
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // One that was killed leaves a segment of shared memory, whose key and
        // id are in its file. Where it cannot be removed, it is a small one.
        let state = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        let state = state.unwrap_or_default();
        let segment = state.lines().nth(6).unwrap_or_default();
        if let Some(id) = segment.split_whitespace().nth(1) {
            let mut remove = self.programs.command("ipcrm", self.folder.path());
            let _ = remove.args(["-m", id]).stderr(Stdio::null()).status();
        }
    }
}

impl Process {
    fn end(mut self, signal: Signal) {
        // The watchdog need not wait any longer. Where it is gone, nobody listens.
        let _ = self.watchdog.write_all(b"leave\n");
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let workers = children(pid);
            // Signals to those that have gone already go nowhere.
            let _ = kill_process(pid, signal);
            if signal == Signal::KILL {
                for worker in workers {
                    let _ = kill_process(worker, signal);
                }
            }
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that a server has started. Where the system does not tell,
/// they end by themselves soon after the server.
fn children(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    listed
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| Pid::from_raw(child.parse().ok()?))
        .collect()
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has free ports")
        .port()
}

fn random_word() -> String {
    let mut bytes = [0; 12];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .expect("the system has random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
