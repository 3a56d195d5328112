//! `vesicle certify`: what holds is told from what does not.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::certify::{Certification, PEOPLE, TARGET};
use common::child::Running;

#[test]
fn dest_postgres_holds_whatever_happens_to_a_replacing_run() {
    Certification {
        reset: PEOPLE,
        then: Some("update people set name = name || '!'"),
        stream: "{ name: people, sync_mode: full_refresh }",
        mode: "replace",
        destination: "",
        check: TARGET,
        stride: 12,
        kills: 2,
    }
    .expect_held();
}

#[test]
fn dest_postgres_holds_whatever_happens_to_a_run_that_applies_changes() {
    let more = "update people set name = name || '!' where id % 3 = 0;
        delete from people where id % 10 = 0;
        update people set id = id + 1000 where id % 7 = 0;
        insert into people values (0, 'new', '2030-01-01');";
    Certification {
        reset: PEOPLE,
        then: Some(more),
        stream: "{ name: people, sync_mode: cdc, primary_key: id }",
        mode: "upsert",
        destination: "  primary_key: id\n",
        check: TARGET,
        stride: 10,
        kills: 2,
    }
    .expect_held();
}

/// Four small files, each of which becomes a commit, on their way to `out`.
fn files(destination: &str, config: &str) -> tempfile::TempDir {
    let folder = common::folder();
    fs::create_dir(folder.path().join("in")).unwrap();
    for file in 0..4 {
        let rows = format!("n,text\n{file}0,a\n{file}1,b\n");
        fs::write(folder.path().join(format!("in/{file}.csv")), rows).unwrap();
    }
    let document = format!(
        "version: \"1.0\"
pipeline: files
source:
  use: source-file
  config: {{ path: in/*.csv }}
  streams: [in]
destination:
  use: {destination:?}
  config: {config}
  write_mode: append
checkpoint: {{ rows: 1 }}
"
    );
    fs::write(folder.path().join("pipeline.yaml"), document).unwrap();
    folder
}

#[test]
fn dest_file_holds_whatever_happens_to_an_appending_run() {
    let folder = files("dest-file", "{ path: out, format: csv }");
    let certify = |check: &str| {
        let mut command = common::vesicle();
        command
            .args(["certify", "dest-file", "--kills", "3"])
            .args(["--reset", "rm -rf out", "--check", check])
            .current_dir(folder.path());
        Running::start(command).wait()
    };
    let check = "for part in out/in/*; do test -f $part && md5sum < $part; done | sort";
    let ended = certify(check).expect_exit(0);
    assert!(
        ended
            .stdout
            .contains("killed at committed, passage 2: held")
    );
    // The rows are there already, and another run would add them again.
    assert!(ended.stdout.contains("killed at ended: held"));
    assert!(ended.stdout.contains("dest-file: all of"));
    // What is not the same each time, or does not look, certifies nothing.
    let unsteady = "date +%N";
    certify(unsteady)
        .expect_exit(2)
        .expect_said("two undisturbed runs");
    certify("true")
        .expect_exit(2)
        .expect_said("does not see what the run writes");
}

#[test]
fn a_destination_that_repeats_rows_is_found_out() {
    let component = common::confined::guests().join("careless-destination.wasm");
    let folder = files(component.to_str().unwrap(), "{ path: out }");
    let mut command = common::vesicle();
    command
        .args(["certify", component.to_str().unwrap(), "--kills", "0"])
        .args(["--reset", "rm -rf out"])
        .args(["--check", "cat out/rows 2>/dev/null | sort; true"])
        .current_dir(folder.path());
    let ended = Running::start(command).wait().expect_exit(7);
    assert!(ended.stdout.contains("BROKEN"), "{}", ended.stdout);
}
