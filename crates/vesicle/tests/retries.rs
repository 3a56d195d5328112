//! Typed errors drive bounded retries: what says that it may succeed later is
//! tried again from where it was committed, and nothing else is.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value as Json;

/// How a run of the flaky source goes.
struct Case {
    fail_after: u32,
    failures: u32,
    retryable: bool,
    wait_ms: u32,
}

fn run(folder: &Path, case: &Case) -> (Output, Json) {
    let Case {
        fail_after,
        failures,
        retryable,
        wait_ms,
    } = case;
    let document = format!(
        r#"
version: "1.0"
pipeline: flaky
source:
  use: flaky-source
  config: {{ folder: attempts, fail_after: {fail_after}, failures: {failures}, retryable: {retryable}, wait_ms: {wait_ms} }}
  streams: [ numbers ]
destination:
  use: dest-file
  config: {{ path: out, format: csv }}
  write_mode: append
state: {{ backend: sqlite, connection: state.db }}
checkpoint: {{ rows: 10 }}
"#
    );
    fs::write(folder.join("pipeline.yaml"), document).unwrap();
    let guests = Path::new(common::BINARY).with_file_name("test-components");
    assert!(
        guests.join("flaky-source.wasm").is_file(),
        "the guests of the tests are missing; run: cargo xtask build"
    );
    let output = common::vesicle()
        .current_dir(folder)
        .env("VESICLE_COMPONENTS", guests)
        .args(["run", "--output", "json", "pipeline.yaml"])
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output, report)
}

/// The numbers that have arrived, sorted.
fn arrived(folder: &Path) -> Vec<i64> {
    let mut numbers = Vec::new();
    for name in common::list(&folder.join("out/numbers")) {
        let text = fs::read_to_string(folder.join("out/numbers").join(name)).unwrap();
        numbers.extend(
            text.lines()
                .skip(1)
                .map(|line| line.parse::<i64>().unwrap()),
        );
    }
    numbers.sort_unstable();
    numbers
}

fn attempts(folder: &Path) -> u32 {
    let text = fs::read_to_string(folder.join("attempts/attempts")).unwrap();
    text.parse().unwrap()
}

#[test]
fn a_source_that_comes_back_is_read_on_from_what_was_committed() {
    let folder = common::folder();
    let case = Case {
        fail_after: 20,
        failures: 3,
        retryable: true,
        wait_ms: 10,
    };
    let (output, report) = run(folder.path(), &case);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(arrived(folder.path()), (0..100).collect::<Vec<_>>());
    assert_eq!(attempts(folder.path()), 4);
    assert_eq!(report["streams"][0]["retries"], 3);
    assert_eq!(report["streams"][0]["rows_total"], 100);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the server went away [flaky]; trying again in 0.0 s (1 of 5)"),
        "{said}"
    );
}

#[test]
fn a_source_that_gets_no_further_is_given_up_after_five_tries() {
    let folder = common::folder();
    let case = Case {
        fail_after: 0,
        failures: 1_000,
        retryable: true,
        wait_ms: 1,
    };
    let (output, report) = run(folder.path(), &case);
    assert_eq!(output.status.code(), Some(6), "{report:#}");
    assert_eq!(attempts(folder.path()), 6, "one, and five more");
    assert_eq!(report["status"], "failed");
}

#[test]
fn an_error_that_will_not_go_away_is_not_tried_again() {
    let folder = common::folder();
    let case = Case {
        fail_after: 50,
        failures: 1,
        retryable: false,
        wait_ms: 1,
    };
    let (output, report) = run(folder.path(), &case);
    assert_eq!(output.status.code(), Some(6), "{report:#}");
    assert_eq!(attempts(folder.path()), 1);

    // The run is open; the next goes on from its last commit.
    let (output, report) = run(folder.path(), &case);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["resumed"], true);
    assert_eq!(arrived(folder.path()), (0..100).collect::<Vec<_>>());
}

#[test]
fn the_wait_that_a_source_asks_for_is_kept() {
    let folder = common::folder();
    let case = Case {
        fail_after: 50,
        failures: 1,
        retryable: true,
        wait_ms: 1_500,
    };
    let before = std::time::Instant::now();
    let (output, report) = run(folder.path(), &case);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert!(before.elapsed().as_millis() >= 1_500);
}
