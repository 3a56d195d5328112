//! What is known of pipelines, and how it is forgotten.

use super::super::error::StateError;
use super::super::model::{PipelineState, PipelineSummary, Removed, Run, replays_of};
use super::runs::{self, must_exist};
use super::{Fault, Row, Transaction, cursors, values};

/// Runs that [`show`] lists.
const RUNS: i64 = 20;

const SUMMARY: &str = "SELECT name, identity, created,
    (SELECT count(*) FROM partitions WHERE pipeline = name),
    (SELECT count(*) FROM letters JOIN runs ON runs.id = letters.run
      WHERE settled = 1 AND (runs.pipeline = name OR
        (runs.pipeline = name || '/dead-letters' AND runs.status = 'completed')))
    FROM pipelines";

pub(in crate::state) fn list(transaction: &dyn Transaction) -> Result<Vec<PipelineSummary>, Fault> {
    let mut found = summaries(transaction, None)?;
    // Replays are no pipelines of their own.
    found.retain(|one| !one.pipeline.contains('/'));
    Ok(found)
}

pub(in crate::state) fn show(
    transaction: &dyn Transaction,
    pipeline: &str,
) -> Result<PipelineState, Fault> {
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
    transaction: &dyn Transaction,
    pipeline: Option<&str>,
) -> Result<Vec<PipelineSummary>, Fault> {
    let sql = format!("{SUMMARY} WHERE ?1 IS NULL OR name = ?1 ORDER BY name");
    let found = transaction.rows(&sql, &values![pipeline])?;
    let mut found: Vec<PipelineSummary> = found.iter().map(summary).collect::<Result<_, _>>()?;
    for one in &mut found {
        one.last_run = latest(transaction, &one.pipeline, 1)?.pop();
    }
    Ok(found)
}

fn summary(row: &Row) -> Result<PipelineSummary, Fault> {
    let identity = row.text(1)?;
    Ok(PipelineSummary {
        pipeline: row.text(0)?,
        identity: serde_json::from_str(&identity)
            .map_err(|error| Fault::Unreadable(format!("{identity} is no JSON: {error}")))?,
        created: row.time(2)?,
        last_run: None,
        cursors: row.count(3)?,
        letters: row.count(4)?,
    })
}

/// The newest runs of a pipeline.
fn latest(transaction: &dyn Transaction, pipeline: &str, limit: i64) -> Result<Vec<Run>, Fault> {
    let columns = runs::COLUMNS;
    let sql = format!("SELECT {columns} FROM runs WHERE pipeline = ?1 ORDER BY id DESC LIMIT ?2");
    let found = transaction.rows(&sql, &values![pipeline, limit])?;
    found.iter().map(runs::from_row).collect()
}

pub(in crate::state) fn reset(
    transaction: &dyn Transaction,
    pipeline: &str,
    stream: Option<&str>,
) -> Result<Removed, Fault> {
    must_exist(transaction, pipeline)?;
    let replays = forget(transaction, &replays_of(pipeline), stream)?;
    let mut removed = forget(transaction, pipeline, stream)?;
    removed.letters += replays.letters;
    Ok(removed)
}

/// Removes what is known of a pipeline, or of one of its streams.
fn forget(
    transaction: &dyn Transaction,
    pipeline: &str,
    stream: Option<&str>,
) -> Result<Removed, Fault> {
    let of = &values![pipeline, stream];
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
            let of = &values![pipeline];
            let runs = transaction.execute("DELETE FROM runs WHERE pipeline = ?1", of)?;
            transaction.execute("DELETE FROM pipelines WHERE name = ?1", of)?;
            runs
        }
    };
    Ok(Removed {
        runs,
        cursors,
        letters,
    })
}
