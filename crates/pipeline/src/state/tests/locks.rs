//! One process at a time.

use super::*;
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_pipeline_is_held_by_one_and_another_pipeline_is_free() {
    let fixture = Fixture::new();
    let lock = fixture.state.lock("p").unwrap();
    let other = fixture.another();
    let refused = other.lock("p").unwrap_err().to_string();
    let expected = format!(
        "pipeline p is being run by another process (process {}",
        std::process::id()
    );
    assert!(refused.starts_with(&expected), "{refused}");
    assert!(refused.contains(", since 2"), "{refused}");
    let _free = other.lock("q").unwrap();
    drop(lock);
    let _taken = other.lock("p").unwrap();
}

#[test]
fn of_many_threads_one_holds_the_lock_at_a_time() {
    let fixture = Fixture::new();
    let (holders, turns) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let Ok(_lock) = fixture.state.lock("p") else {
                        continue;
                    };
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    turns.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert!(turns.into_inner() > 0);
}

#[test]
fn a_reset_waits_for_nobody_and_refuses_while_the_pipeline_runs() {
    let (fixture, _) = Fixture::running();
    let _lock = fixture.state.lock("p").unwrap();
    assert!(matches!(
        fixture.state.reset("p", None),
        Err(StateError::Busy { .. })
    ));
    assert_eq!(fixture.state.list().unwrap().len(), 1);
}

/// The variable that makes [`holds_the_lock_for_the_test_below`] hold one.
const HOLD: &str = "VESICLE_TEST_HOLD_LOCK";

#[test]
fn holds_the_lock_for_the_test_below() {
    let Ok(name) = std::env::var(HOLD) else {
        return;
    };
    let state = Fixture::open(&name);
    let _lock = state.lock("p").unwrap();
    println!("it is held");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_process_that_is_killed_lets_go_of_its_lock() {
    let fixture = Fixture::new();
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::holds_the_lock_for_the_test_below");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(HOLD, fixture.name())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(
        said.any(|line| line.unwrap().contains("it is held")),
        "the other process does not take the lock"
    );
    let refused = fixture.state.lock("p").unwrap_err().to_string();
    assert!(
        refused.contains(&format!("(process {}", holder.id())),
        "{refused}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    // A server learns of it a moment later.
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(refused) = fixture.state.lock("p") {
        assert!(Instant::now() < deadline, "{refused}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn two_states_in_one_place_wait_for_each_other() {
    let (fixture, run) = Fixture::running();
    let other = fixture.another();
    other.claim("q", &json!({})).unwrap();
    let other_run = other.begin_run("q", &json!("out")).unwrap();
    other
        .begin_stream(&other_run.id, "s", None, Start::Afresh)
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=100).for_each(|sequence| fixture.commit(&run, sequence, "c")));
        scope.spawn(|| {
            (1..=100)
                .for_each(|sequence| other.commit(&receipt(&other_run, sequence, "c")).unwrap())
        });
    });
    assert_eq!(fixture.run(&run).rows, 1000);
    assert_eq!(other.show("q").unwrap().runs[0].rows, 1000);
}
