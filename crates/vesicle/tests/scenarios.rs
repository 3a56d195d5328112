//! What users see: each folder under `tests/scenarios` is a session at a
//! prompt, with a document and data that are wrong in a way users get wrong.
//!
//! A scenario has a file `transcript`:
//!
//! ```text
//! # What this shows.
//! $ vesicle check pipeline.yaml
//! ! pipeline.yaml:2:1: unknown key "pipline"; did you mean "pipeline"?
//! [exit 3]
//! ```
//!
//! Lines that begin with `$` are commands for `sh`, run one after another in a
//! copy of the folder; `vesicle` is the binary under test. What they print
//! stands below them: stdout behind two spaces, then stderr behind `!`, then
//! the exit code unless it is 0. Control characters are escaped, as `\t`. Lines
//! that begin with `#` say what is shown; the first line is one.
//!
//! A folder with a file `postgres.sql` gets a database of its own, made by the
//! statements in that file; [`scenario::database`] says how a transcript and its
//! documents reach it.
//!
//! What differs from run to run is replaced, as [`scenario::volatile`] says.
//!
//! - `BLESS=1` writes transcripts anew. Read them before you keep them.
//! - `SCENARIO=csv` runs only the scenarios whose names contain `csv`.
//!
//! Where the tests run as root, commands are run without root's right to
//! ignore the modes of files, so that they see what any user sees.

#![allow(clippy::unwrap_used)]

mod common;
mod scenario;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use scenario::Scenario;
use scenario::database::Databases;

/// How many scenarios run at a time.
const THREADS: usize = 2;
/// How many scenarios there are at least.
const LEAST: usize = 36;

#[test]
fn every_session_reads_as_its_transcript_says() {
    let folder = common::root().join("tests/scenarios");
    let names = common::list(&folder);
    assert!(
        names.len() >= LEAST,
        "{} has {} scenarios",
        folder.display(),
        names.len()
    );
    let wanted = std::env::var("SCENARIO").unwrap_or_default();
    let scenarios: Vec<_> = names
        .iter()
        .filter(|name| name.contains(&wanted))
        .map(|name| Scenario::new(&folder.join(name)))
        .collect();
    assert!(
        !scenarios.is_empty(),
        "no scenario has {wanted:?} in its name"
    );
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");

    let databases = Databases::default();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = scenario.play(&databases, bless) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });

    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(
        failures.is_empty(),
        "{} of {} scenarios read otherwise; BLESS=1 writes them anew\n\n{}",
        failures.len(),
        scenarios.len(),
        failures.join("\n")
    );
}
