//! Processes that do not outlive the test, and what they left.

use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long anything may take, on a machine that has other things to do, before
/// the test gives it up.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A tick of the clock in `/proc/PID/stat`: USER_HZ is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that a process has used, its threads of the past included.
pub fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u32>().unwrap();
    TICK * (ticks(11) + ticks(12))
}

/// A process in a group of its own. The group is killed when this is dropped.
pub struct Running {
    child: Child,
    stdout: Printed,
    stderr: Printed,
}

/// What a process prints, as it comes.
struct Printed {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Printed {
    fn collect(mut from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}

impl Running {
    /// Starts a process.
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = Printed::collect(child.stdout.take().unwrap());
        let stderr = Printed::collect(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has used, its threads of the past included.
    pub fn processor_time(&self) -> Duration {
        processor_time(self.id())
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends a signal to the process that this one has started.
    pub fn signal_child(&self, signal: Signal) {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap();
        let child = children
            .split_whitespace()
            .next()
            .expect("it has started a process");
        kill_process(Pid::from_raw(child.parse().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits until it has said something on stderr.
    #[track_caller]
    pub fn wait_until_said(&mut self, text: &str) {
        let start = Instant::now();
        while !self.stderr.so_far().contains(text) {
            assert!(
                !self.has_ended(),
                "it ended without {text:?}: {}",
                self.stderr.so_far()
            );
            assert!(start.elapsed() < PATIENCE, "it does not say {text:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has stopped, by a signal.
    #[track_caller]
    pub fn wait_until_stopped(mut self) -> Self {
        let stat = format!("/proc/{}/stat", self.id());
        let is_stopped = || {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_some_and(|(_, state)| state.starts_with('T'))
        };
        assert!(self.wait_until(is_stopped), "it does not stop");
        self
    }

    /// Waits for something to come true, and says whether it did before the
    /// process ended.
    pub fn wait_until(&mut self, mut what: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while !what() {
            if self.has_ended() {
                return what();
            }
            assert!(start.elapsed() < PATIENCE, "it does not come about");
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let start = Instant::now();
        while !self.has_ended() {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.child.wait().unwrap();
        Ended {
            status,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }

    /// Kills the process, and says what was left.
    pub fn kill(self) -> Ended {
        self.signal(Signal::KILL);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, as a rule; a zombie can still be signalled.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What a process left.
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl std::fmt::Debug for Ended {
    /// Without the report's long tables.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = self.stdout.clone();
        if let Ok(mut report) = serde_json::from_str::<serde_json::Value>(&shown) {
            if let Some(report) = report.as_object_mut() {
                report.remove("audit");
            }
            shown = report.to_string();
        }
        write!(
            f,
            "{}\nstdout: {shown}\nstderr: {}",
            self.status, self.stderr
        )
    }
}

impl Ended {
    /// Whether it was killed.
    pub fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }

    /// Makes sure that it ended with a code.
    #[track_caller]
    pub fn expect_exit(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Makes sure that it was killed.
    #[track_caller]
    pub fn expect_killed(self) -> Self {
        assert!(self.was_killed(), "{self:#?}");
        self
    }

    /// Makes sure that it said something on stderr.
    #[track_caller]
    pub fn expect_said(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "it does not say {text:?}: {self:#?}"
        );
        self
    }

    /// The report that it printed.
    #[track_caller]
    pub fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// A figure of the first stream in the report.
    #[track_caller]
    pub fn figure(&self, name: &str) -> u64 {
        let report = self.report();
        report["streams"][0][name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name}: {report:#}"))
    }
}
