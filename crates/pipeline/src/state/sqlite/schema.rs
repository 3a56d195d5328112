//! The tables of a state file, and how older ones become current.

use rusqlite::{Connection, Result};

/// Marks a SQLite file as a state file: `VESI`.
pub(super) const APPLICATION: i64 = 0x5645_5349;

/// What brings a file from each format to the next. The number of steps is the
/// format of a file that is up to date.
const STEPS: &[&str] = &[TABLES, DESTINATIONS, STAGES];

/// The newest format.
pub(super) const FORMAT: i64 = STEPS.len() as i64;

/// Brings a file of an older format up to date, all or nothing.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    if done < STEPS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()
}

const TABLES: &str = "
CREATE TABLE pipelines (
    name TEXT NOT NULL PRIMARY KEY,
    identity TEXT NOT NULL,
    created TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    pipeline TEXT NOT NULL REFERENCES pipelines (name) ON DELETE CASCADE,
    started TEXT NOT NULL,
    ended TEXT,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 1,
    rows INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    error TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_of_pipeline ON runs (pipeline, id);

-- At most one open run for a pipeline.
CREATE UNIQUE INDEX open_run ON runs (pipeline)
    WHERE status IN ('running', 'failed', 'interrupted');

CREATE TABLE streams (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream TEXT NOT NULL,
    snapshot TEXT,
    status TEXT NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run, stream)
) STRICT;

CREATE TABLE partitions (
    pipeline TEXT NOT NULL REFERENCES pipelines (name) ON DELETE CASCADE,
    stream TEXT NOT NULL,
    partition TEXT NOT NULL,
    run TEXT NOT NULL,
    cursor TEXT NOT NULL,
    last INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    updated TEXT NOT NULL,
    PRIMARY KEY (pipeline, stream, partition)
) STRICT, WITHOUT ROWID;

-- Which cursor a commit was asked for, until it is known to be durable.
CREATE TABLE intents (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream TEXT NOT NULL,
    partition TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (run, stream, partition, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream TEXT NOT NULL,
    partition TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    row TEXT NOT NULL,
    category TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;

CREATE INDEX letters_of_run ON letters (run, stream, partition, settled, sequence);
";

/// What a run writes to; NULL for those of before.
const DESTINATIONS: &str = "ALTER TABLE runs ADD COLUMN destination TEXT;";

/// Who could not pass a letter's row on; and the run that replays it, if one
/// does.
const STAGES: &str = "
ALTER TABLE letters ADD COLUMN stage TEXT NOT NULL DEFAULT '';
ALTER TABLE letters ADD COLUMN claimed TEXT;
";
