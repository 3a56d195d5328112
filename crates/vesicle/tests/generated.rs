//! What `vesicle new` makes compiles, passes its own test and runs: with what
//! `cargo xtask dist` ships and nothing of the source tree, by typing what it
//! says comes next.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::child::{Ended, Running};
use common::{BINARY, list, target};

/// A distribution folder, made of what is built.
fn distribute(to: &Path) {
    let xtask = Path::new(BINARY).with_file_name("xtask");
    assert!(
        xtask.is_file(),
        "{} is missing; run: cargo xtask build",
        xtask.display()
    );
    let mut command = Command::new(xtask);
    command
        .args(["dist", "--profile", "dev", "--to"])
        .arg(to)
        .current_dir(common::root());
    Running::start(command).wait().expect_exit(0);
}

/// Types lines into a shell whose `vesicle` is that of the distribution.
fn shell(folder: &Path, dist: &Path, lines: &str) -> Ended {
    let mut paths = vec![dist.to_owned()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut command = Command::new("sh");
    command
        .args(["-ec", lines])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(paths).unwrap())
        .env("VESICLE_CACHE", target().join("test-cache"))
        // None of these changes what is compiled, only how long it takes.
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("VESICLE_COMPONENTS");
    Running::start(command).wait()
}

/// Makes a project, types what it says comes next, and returns what was said
/// in the end.
fn make_and_follow(kind: &str, folder: &Path, dist: &Path) -> Ended {
    let name = format!("my-{kind}");
    let made = shell(folder, dist, &format!("vesicle new {kind} {name}")).expect_exit(0);
    // The projects have their dependencies in common.
    let built = target().join("test-generated");
    fs::create_dir_all(&built).unwrap();
    std::os::unix::fs::symlink(&built, folder.join(&name).join("target")).unwrap();
    let (_, next) = made.stdout.split_once("next:\n").expect("what comes next");
    assert_eq!(next.contains("cargo test"), kind != "pipeline", "{next}");
    shell(folder, dist, next).expect_exit(0)
}

#[test]
fn what_is_made_compiles_passes_its_test_and_runs_outside_the_source_tree() {
    let outside = tempfile::tempdir().unwrap();
    let dist = outside.path().join("dist");
    distribute(&dist);
    for (kind, rows) in [
        ("pipeline", "5 rows"),
        ("source", "1,000 rows"),
        ("transform", "5 rows"),
        ("destination", "5 rows"),
    ] {
        let ended = make_and_follow(kind, outside.path(), &dist);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains(rows), "{kind}: {said}");
        assert_eq!(
            said.contains("test result: ok"),
            kind != "pipeline",
            "{said}"
        );
        let out = outside.path().join(format!("my-{kind}/out"));
        assert!(!list(&out).is_empty(), "{kind}: {said}");
    }
}
