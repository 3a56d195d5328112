//! The tests of every state, with a SQLite file.

// The same files stand below both.
#![allow(clippy::duplicate_mod)]

#[path = "cursors.rs"]
mod cursors;
#[path = "letters.rs"]
mod letters;
#[path = "locks.rs"]
mod locks;
#[path = "runs.rs"]
mod runs;

use super::fixture::{Keeps, Kept};
use super::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A state file in a folder of its own, which goes when the test ends.
pub(super) struct File(tempfile::TempDir);

pub(super) type Fixture = Kept<File>;

impl Keeps for File {
    fn new() -> Self {
        File(tempfile::tempdir().unwrap())
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    fn open(name: &str) -> Arc<dyn State> {
        Arc::new(SqliteState::open(Path::new(name)).unwrap())
    }
}

impl File {
    /// The file.
    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("state.db")
    }
}
