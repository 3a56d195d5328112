//! Cells under the command line: their streams, statuses and ends, and how they are
//! listed and killed.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a cell may take to end that was told to.
const SOON: Duration = Duration::from_secs(1);

fn guest(name: &str) -> PathBuf {
    let path = Path::new(common::BINARY).with_file_name("test-components");
    let path = path.join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is missing; run: cargo xtask build",
        path.display()
    );
    path
}

/// Where nobody else registers cells.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        Self(common::folder())
    }

    fn vesicle(&self, arguments: &[&str]) -> Command {
        let mut command = common::vesicle();
        command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The guest that does what its arguments say.
    fn act(&self, words: &[&str]) -> Command {
        let mut command = self.vesicle(&["run"]);
        command.arg(guest("cell-acts")).args(words);
        command
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.vesicle(arguments).output().unwrap()
    }

    fn listed(&self) -> serde_json::Value {
        let output = self.ask(&["ps", "--output", "json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn register(&self) -> PathBuf {
        self.0.path().join("vesicle/cells")
    }

    /// Starts a cell, and returns when it is listed.
    fn start(&self, mut command: Command) -> Cell {
        let child = Cell(command.spawn().unwrap());
        let start = Instant::now();
        let is_listed = || {
            let prefix = format!("{}-", child.0.id());
            let names = common::list(&self.register());
            names.iter().any(|name| name.starts_with(&prefix))
        };
        while !is_listed() {
            assert!(
                start.elapsed() < common::child::PATIENCE,
                "it is not listed"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }
}

/// A cell that does not outlive its test.
struct Cell(Child);

impl Cell {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn id(&self) -> String {
        self.0.id().to_string()
    }

    /// Its status; it has ended soon.
    #[track_caller]
    fn ends_soon(&mut self) -> ExitStatus {
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

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_status_of_a_cell_is_that_of_the_command() {
    let host = Host::new();
    for (words, status) in [
        (&["code", "0"][..], 0),
        // The standard library tells of failure, not of its number.
        (&["code", "7"], 1),
        (&["fail"], 1),
        (&["panic"], 125),
    ] {
        let output = host.act(words).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{words:?}: {}",
            said(&output)
        );
    }
    let mut late = host.vesicle(&["run", "--time", "1"]);
    let output = late.arg(guest("cell-acts")).arg("spin").output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(said(&output).contains("out of time"), "{}", said(&output));
}

#[test]
fn a_cell_that_cannot_start_says_why() {
    let host = Host::new();
    let pid0 = Path::new(common::BINARY).with_file_name("images/pid0");
    let mut command = host.vesicle(&["run", "--grant", "read=."]);
    let output = command.arg(pid0).output().unwrap();
    assert_eq!(output.status.code(), Some(126), "{}", said(&output));
    let why = "a folder and a tree cannot both be the guest's root";
    assert!(said(&output).contains(why), "{}", said(&output));
}

#[test]
fn what_is_no_component_of_a_cell_does_not_run() {
    let host = Host::new();
    let output = host.vesicle(&["run"]).arg(guest("echo")).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
}

#[test]
fn input_and_output_pass_through_a_cell_without_loss() {
    let host = Host::new();
    let bytes: Vec<u8> = (0..10_u32 << 20).map(|at| (at % 251) as u8).collect();
    let mut child = host.act(&["cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let fed = std::thread::spawn({
        let bytes = bytes.clone();
        move || stdin.write_all(&bytes).unwrap()
    });
    let output = child.wait_with_output().unwrap();
    fed.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(output.stdout == bytes, "{} bytes", output.stdout.len());
}

#[test]
fn a_signal_ends_a_cell_that_spins() {
    let host = Host::new();
    for signal in [Signal::INT, Signal::TERM] {
        let mut cell = host.start(host.act(&["spin"]));
        cell.signal(signal);
        assert_eq!(cell.ends_soon().code(), Some(137));
    }
}

#[test]
fn a_signal_ends_a_cell_that_waits() {
    let host = Host::new();
    for words in [&["cat"][..], &["sleep", "3600000"]] {
        let mut command = host.act(words);
        let mut cell = host.start({
            command.stdin(Stdio::piped());
            command
        });
        cell.signal(Signal::INT);
        assert_eq!(cell.ends_soon().code(), Some(137), "{words:?}");
    }
}

#[test]
fn a_signal_ends_a_cell_with_its_children() {
    let host = Host::new();
    let own = guest("cell-bench");
    let folder = common::folder();
    let image = folder.path();
    fs::create_dir_all(image.join("bin")).unwrap();
    fs::copy(&own, image.join("bin/main.wasm")).unwrap();
    fs::copy(&own, image.join("own.wasm")).unwrap();
    let mut command = host.vesicle(&["run"]);
    command.arg(image).args(["--", "until-revoked"]);
    let mut cell = host.start(command);
    let mut lines = BufReader::new(cell.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    cell.signal(Signal::INT);
    assert_eq!(cell.ends_soon().code(), Some(137));
}

#[test]
fn a_signal_ends_a_cell_whose_output_nobody_takes() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["write-and-spin", "1000000"]));
    let mut first = [0];
    let stdout = cell.0.stdout.as_mut().unwrap();
    stdout.read_exact(&mut first).unwrap();
    cell.signal(Signal::INT);
    assert_eq!(cell.ends_soon().code(), Some(137));
}

#[test]
fn a_cell_ends_when_nobody_reads_its_output_any_more() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["write-and-spin", "10000000"]));
    let mut stdout = cell.0.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    assert_eq!(cell.ends_soon().code(), Some(141));
    let mut complaint = String::new();
    let mut stderr = cell.0.stderr.take().unwrap();
    stderr.read_to_string(&mut complaint).unwrap();
    assert_eq!(complaint, "");
}

#[test]
fn a_cell_is_listed_for_as_long_as_it_runs() {
    let host = Host::new();
    assert_eq!(host.listed(), serde_json::json!([]));
    let mut cell = host.start(host.act(&["spin"]));
    let listed = host.listed();
    assert_eq!(listed[0]["name"], "cell-acts.wasm", "{listed}");
    assert_eq!(listed[0]["pid"], cell.0.id());
    assert_eq!(listed[0]["what"][0], guest("cell-acts").to_str().unwrap());
    let mode = fs::metadata(host.register()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let text = String::from_utf8(host.ask(&["ps"]).stdout).unwrap();
    assert!(text.contains("cell-acts.wasm"), "{text}");
    cell.signal(Signal::TERM);
    cell.ends_soon();
    assert_eq!(common::list(&host.register()), Vec::<String>::new());
}

#[test]
fn a_cell_that_was_killed_hard_is_not_listed_and_leaves_nothing() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["spin"]));
    cell.0.kill().unwrap();
    cell.0.wait().unwrap();
    assert_eq!(common::list(&host.register()).len(), 1);
    assert_eq!(host.listed(), serde_json::json!([]));
    assert_eq!(common::list(&host.register()), Vec::<String>::new());
}

#[test]
fn kill_ends_a_cell_by_name_or_process_and_returns_when_it_is_gone() {
    let host = Host::new();
    for by_name in [true, false] {
        let mut cell = host.start(host.act(&["spin"]));
        let which = if by_name {
            "cell-acts.wasm".to_owned()
        } else {
            cell.id()
        };
        // Its status is waited for, so that it is gone wholly.
        let waiting = std::thread::spawn(move || cell.0.wait().unwrap());
        let output = host.ask(&["kill", &which]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.ends_with("has ended\n"), "{told}");
        assert_eq!(waiting.join().unwrap().code(), Some(137));
        assert_eq!(host.listed(), serde_json::json!([]));
    }
}

#[test]
fn kill_names_what_was_meant_and_does_not_choose() {
    let host = Host::new();
    let first = host.start(host.act(&["spin"]));
    let output = host.ask(&["kill", "cell-act.wasm"]);
    assert_eq!(output.status.code(), Some(6));
    let expected = "did you mean \"cell-acts.wasm\"?";
    assert!(said(&output).contains(expected), "{}", said(&output));
    let second = host.start(host.act(&["spin"]));
    let output = host.ask(&["kill", "cell-acts.wasm"]);
    assert_eq!(output.status.code(), Some(6));
    for cell in [&first, &second] {
        assert!(said(&output).contains(&cell.id()), "{}", said(&output));
    }
    assert_eq!(host.listed().as_array().unwrap().len(), 2);
}

#[test]
fn a_process_that_has_the_number_of_a_cell_s_is_not_hit() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["spin"]));
    let mut other = Cell(Command::new("sleep").arg("3600").spawn().unwrap());
    let entry = host.register().join(&common::list(&host.register())[0]);
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&entry).unwrap()).unwrap();
    let start = text["start"].as_u64().unwrap();
    text["pid"] = other.0.id().into();
    let forged = host.register().join(format!("{}-{start}", other.0.id()));
    fs::write(&forged, text.to_string()).unwrap();
    let output = host.ask(&["kill", &other.id()]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(other.0.try_wait().unwrap().is_none());
    assert!(!forged.exists());
    assert!(cell.0.try_wait().unwrap().is_none());
}

#[test]
fn what_is_no_cell_s_file_is_told_and_ignored() {
    let host = Host::new();
    let cell = host.start(host.act(&["spin"]));
    let entry = host.register().join(&common::list(&host.register())[0]);
    fs::write(host.register().join("garbage"), "garbage").unwrap();
    fs::copy(&entry, host.register().join("1-1")).unwrap();
    fs::write(host.register().join("large"), vec![b' '; 1 << 20]).unwrap();
    fs::create_dir(host.register().join("folder")).unwrap();
    std::os::unix::fs::symlink(&entry, host.register().join("link")).unwrap();
    let output = host.ask(&["ps", "--output", "json"]);
    for name in ["garbage", "1-1", "large", "folder", "link"] {
        let line = format!("cells/{name} is ignored");
        assert!(said(&output).contains(&line), "{name}: {}", said(&output));
    }
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["pid"], cell.0.id());
}

#[test]
fn a_register_that_others_may_use_is_not_believed() {
    let host = Host::new();
    let _cell = host.start(host.act(&["spin"]));
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(host.register(), open).unwrap();
    let output = host.ask(&["ps"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(said(&output).contains("chmod 700"), "{}", said(&output));
}
