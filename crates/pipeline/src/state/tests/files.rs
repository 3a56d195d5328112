//! Files that are new, foreign, damaged or out of reach.

use super::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A state file in a folder of its own, which goes when the test ends.
struct Fixture {
    folder: tempfile::TempDir,
    state: SqliteState,
}

impl Fixture {
    /// A running run of pipeline `p` that has begun stream `s`.
    fn running() -> (Self, Run) {
        let folder = tempfile::tempdir().unwrap();
        let state = SqliteState::open(&folder.path().join("state.db")).unwrap();
        state.claim("p", &json!({})).unwrap();
        let run = state.begin_run("p", &json!("out")).unwrap();
        state
            .begin_stream(&run.id, "s", None, Start::Afresh)
            .unwrap();
        (Fixture { folder, state }, run)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    /// Commits a cursor of partition `0` of stream `s`.
    fn commit(&self, run: &Run, sequence: u64, cursor: &str) {
        self.state.commit(&receipt(run, sequence, cursor)).unwrap();
    }
}

/// The error of opening a file.
fn refused(path: &Path) -> StateError {
    SqliteState::open(path).expect_err("the file should be refused")
}

#[cfg(unix)]
#[test]
fn the_file_and_what_is_beside_it_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/state.db");
    let state = SqliteState::open(&path).unwrap();
    state.claim("p", &json!({})).unwrap();
    let _lock = state.lock("p").unwrap();
    for name in [
        "state.db",
        "state.db-wal",
        "state.db-shm",
        "state.db.p.lock",
    ] {
        let mode = path
            .with_file_name(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_commit_is_synced() {
    let (fixture, _) = Fixture::running();
    let connection = fixture.state.connection_for_tests();
    let pragma = |name: &str| -> String {
        connection
            .pragma_query_value(None, name, |row| {
                row.get::<_, String>(0)
                    .or_else(|_| row.get::<_, i64>(0).map(|number| number.to_string()))
            })
            .unwrap()
    };
    // 2 is FULL.
    assert_eq!(
        (
            pragma("journal_mode").as_str(),
            pragma("synchronous").as_str()
        ),
        ("wal", "2")
    );
    assert_eq!(pragma("foreign_keys"), "1");
}

#[test]
fn what_was_committed_is_there_in_a_copy_made_after_a_crash() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        std::fs::copy(fixture.path().with_file_name(name), copy.path().join(name)).unwrap();
    }
    let state = SqliteState::open(&copy.path().join("state.db")).unwrap();
    assert_eq!(state.partitions("p", "s").unwrap()[0].cursor, "c1");
}

#[test]
fn a_torn_write_at_the_end_takes_nothing_that_was_committed() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    let log = fixture.path().with_file_name("state.db-wal");
    let committed = std::fs::read(&log).unwrap().len();
    fixture.commit(&run, 2, "c2");
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(fixture.path(), copy.path().join("state.db")).unwrap();
    let written = std::fs::read(&log).unwrap();
    std::fs::write(
        copy.path().join("state.db-wal"),
        &written[..(committed + written.len()) / 2],
    )
    .unwrap();
    let state = SqliteState::open(&copy.path().join("state.db")).unwrap();
    assert_eq!(state.partitions("p", "s").unwrap()[0].cursor, "c1");
    assert_eq!(state.show("p").unwrap().runs[0].rows, 10);
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let (fixture, _) = Fixture::running();
    fixture
        .state
        .connection_for_tests()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let path = fixture.path();
    assert_eq!(
        refused(&path).to_string(),
        format!(
            "{} was written by a newer version of Vesicle (format 99, this one knows 3); use that version, or name another file as state.connection",
            path.display()
        )
    );
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "these are my notes, and I want to keep them\n".repeat(50);
    std::fs::write(&path, &text).unwrap();
    assert_eq!(
        refused(&path).to_string(),
        format!(
            "{} is not a state file of Vesicle (it is no SQLite database); name another file as state.connection",
            path.display()
        )
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE runs (id TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(
        refused(&path)
            .to_string()
            .contains("a SQLite database of another program")
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_file_is_told() {
    let (fixture, run) = Fixture::running();
    for sequence in 1..200 {
        fixture
            .state
            .add_letters(&slice(&run), sequence, &[letter(&"x".repeat(500))])
            .unwrap();
    }
    let Fixture { folder, state } = fixture;
    drop(state);
    let path = folder.path().join("state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = SqliteState::open(&path)
        .and_then(|state| state.show("p"))
        .unwrap_err();
    assert!(matches!(error, StateError::Damaged { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("cursors are then taken from the destination")
    );
}

#[test]
fn a_file_that_is_not_there_is_not_made_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let error = SqliteState::open_existing(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "there is no state file {}; the first run makes it",
            path.display()
        )
    );
    assert!(!path.exists());
    SqliteState::open(&path).unwrap();
    SqliteState::open_existing(&path).unwrap();
}

#[test]
fn a_place_that_cannot_hold_the_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for path in [
        folder.path().join("file/state.db"),
        folder.path().to_owned(),
        PathBuf::from("/proc/vesicle/state.db"),
    ] {
        let error = refused(&path).to_string();
        assert!(
            error.contains("state file") && error.contains(&path.display().to_string()),
            "{error}"
        );
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    let (fixture, run) = Fixture::running();
    let limit = fixture
        .state
        .connection_for_tests()
        .query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))
        .unwrap();
    fixture
        .state
        .connection_for_tests()
        .pragma_update(None, "max_page_count", limit + 2)
        .unwrap();
    let many: Vec<NewLetter> = (0..100).map(|_| letter(&"x".repeat(1000))).collect();
    let error = fixture
        .state
        .add_letters(&slice(&run), 1, &many)
        .unwrap_err();
    assert!(matches!(error, StateError::Full { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("no space left for the state file")
    );
    fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap();
}
