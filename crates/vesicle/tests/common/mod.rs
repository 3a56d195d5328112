//! What the tests of the command line share: where things are, and pipelines
//! in folders of their own.
//!
//! All tests use one cache of compiled code, `target/test-cache`, because
//! compiling a component takes seconds. Whatever a test makes is in a folder
//! under `target/tmp` that goes with it.

// Each test is a program of its own and uses some of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used)]

pub mod calls;
pub mod cells;
pub mod certify;
pub mod changes;
pub mod child;
pub mod confined;
pub mod destination;
pub mod document;
pub mod independent;
pub mod large;
pub mod postgres;
pub mod proxy;
pub mod small;
pub mod sweep;
pub mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The binary.
pub const BINARY: &str = env!("CARGO_BIN_EXE_vesicle");

/// How many rows flights.csv has.
pub const FLIGHTS: u64 = 336_776;

/// The root of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

/// Cargo's target folder.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// A new folder on the file system of [`flights`].
pub fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The binary, about to be called, with the tests' cache of compiled code.
pub fn vesicle() -> Command {
    static COMPONENTS: OnceLock<()> = OnceLock::new();
    COMPONENTS.get_or_init(|| {
        let folder = Path::new(BINARY).with_file_name("components");
        for name in [
            "source-file.wasm",
            "dest-file.wasm",
            "dest-postgres.wasm",
            "source-postgres.wasm",
            "transform-rename.wasm",
        ] {
            let path = folder.join(name);
            assert!(
                path.is_file(),
                "{} is missing; run: cargo xtask build",
                path.display()
            );
        }
    });
    let mut command = Command::new(BINARY);
    command
        .env("VESICLE_CACHE", target().join("test-cache"))
        .env("XDG_RUNTIME_DIR", target().join("test-runtime"))
        .env_remove("VESICLE_COMPONENTS")
        .env_remove("VESICLE_GATEWAY")
        .env_remove("VESICLE_FAIL_POINT")
        .env_remove("VESICLE_LOG");
    command
}

/// flights.csv, unpacked once.
pub fn flights() -> PathBuf {
    static UNPACKED: OnceLock<PathBuf> = OnceLock::new();
    let unpack = || {
        let folder = target().join("test-data");
        let file = folder.join("flights.csv");
        if file.is_file() {
            return file;
        }
        fs::create_dir_all(&folder).unwrap();
        // Beside it first: another test may be doing the same.
        let beside = tempfile::tempdir_in(&folder).unwrap();
        let packed = root().join("tests/data/flights.csv.zip");
        let status = Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .args([&packed, beside.path()])
            .status()
            .expect("python3 is needed to unpack flights.csv.zip");
        assert!(status.success(), "{} cannot be unpacked", packed.display());
        fs::rename(beside.path().join("flights.csv"), &file).unwrap();
        file
    };
    UNPACKED.get_or_init(unpack).clone()
}

/// Copies a folder and what is in it. Large files that nobody changes are
/// linked.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &there);
        } else if entry.metadata().unwrap().len() > 1 << 20 {
            fs::hard_link(entry.path(), &there).unwrap();
        } else {
            fs::copy(entry.path(), &there).unwrap();
        }
    }
}

/// The names of what a folder holds, sorted; none if there is no folder.
pub fn list(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
