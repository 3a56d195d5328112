//! Dead letters, and the commits that they wait for.

use super::super::model::{Letter, LetterQuery, NewLetter, Slice, now, replays_of};
use super::runs::running;
use super::{Fault, Row, Transaction, Value, values};

/// Letters that one statement stores: few trips to a server, and fewer
/// parameters than any database takes.
const AT_ONCE: usize = 100;

/// A letter that waits for its commit.
pub(in crate::state) const PENDING: bool = false;

/// A letter whose commit is durable.
pub(in crate::state) const SETTLED: bool = true;

pub(in crate::state) fn add(
    transaction: &dyn Transaction,
    slice: &Slice,
    sequence: u64,
    letters: &[NewLetter],
) -> Result<(), Fault> {
    running(transaction, &slice.run, "keep dead letters")?;
    let at = now().to_string();
    for some in letters.chunks(AT_ONCE) {
        let mut rows = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        for letter in some {
            let first = values.len();
            values.extend(values![
                &slice.run,
                &slice.stream,
                &slice.partition,
                sequence,
                PENDING,
                &letter.row,
                &letter.category,
                &letter.code,
                &letter.message,
                &at,
                &letter.stage,
            ]);
            let places = (first + 1..=values.len()).map(|place| format!("?{place}"));
            rows.push(format!("({})", places.collect::<Vec<_>>().join(", ")));
        }
        let sql = format!(
            "INSERT INTO letters
             (run, stream, partition, sequence, settled, row, category, code, message, at, stage)
             VALUES {}",
            rows.join(", ")
        );
        transaction.execute(&sql, &values)?;
    }
    Ok(())
}

pub(in crate::state) fn prepare(
    transaction: &dyn Transaction,
    slice: &Slice,
    sequence: u64,
    cursor: &str,
) -> Result<(), Fault> {
    running(transaction, &slice.run, "prepare a commit")?;
    transaction.execute(
        "INSERT INTO intents (run, stream, partition, sequence, cursor) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (run, stream, partition, sequence) DO UPDATE SET cursor = excluded.cursor",
        &values![
            &slice.run,
            &slice.stream,
            &slice.partition,
            sequence,
            cursor
        ],
    )?;
    Ok(())
}

/// The number of the latest commit that was asked for with a cursor.
pub(in crate::state) fn prepared(
    transaction: &dyn Transaction,
    slice: &Slice,
    cursor: &str,
) -> Result<Option<u64>, Fault> {
    let found = transaction.row(
        "SELECT max(sequence) FROM intents
         WHERE run = ?1 AND stream = ?2 AND partition = ?3 AND cursor = ?4",
        &values![&slice.run, &slice.stream, &slice.partition, cursor],
    )?;
    let found = found.map(|row| row.optional_count(0)).transpose()?;
    Ok(found.flatten())
}

/// Settles the letters of a partition up to a commit.
pub(in crate::state) fn settle(
    transaction: &dyn Transaction,
    slice: &Slice,
    sequence: u64,
) -> Result<(), Fault> {
    let reached = &values![&slice.run, &slice.stream, &slice.partition, sequence];
    transaction.execute(
        "UPDATE letters SET settled = 1
         WHERE run = ?1 AND stream = ?2 AND partition = ?3 AND settled = 0 AND sequence <= ?4",
        reached,
    )?;
    transaction.execute(
        "DELETE FROM intents WHERE run = ?1 AND stream = ?2 AND partition = ?3 AND sequence <= ?4",
        reached,
    )?;
    Ok(())
}

/// Discards what waits for commits of a stream.
pub(in crate::state) fn discard(
    transaction: &dyn Transaction,
    run: &str,
    stream: &str,
) -> Result<(), Fault> {
    let of = &values![run, stream];
    transaction.execute(
        "DELETE FROM letters WHERE run = ?1 AND stream = ?2 AND settled = 0",
        of,
    )?;
    transaction.execute("DELETE FROM intents WHERE run = ?1 AND stream = ?2", of)?;
    Ok(())
}

/// Removes the letters of a stream of a run, or of one partition of it,
/// settled or not: its rows will be read again.
pub(in crate::state) fn forget(
    transaction: &dyn Transaction,
    run: &str,
    stream: &str,
    partition: Option<&str>,
) -> Result<(), Fault> {
    for table in ["letters", "intents"] {
        let sql = format!(
            "DELETE FROM {table} WHERE run = ?1 AND stream = ?2 AND (?3 IS NULL OR partition = ?3)"
        );
        transaction.execute(&sql, &values![run, stream, partition])?;
    }
    Ok(())
}

pub(in crate::state) fn count(
    transaction: &dyn Transaction,
    run: &str,
    settled: bool,
) -> Result<u64, Fault> {
    let found = transaction.row(
        "SELECT count(*) FROM letters WHERE run = ?1 AND settled = ?2",
        &values![run, settled],
    )?;
    found.map_or(Ok(0), |row| row.count(0))
}

/// The letters that a query means, with its values as [`meant`] has them: those
/// of the pipeline and of its replays that are complete.
const MEANT: &str = "letters.settled = 1 AND letters.run IN (
    SELECT id FROM runs WHERE pipeline = ?1
        OR (pipeline = ?2 AND status = 'completed'))
  AND (?3 IS NULL OR letters.claimed = ?3)
  AND (?4 IS NULL OR letters.stream = ?4) AND (?5 IS NULL OR letters.run = ?5)
  AND letters.id > ?6 AND letters.id <= ?7";

/// The values of [`MEANT`].
fn meant(query: &LetterQuery) -> Vec<Value> {
    let (after, last) = match query.id {
        Some(id) => (id.saturating_sub(1), id),
        None => (query.after.unwrap_or(0), i64::MAX),
    };
    values![
        &query.pipeline,
        replays_of(&query.pipeline),
        query.claimed_by.as_deref(),
        query.stream.as_deref(),
        query.run.as_deref(),
        after,
        last,
    ]
    .to_vec()
}

pub(in crate::state) fn list(
    transaction: &dyn Transaction,
    query: &LetterQuery,
) -> Result<Vec<Letter>, Fault> {
    let mut values = meant(query);
    values.push(Value::from(match query.limit {
        0 => i64::MAX,
        limit => i64::from(limit),
    }));
    let found = transaction.rows(
        &format!(
            "SELECT id, run, stream, partition, row, category, code, message, at, stage
             FROM letters WHERE {MEANT} ORDER BY id LIMIT ?8"
        ),
        &values,
    )?;
    let letter = |row: &Row| {
        Ok(Letter {
            id: row.number(0)?,
            pipeline: query.pipeline.clone(),
            run: row.text(1)?,
            stream: row.text(2)?,
            partition: row.text(3)?,
            row: row.text(4)?,
            category: row.text(5)?,
            code: row.text(6)?,
            message: row.text(7)?,
            at: row.time(8)?,
            stage: row.text(9)?,
        })
    };
    found.iter().map(letter).collect()
}

pub(in crate::state) fn claim(
    transaction: &dyn Transaction,
    run: &str,
    query: &LetterQuery,
) -> Result<u64, Fault> {
    running(transaction, run, "claim dead letters")?;
    let mut values = meant(query);
    values.push(run.into());
    let claim = format!(
        "UPDATE letters SET claimed = ?8
         WHERE {MEANT} AND claimed IS NULL AND stage <> '' AND stage NOT LIKE 'source %'"
    );
    transaction.execute(&claim, &values)
}

pub(in crate::state) fn release(
    transaction: &dyn Transaction,
    query: &LetterQuery,
) -> Result<u64, Fault> {
    let release = format!("UPDATE letters SET claimed = NULL WHERE {MEANT}");
    transaction.execute(&release, &meant(query))
}

pub(in crate::state) fn remove(
    transaction: &dyn Transaction,
    query: &LetterQuery,
) -> Result<u64, Fault> {
    let remove =
        format!("DELETE FROM letters WHERE {MEANT} AND (?3 IS NOT NULL OR claimed IS NULL)");
    transaction.execute(&remove, &meant(query))
}

pub(in crate::state) fn supersede(
    transaction: &dyn Transaction,
    run: &str,
    stream: &str,
) -> Result<u64, Fault> {
    let pipeline = running(transaction, run, "discard dead letters")?.pipeline;
    let others = "stream = ?2 AND run <> ?1
        AND run IN (SELECT id FROM runs WHERE pipeline = ?3 OR pipeline = ?4)";
    let of = &values![run, stream, &pipeline, replays_of(&pipeline)];
    let settled = format!("DELETE FROM letters WHERE settled = 1 AND {others}");
    let count = transaction.execute(&settled, of)?;
    for table in ["letters", "intents"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE {others}"), of)?;
    }
    Ok(count)
}

pub(in crate::state) fn take_over(
    transaction: &dyn Transaction,
    run: &str,
    stream: &str,
    load_run: &str,
) -> Result<(), Fault> {
    let pipeline = running(transaction, run, "take over dead letters")?.pipeline;
    const ABANDONED: &str = "SELECT runs.id FROM runs LEFT JOIN streams
                 ON streams.run = runs.id AND streams.stream = ?2
              WHERE runs.pipeline = ?1 AND runs.status = 'abandoned'
                AND coalesce(streams.status, '') <> 'completed'";
    for table in ["letters", "intents"] {
        if load_run != run {
            // Numbers of runs grow: those since have gone on with the load too.
            let sql = format!(
                "UPDATE {table} SET run = ?4 WHERE stream = ?2
                    AND (run = ?3 OR run IN ({ABANDONED} AND runs.id > ?3))"
            );
            transaction.execute(&sql, &values![&pipeline, stream, load_run, run])?;
        }
        let sql = format!("DELETE FROM {table} WHERE stream = ?2 AND run IN ({ABANDONED})");
        transaction.execute(&sql, &values![&pipeline, stream])?;
    }
    Ok(())
}
