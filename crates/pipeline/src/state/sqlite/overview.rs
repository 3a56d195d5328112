//! What is known of pipelines, and how it is forgotten.

use super::super::error::StateError;
use super::super::model::{PipelineState, PipelineSummary, Removed, Run};
use super::runs::{self, count, must_exist, timestamp};
use super::{Fault, cursors};
use rusqlite::types::Type;
use rusqlite::{Row, Transaction, params};

/// Runs that [`show`] lists.
const RUNS: u32 = 20;

const SUMMARY: &str = "SELECT name, identity, created,
    (SELECT count(*) FROM partitions WHERE pipeline = name),
    (SELECT count(*) FROM letters JOIN runs ON runs.id = letters.run
      WHERE runs.pipeline = name AND settled = 1)
    FROM pipelines";

pub(super) fn list(transaction: &Transaction<'_>) -> Result<Vec<PipelineSummary>, Fault> {
    summaries(transaction, None)
}

pub(super) fn show(transaction: &Transaction<'_>, pipeline: &str) -> Result<PipelineState, Fault> {
    let summary = summaries(transaction, Some(pipeline))?.pop();
    let summary = summary.ok_or_else(|| StateError::UnknownPipeline {
        pipeline: pipeline.to_owned(),
    })?;
    let runs = latest(transaction, pipeline, RUNS)?;
    let streams = match runs.first() {
        Some(newest) => cursors::streams(transaction, &newest.id)?,
        None => Vec::new(),
    };
    let partitions = cursors::partitions(transaction, pipeline, None)?;
    Ok(PipelineState {
        summary,
        runs,
        streams,
        partitions,
    })
}

fn summaries(
    transaction: &Transaction<'_>,
    pipeline: Option<&str>,
) -> Result<Vec<PipelineSummary>, Fault> {
    let sql = format!("{SUMMARY} WHERE ?1 IS NULL OR name = ?1 ORDER BY name");
    let mut statement = transaction.prepare(&sql)?;
    let found = statement.query_map([pipeline], summary)?;
    let mut found: Vec<PipelineSummary> = found.collect::<Result<_, _>>()?;
    for one in &mut found {
        one.last_run = latest(transaction, &one.pipeline, 1)?.pop();
    }
    Ok(found)
}

fn summary(row: &Row<'_>) -> rusqlite::Result<PipelineSummary> {
    let identity: String = row.get(1)?;
    Ok(PipelineSummary {
        pipeline: row.get(0)?,
        identity: serde_json::from_str(&identity).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(1, Type::Text, error.into())
        })?,
        created: timestamp(row, 2)?,
        last_run: None,
        cursors: count(row, 3)?,
        letters: count(row, 4)?,
    })
}

/// The newest runs of a pipeline.
fn latest(transaction: &Transaction<'_>, pipeline: &str, limit: u32) -> Result<Vec<Run>, Fault> {
    let columns = runs::COLUMNS;
    let sql = format!("SELECT {columns} FROM runs WHERE pipeline = ?1 ORDER BY id DESC LIMIT ?2");
    let mut statement = transaction.prepare(&sql)?;
    let found = statement.query_map(params![pipeline, limit], runs::from_row)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn reset(
    transaction: &Transaction<'_>,
    pipeline: &str,
    stream: Option<&str>,
) -> Result<Removed, Fault> {
    must_exist(transaction, pipeline)?;
    let of = params![pipeline, stream];
    let cursors = transaction.execute(
        "DELETE FROM partitions WHERE pipeline = ?1 AND (?2 IS NULL OR stream = ?2)",
        of,
    )?;
    let remove = |table: &str| {
        let sql = format!(
            "DELETE FROM {table} WHERE (?2 IS NULL OR stream = ?2)
             AND run IN (SELECT id FROM runs WHERE pipeline = ?1)"
        );
        transaction.execute(&sql, of)
    };
    let letters = remove("letters")?;
    remove("intents")?;
    let runs = match stream {
        Some(_) => 0,
        None => {
            remove("streams")?;
            let runs = transaction.execute("DELETE FROM runs WHERE pipeline = ?1", [pipeline])?;
            transaction.execute("DELETE FROM pipelines WHERE name = ?1", [pipeline])?;
            runs
        }
    };
    Ok(Removed {
        runs: runs as u64,
        cursors: cursors as u64,
        letters: letters as u64,
    })
}
