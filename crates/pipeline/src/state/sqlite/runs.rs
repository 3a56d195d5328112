//! Pipelines and their runs.

use super::super::error::StateError;
use super::super::model::{Claim, Run, RunStatus, now};
use super::{Fault, letters};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, params};

/// The columns that [`from_row`] reads.
pub(super) const COLUMNS: &str =
    "id, pipeline, started, ended, status, attempts, rows, bytes, error";

const OPEN: &str = "status IN ('running', 'failed', 'interrupted')";

pub(super) fn claim(
    transaction: &Transaction<'_>,
    pipeline: &str,
    identity: &serde_json::Value,
) -> Result<Claim, Fault> {
    let known: Option<String> = transaction
        .query_row(
            "SELECT identity FROM pipelines WHERE name = ?1",
            [pipeline],
            |row| row.get(0),
        )
        .optional()?;
    let Some(known) = known else {
        transaction.execute(
            "INSERT INTO pipelines (name, identity, created) VALUES (?1, ?2, ?3)",
            params![pipeline, identity.to_string(), now().to_string()],
        )?;
        return Ok(Claim::New);
    };
    if serde_json::from_str::<serde_json::Value>(&known).is_ok_and(|known| known == *identity) {
        return Ok(Claim::Known);
    }
    let (pipeline, given) = (pipeline.to_owned(), identity.to_string());
    Err(StateError::OtherSource {
        pipeline,
        known,
        given,
    }
    .into())
}

pub(super) fn begin(
    transaction: &Transaction<'_>,
    pipeline: &str,
    destination: &serde_json::Value,
) -> Result<Run, Fault> {
    if let Some(open) = unfinished(transaction, pipeline)? {
        return Err(StateError::Unfinished {
            pipeline: pipeline.to_owned(),
            run: open.id,
        }
        .into());
    }
    must_exist(transaction, pipeline)?;
    let id = uuid::Uuid::now_v7().to_string();
    transaction.execute(
        "INSERT INTO runs (id, pipeline, started, status, destination) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            id,
            pipeline,
            now().to_string(),
            RunStatus::Running.word(),
            destination.to_string()
        ],
    )?;
    get(transaction, &id, "begin")
}

pub(super) fn resume(
    transaction: &Transaction<'_>,
    run: &str,
    destination: &serde_json::Value,
) -> Result<Run, Fault> {
    let found = open(transaction, run, "be resumed")?;
    let known: Option<String> =
        transaction.query_row("SELECT destination FROM runs WHERE id = ?1", [run], |row| {
            row.get(0)
        })?;
    if let Some(known) = known
        && serde_json::from_str::<serde_json::Value>(&known)
            .is_ok_and(|known| known != *destination)
    {
        return Err(StateError::OtherDestination {
            pipeline: found.pipeline,
            run: run.to_owned(),
            known,
            given: destination.to_string(),
        }
        .into());
    }
    transaction.execute(
        "UPDATE runs SET status = ?2, ended = NULL, error = NULL, attempts = attempts + 1 WHERE id = ?1",
        params![run, RunStatus::Running.word()],
    )?;
    get(transaction, run, "be resumed")
}

pub(super) fn end(
    transaction: &Transaction<'_>,
    run: &str,
    status: RunStatus,
    error: Option<&str>,
) -> Result<Run, Fault> {
    let found = open(transaction, run, "end")?;
    match status {
        RunStatus::Running => return Err(wrong(&found, "end as running")),
        RunStatus::Completed => {
            let pending = letters::count(transaction, run, letters::PENDING)?;
            if pending > 0 {
                return Err(StateError::PendingLetters {
                    run: run.to_owned(),
                    letters: pending,
                }
                .into());
            }
        }
        RunStatus::Abandoned => letters::discard_run(transaction, run)?,
        RunStatus::Failed | RunStatus::Interrupted => {}
    }
    transaction.execute(
        "UPDATE runs SET status = ?2, ended = ?3, error = ?4 WHERE id = ?1",
        params![run, status.word(), now().to_string(), error],
    )?;
    get(transaction, run, "end")
}

pub(super) fn unfinished(
    transaction: &Transaction<'_>,
    pipeline: &str,
) -> Result<Option<Run>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE pipeline = ?1 AND {OPEN}");
    Ok(transaction
        .query_row(&sql, [pipeline], from_row)
        .optional()?)
}

/// The run, if it is running.
pub(super) fn running(
    transaction: &Transaction<'_>,
    run: &str,
    wanted: &'static str,
) -> Result<Run, Fault> {
    let found = get(transaction, run, wanted)?;
    match found.status {
        RunStatus::Running => Ok(found),
        _ => Err(wrong(&found, wanted)),
    }
}

pub(super) fn must_exist(transaction: &Transaction<'_>, pipeline: &str) -> Result<(), Fault> {
    let found = transaction
        .query_row(
            "SELECT 1 FROM pipelines WHERE name = ?1",
            [pipeline],
            |_| Ok(()),
        )
        .optional()?;
    found.ok_or_else(|| {
        StateError::UnknownPipeline {
            pipeline: pipeline.to_owned(),
        }
        .into()
    })
}

/// The run, if it is open.
fn open(transaction: &Transaction<'_>, run: &str, wanted: &'static str) -> Result<Run, Fault> {
    let found = get(transaction, run, wanted)?;
    if found.status.is_open() {
        Ok(found)
    } else {
        Err(wrong(&found, wanted))
    }
}

fn get(transaction: &Transaction<'_>, run: &str, wanted: &'static str) -> Result<Run, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
    let found = transaction.query_row(&sql, [run], from_row).optional()?;
    found.ok_or_else(|| {
        let (run, found) = (run.to_owned(), "unknown".to_owned());
        StateError::WrongStatus { run, found, wanted }.into()
    })
}

fn wrong(run: &Run, wanted: &'static str) -> Fault {
    StateError::WrongStatus {
        run: run.id.clone(),
        found: run.status.to_string(),
        wanted,
    }
    .into()
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        pipeline: row.get(1)?,
        started: timestamp(row, 2)?,
        ended: row
            .get::<_, Option<String>>(3)?
            .map(|_| timestamp(row, 3))
            .transpose()?,
        status: word(row, 4, RunStatus::from_word)?,
        attempts: count(row, 5)?,
        rows: count(row, 6)?,
        bytes: count(row, 7)?,
        error: row.get(8)?,
    })
}

/// A column that holds a time.
pub(super) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error: jiff::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

/// A column that holds a number that is never negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|number| u64::try_from(number).unwrap_or(0))
}

/// A column that holds one of some words.
pub(super) fn word<W>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Option<W>,
) -> rusqlite::Result<W> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| {
        let error = format!("{text} is no word for this");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

/// A number as SQLite holds it; beyond 2^63 it stays there.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
