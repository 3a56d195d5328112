//! Kills runs at their n-th change of the disk, for every n.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::child::Running;
use super::root;
use super::small::Small;
use super::trace::wrap;

/// What a run did to the disk until it ended or was killed.
struct Changes {
    calls: Vec<String>,
    killed: bool,
}

/// Runs, and kills the run when it is about to change the disk for the n-th
/// time. `which` says what counts as a change: see `kill_at_call.py`.
fn run_until(small: &Small, which: &str, at: usize) -> Changes {
    let reports = super::folder();
    let report = reports.path().join("report.json");
    let mut python = Command::new("python3");
    python
        .arg(root().join("tests/faults/kill_at_call.py"))
        .arg(&report);
    python.args([which, &at.to_string()]);
    let ended = Running::start(wrap(python, &small.pipeline.command())).wait();
    let text = std::fs::read_to_string(&report).unwrap_or_else(|_| panic!("{ended:#?}"));
    let report: Value = serde_json::from_str(&text).unwrap();
    let calls = report["calls"].as_array().unwrap().iter();
    let changes = Changes {
        calls: calls
            .map(|call| call.as_str().unwrap().to_owned())
            .collect(),
        killed: report["killed"] == true,
    };
    ended.expect_exit(if changes.killed { 137 } else { 0 });
    changes
}

/// Kills a run at each of its changes of the disk and runs again: every row is
/// there once. Returns how many runs were killed.
pub fn kill_at_every(before: &Small, which: &str) -> usize {
    let undisturbed = run_until(&before.copy(), which, 0);
    assert!(!undisturbed.killed);
    let changes = undisturbed.calls.len();
    let (next, killed) = (AtomicUsize::new(1), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let small = before.copy();
                    let run = run_until(&small, which, at);
                    if !run.killed {
                        assert_eq!(small.seen(), small.all(), "{at}");
                        // Threads do not take the same steps each time.
                        assert!(
                            at + 10 > changes,
                            "it ended before change {at} of {changes}"
                        );
                        return;
                    }
                    killed.fetch_add(1, Ordering::SeqCst);
                    let what = format!("killed before change {at}: {}", run.calls[at - 1]);
                    small.check_crashed();
                    run_again(&small, &what);
                }
            });
        }
    });
    killed.into_inner()
}

/// Runs again, unless the killed run had nothing left to do but to go.
fn run_again(small: &Small, what: &str) {
    if small.seen() == small.all() && small.pipeline.last_status() == "completed" {
        small.pipeline.destination().expect_clean();
        return;
    }
    small.go_on(what);
}
