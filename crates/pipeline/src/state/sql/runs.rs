//! Pipelines and their runs.

use super::super::error::StateError;
use super::super::model::{Claim, Run, RunStatus, now};
use super::{Fault, Row, Transaction, letters, values};

/// The columns that [`from_row`] reads.
pub(in crate::state) const COLUMNS: &str =
    "id, pipeline, started, ended, status, attempts, rows, bytes, error";

const OPEN: &str = "status IN ('running', 'failed', 'interrupted')";

pub(in crate::state) fn claim(
    transaction: &dyn Transaction,
    pipeline: &str,
    identity: &serde_json::Value,
) -> Result<Claim, Fault> {
    let known = transaction.row(
        "SELECT identity FROM pipelines WHERE name = ?1",
        &values![pipeline],
    )?;
    let Some(known) = known else {
        transaction.execute(
            "INSERT INTO pipelines (name, identity, created) VALUES (?1, ?2, ?3)",
            &values![pipeline, identity.to_string(), now().to_string()],
        )?;
        return Ok(Claim::New);
    };
    let known = known.text(0)?;
    if serde_json::from_str::<serde_json::Value>(&known).is_ok_and(|known| known == *identity) {
        return Ok(Claim::Known);
    }
    // A name that was never used belongs to nobody: the first document may have
    // been wrong.
    let begun = transaction.row(
        "SELECT 1 FROM streams JOIN runs ON runs.id = streams.run WHERE runs.pipeline = ?1 LIMIT 1",
        &values![pipeline],
    )?;
    if begun.is_none() {
        transaction.execute(
            "UPDATE pipelines SET identity = ?2 WHERE name = ?1",
            &values![pipeline, identity.to_string()],
        )?;
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

pub(in crate::state) fn begin(
    transaction: &dyn Transaction,
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
        &values![
            &id,
            pipeline,
            now().to_string(),
            RunStatus::Running.word(),
            destination.to_string()
        ],
    )?;
    get(transaction, &id, "begin")
}

pub(in crate::state) fn resume(
    transaction: &dyn Transaction,
    run: &str,
    destination: &serde_json::Value,
) -> Result<Run, Fault> {
    let found = open(transaction, run, "be resumed")?;
    let known = transaction.row("SELECT destination FROM runs WHERE id = ?1", &values![run])?;
    if let Some(known) = known.map(|row| row.optional_text(0)).transpose()?.flatten()
        && serde_json::from_str::<serde_json::Value>(&known)
            .is_ok_and(|known| known != *destination)
        && has_streams(transaction, run)?
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
        "UPDATE runs SET status = ?2, ended = NULL, error = NULL, attempts = attempts + 1, destination = ?3
          WHERE id = ?1",
        &values![run, RunStatus::Running.word(), destination.to_string()],
    )?;
    get(transaction, run, "be resumed")
}

/// Whether a run came to begin a stream.
fn has_streams(transaction: &dyn Transaction, run: &str) -> Result<bool, Fault> {
    let found = transaction.row(
        "SELECT 1 FROM streams WHERE run = ?1 LIMIT 1",
        &values![run],
    )?;
    Ok(found.is_some())
}

pub(in crate::state) fn end(
    transaction: &dyn Transaction,
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
        RunStatus::Failed | RunStatus::Interrupted | RunStatus::Abandoned => {}
    }
    transaction.execute(
        "UPDATE runs SET status = ?2, ended = ?3, error = ?4 WHERE id = ?1",
        &values![run, status.word(), now().to_string(), error],
    )?;
    get(transaction, run, "end")
}

pub(in crate::state) fn unfinished(
    transaction: &dyn Transaction,
    pipeline: &str,
) -> Result<Option<Run>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE pipeline = ?1 AND {OPEN}");
    let found = transaction.row(&sql, &values![pipeline])?;
    found.as_ref().map(from_row).transpose()
}

/// The run, if it is running.
pub(in crate::state) fn running(
    transaction: &dyn Transaction,
    run: &str,
    wanted: &'static str,
) -> Result<Run, Fault> {
    let found = get(transaction, run, wanted)?;
    match found.status {
        RunStatus::Running => Ok(found),
        _ => Err(wrong(&found, wanted)),
    }
}

pub(in crate::state) fn must_exist(
    transaction: &dyn Transaction,
    pipeline: &str,
) -> Result<(), Fault> {
    let found = transaction.row(
        "SELECT name FROM pipelines WHERE name = ?1",
        &values![pipeline],
    )?;
    match found {
        Some(_) => Ok(()),
        None => Err(StateError::UnknownPipeline {
            pipeline: pipeline.to_owned(),
        }
        .into()),
    }
}

/// The run, if it is open.
fn open(transaction: &dyn Transaction, run: &str, wanted: &'static str) -> Result<Run, Fault> {
    let found = get(transaction, run, wanted)?;
    if found.status.is_open() {
        Ok(found)
    } else {
        Err(wrong(&found, wanted))
    }
}

fn get(transaction: &dyn Transaction, run: &str, wanted: &'static str) -> Result<Run, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
    match transaction.row(&sql, &values![run])? {
        Some(row) => from_row(&row),
        None => {
            let (run, found) = (run.to_owned(), "unknown".to_owned());
            Err(StateError::WrongStatus { run, found, wanted }.into())
        }
    }
}

fn wrong(run: &Run, wanted: &'static str) -> Fault {
    StateError::WrongStatus {
        run: run.id.clone(),
        found: run.status.to_string(),
        wanted,
    }
    .into()
}

pub(in crate::state) fn from_row(row: &Row) -> Result<Run, Fault> {
    Ok(Run {
        id: row.text(0)?,
        pipeline: row.text(1)?,
        started: row.time(2)?,
        ended: row.optional_time(3)?,
        status: row.word(4, RunStatus::from_word)?,
        attempts: row.count(5)?,
        rows: row.count(6)?,
        bytes: row.count(7)?,
        error: row.optional_text(8)?,
    })
}
