//! Cells that Ctrl-C and SIGTERM end in the middle of something: within a second,
//! with the status that shells give to such an end, and with all that they have
//! started.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::cells::{Cell, Host, guest};
use common::child::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A signal, the status that it ends with, and the word for it.
const SIGNALS: [(Signal, i32, &str); 2] = [
    (Signal::INT, 130, "interrupted"),
    (Signal::TERM, 143, "terminated"),
];

/// A command that does one thing, in the engine's text.
fn component(body: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $exported (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exported)))"#
    ))
    .unwrap()
}

fn spins() -> Vec<u8> {
    component("(loop (br 0)) (i32.const 0)")
}

/// A folder with a component at each of some paths.
fn layer(components: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = common::folder();
    for (path, wasm) in components {
        let file = folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, wasm).unwrap();
    }
    folder
}

#[test]
fn a_signal_ends_a_cell_that_spins() {
    let host = Host::new();
    for (signal, status, says) in SIGNALS {
        let mut cell = host.start(host.act(&["spin"]));
        cell.signal(signal);
        assert_eq!(cell.ends_soon().code(), Some(status));
        assert_eq!(cell.said(), format!("error: cell-acts.wasm: {says}\n"));
        assert_eq!(common::list(&host.register()), Vec::<String>::new());
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
        cell.signal(Signal::TERM);
        assert_eq!(cell.ends_soon().code(), Some(143), "{words:?}");
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
    assert_eq!(cell.ends_soon().code(), Some(130));
}

#[test]
fn a_signal_ends_a_cell_whose_output_nobody_takes() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["write-and-spin", "1000000"]));
    let mut first = [0];
    let stdout = cell.0.stdout.as_mut().unwrap();
    stdout.read_exact(&mut first).unwrap();
    cell.signal(Signal::INT);
    assert_eq!(cell.ends_soon().code(), Some(130));
}

#[test]
fn a_signal_ends_a_cell_that_waits_for_a_child_that_spins() {
    let host = Host::new();
    let pid0 = Path::new(common::BINARY).with_file_name("images/pid0");
    let layer = layer(&[("usr/lib/child-echo.wasm", spins())]);
    for (signal, status, _) in SIGNALS {
        let mut command = host.vesicle(&["run"]);
        command.arg(&pid0).arg(layer.path());
        let mut cell = host.start(command);
        // What compiles it takes less.
        cell.spends(Duration::from_secs(2));
        cell.signal(signal);
        assert_eq!(cell.ends_soon().code(), Some(status));
        assert_eq!(host.listed(), serde_json::json!([]));
    }
}

#[test]
fn a_signal_ends_an_image_with_its_services() {
    let host = Host::new();
    let layer = layer(&[
        ("bin/main.wasm", fs::read(guest("cell-acts")).unwrap()),
        ("svc/busy/bin/main.wasm", spins()),
        ("svc/busy/svc/below/bin/main.wasm", spins()),
        ("svc/failing/bin/main.wasm", component("unreachable")),
    ]);
    for (signal, status, says) in SIGNALS {
        let mut command = host.vesicle(&["run"]);
        command
            .arg(layer.path())
            .args(["--", "cat"])
            .stdin(Stdio::piped());
        let mut cell = host.start(command);
        let mut lines = BufReader::new(cell.0.stderr.take().unwrap()).lines();
        // It waits to be started again.
        let again = "it is started again in 800 ms";
        assert!(lines.any(|line| line.unwrap().ends_with(again)));
        cell.signal(signal);
        assert_eq!(cell.ends_soon().code(), Some(status));
        let rest: Vec<_> = lines.map(Result::unwrap).collect();
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert!(rest[0].ends_with(says), "{rest:?}");
        assert_eq!(common::list(&host.register()), Vec::<String>::new());
    }
}

/// A cell whose standard streams are a terminal of its own.
struct Terminal {
    /// What holds the terminal, and ends with the status of what ran in it.
    outside: Cell,
    /// The process of the cell.
    cell: Pid,
    /// What the terminal shows.
    screen: BufReader<ChildStdout>,
}

impl Terminal {
    fn open(host: &Host) -> Self {
        let mut inside = host.act(&["cat"]);
        inside.stdin(Stdio::inherit());
        let words: Vec<_> = [inside.get_program()]
            .into_iter()
            .chain(inside.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let mut command = Command::new("script");
        let line = format!("exec {}", words.join(" "));
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.envs(inside.get_envs().filter_map(|(name, to)| Some((name, to?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut outside = Cell(command.spawn().unwrap());
        let begun = Instant::now();
        let cell = loop {
            assert!(begun.elapsed() < PATIENCE, "it is not listed");
            if let Some(pid) = host.listed()[0]["pid"].as_i64() {
                break Pid::from_raw(pid as i32).unwrap();
            }
        };
        let screen = BufReader::new(outside.0.stdout.take().unwrap());
        Self {
            outside,
            cell,
            screen,
        }
    }

    fn types(&mut self, keys: &str) {
        let stdin = self.outside.0.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
    }

    fn shows(&mut self) -> String {
        let mut line = String::new();
        self.screen.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[test]
fn a_cell_that_reads_the_terminal_ends_by_ctrl_c_there_and_by_a_signal() {
    let host = Host::new();
    for by_key in [true, false] {
        let mut terminal = Terminal::open(&host);
        terminal.types("hello\n");
        // Once as it is typed, and once by the cell.
        assert_eq!(terminal.shows(), "hello");
        assert_eq!(terminal.shows(), "hello");
        // A line that is not ended is not read.
        terminal.types("wo");
        let (status, says) = match by_key {
            true => {
                terminal.types("\x03");
                (130, "interrupted")
            }
            false => {
                kill_process(terminal.cell, Signal::TERM).unwrap();
                (143, "terminated")
            }
        };
        assert_eq!(terminal.outside.ends_soon().code(), Some(status));
        let mut rest = String::new();
        terminal.screen.read_to_string(&mut rest).unwrap();
        let last = format!("error: cell-acts.wasm: {says}\r\n");
        assert!(rest.contains(&last), "{rest:?}");
        assert_eq!(host.listed(), serde_json::json!([]));
    }
}

#[test]
fn a_signal_ends_a_cell_that_is_still_compiled() {
    let host = Host::new();
    let cache = common::folder();
    for (signal, status, _) in SIGNALS {
        let mut command = host.act(&["write-and-spin", "1"]);
        command.env("VESICLE_CACHE", cache.path().join("of its own"));
        let mut cell = Cell(command.spawn().unwrap());
        cell.spends(Duration::from_millis(300));
        assert_eq!(host.listed()[0]["pid"], cell.0.id());
        cell.signal(signal);
        assert_eq!(cell.ends_soon().code(), Some(status));
        let mut written = String::new();
        let mut stdout = cell.0.stdout.take().unwrap();
        stdout.read_to_string(&mut written).unwrap();
        assert_eq!(written, "", "it ran already");
    }
}
