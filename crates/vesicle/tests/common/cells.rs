//! Cells of the real command, in registers and caches of their own.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::BINARY;
use super::child::{PATIENCE, processor_time};

/// How long a cell may take to end that was told to.
pub const SOON: Duration = Duration::from_secs(1);

/// A component that only tests run.
pub fn guest(name: &str) -> PathBuf {
    let path = Path::new(BINARY).with_file_name("test-components");
    let path = path.join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is missing; run: cargo xtask build",
        path.display()
    );
    path
}

/// Where nobody else registers cells, or keeps layers and keys.
pub struct Host(TempDir);

impl Host {
    pub fn new() -> Self {
        Self(super::folder())
    }

    /// The command, about to be called.
    pub fn vesicle(&self, arguments: &[&str]) -> Command {
        let mut command = super::vesicle();
        command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", self.0.path())
            .env("XDG_CACHE_HOME", self.0.path().join("cache"))
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The guest that does what its arguments say.
    pub fn act(&self, words: &[&str]) -> Command {
        let mut command = self.vesicle(&["run"]);
        command.arg(guest("cell-acts")).args(words);
        command
    }

    /// What the command says.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.vesicle(arguments).output().unwrap()
    }

    /// What `vesicle ps` lists.
    pub fn listed(&self) -> serde_json::Value {
        let output = self.ask(&["ps", "--output", "json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The folder that cells have files in.
    pub fn register(&self) -> PathBuf {
        self.0.path().join("vesicle/cells")
    }

    /// The layers that were fetched.
    pub fn cache(&self) -> PathBuf {
        self.0.path().join("cache/vesicle/images")
    }

    /// Starts a cell, and returns when it is listed.
    pub fn start(&self, mut command: Command) -> Cell {
        let mut child = Cell(command.spawn().unwrap());
        let start = Instant::now();
        let prefix = format!("{}-", child.0.id());
        let is_listed = || {
            let names = super::list(&self.register());
            names.iter().any(|name| name.starts_with(&prefix))
        };
        while !is_listed() {
            assert!(child.0.try_wait().unwrap().is_none(), "{}", child.said());
            assert!(start.elapsed() < PATIENCE, "it is not listed");
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }
}

/// A cell that does not outlive its test.
pub struct Cell(pub Child);

impl Cell {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// The number of its process.
    pub fn id(&self) -> String {
        self.0.id().to_string()
    }

    /// Waits until it has used so much more of the processor.
    #[track_caller]
    pub fn spends(&mut self, time: Duration) {
        let (start, id) = (Instant::now(), self.0.id());
        let before = processor_time(id);
        while processor_time(id) < before + time {
            assert!(self.0.try_wait().unwrap().is_none(), "{}", self.said());
            assert!(start.elapsed() < PATIENCE, "it does nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it has said a line on stderr, and returns that.
    #[track_caller]
    pub fn says(&mut self) -> String {
        // Byte by byte: what follows is for whoever asks next.
        let stderr = self.0.stderr.as_mut().unwrap();
        let (mut line, mut byte) = (Vec::new(), [0]);
        while stderr.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        String::from_utf8(line).unwrap()
    }

    /// What it says on stderr until it has ended.
    pub fn said(&mut self) -> String {
        let mut said = String::new();
        let stderr = self.0.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }

    /// Its status; it has ended soon.
    #[track_caller]
    pub fn ends_soon(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < SOON, "it goes on");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // It has ended, as a rule.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command has said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
