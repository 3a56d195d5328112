//! A state as pipelines use it.

mod cursors;
mod files;
mod letters;
mod locks;
mod runs;

use super::*;
use serde_json::json;
use std::path::PathBuf;

/// A state in a folder of its own, which goes when the test ends.
struct Fixture {
    folder: tempfile::TempDir,
    state: SqliteState,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = SqliteState::open(&folder.path().join("state.db")).unwrap();
        Fixture { folder, state }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    /// What a process that starts after a crash sees: nothing of the memory of
    /// the one before.
    fn reopen(self) -> Self {
        let Fixture { folder, state } = self;
        // The connection is not closed, as after kill -9.
        std::mem::forget(state);
        let state = SqliteState::open(&folder.path().join("state.db")).unwrap();
        Fixture { folder, state }
    }

    /// A running run of pipeline `p` that has begun stream `s`.
    fn running() -> (Self, Run) {
        let fixture = Fixture::new();
        fixture
            .state
            .claim("p", &json!({"use": "source-file"}))
            .unwrap();
        let run = fixture.state.begin_run("p", &json!("out")).unwrap();
        fixture
            .state
            .begin_stream(&run.id, "s", Some("snap"), Start::Afresh)
            .unwrap();
        (fixture, run)
    }

    /// Commits a cursor of partition `0` of stream `s`.
    fn commit(&self, run: &Run, sequence: u64, cursor: &str) {
        self.state.commit(&receipt(run, sequence, cursor)).unwrap();
    }

    fn run(&self, run: &Run) -> Run {
        let shown = self.state.show("p").unwrap();
        shown
            .runs
            .into_iter()
            .find(|found| found.id == run.id)
            .unwrap()
    }
}

fn slice(run: &Run) -> Slice {
    Slice {
        run: run.id.clone(),
        stream: "s".to_owned(),
        partition: "0".to_owned(),
    }
}

/// Ten rows and a hundred bytes more.
fn receipt(run: &Run, sequence: u64, cursor: &str) -> Receipt {
    let (slice, cursor) = (slice(run), cursor.to_owned());
    Receipt {
        slice,
        sequence,
        cursor,
        last: false,
        rows: 10,
        bytes: 100,
    }
}

fn adopted(partition: &str, cursor: &str) -> AdoptedCursor {
    AdoptedCursor {
        partition: partition.to_owned(),
        cursor: cursor.to_owned(),
        last: false,
    }
}

fn letter(row: &str) -> NewLetter {
    NewLetter {
        row: row.to_owned(),
        category: "data".to_owned(),
        code: "csv-bad-number".to_owned(),
        message: "not a number".to_owned(),
    }
}
