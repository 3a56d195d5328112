//! One process at a time.

use super::*;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_pipeline_is_held_by_one_and_another_pipeline_is_free() {
    let Fixture { state, folder } = Fixture::new();
    let lock = state.lock("p").unwrap();
    let other = SqliteState::open(&folder.path().join("state.db")).unwrap();
    let refused = other.lock("p").unwrap_err().to_string();
    let expected = format!(
        "pipeline p is being run by another process (process {}, since 2",
        std::process::id()
    );
    assert!(refused.starts_with(&expected), "{refused}");
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
    let Some(path) = std::env::var_os(HOLD) else {
        return;
    };
    let path = PathBuf::from(path);
    let _lock = SqliteState::open(&path).unwrap().lock("p").unwrap();
    std::fs::write(path.with_extension("held"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_process_that_is_killed_lets_go_of_its_lock() {
    let fixture = Fixture::new();
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::holds_the_lock_for_the_test_below");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name])
        .env(HOLD, fixture.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let held = fixture.path().with_extension("held");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !held.exists() {
        assert!(
            Instant::now() < deadline,
            "the other process does not take the lock"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let refused = fixture.state.lock("p").unwrap_err().to_string();
    assert!(
        refused.contains(&format!("(process {}, since", holder.id())),
        "{refused}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    let _lock = fixture.state.lock("p").unwrap();
}

#[test]
fn two_states_on_one_file_wait_for_each_other() {
    let (fixture, run) = Fixture::running();
    let other = SqliteState::open(&fixture.path()).unwrap();
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
