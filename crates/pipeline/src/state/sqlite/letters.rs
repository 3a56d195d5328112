//! Dead letters, and the commits that they wait for.

use super::super::model::{Letter, LetterQuery, NewLetter, Slice, now};
use super::Fault;
use super::runs::{number, running, timestamp};
use rusqlite::{OptionalExtension, Transaction, params};

/// A letter that waits for its commit.
pub(super) const PENDING: bool = false;

/// A letter whose commit is durable.
pub(super) const SETTLED: bool = true;

pub(super) fn add(
    transaction: &Transaction<'_>,
    slice: &Slice,
    sequence: u64,
    letters: &[NewLetter],
) -> Result<(), Fault> {
    running(transaction, &slice.run, "keep dead letters")?;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO letters (run, stream, partition, sequence, settled, row, category, code, message, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let at = now().to_string();
    for letter in letters {
        statement.execute(params![
            slice.run,
            slice.stream,
            slice.partition,
            number(sequence),
            PENDING,
            letter.row,
            letter.category,
            letter.code,
            letter.message,
            at,
        ])?;
    }
    Ok(())
}

pub(super) fn prepare(
    transaction: &Transaction<'_>,
    slice: &Slice,
    sequence: u64,
    cursor: &str,
) -> Result<(), Fault> {
    running(transaction, &slice.run, "prepare a commit")?;
    transaction.execute(
        "INSERT OR REPLACE INTO intents (run, stream, partition, sequence, cursor) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![slice.run, slice.stream, slice.partition, number(sequence), cursor],
    )?;
    Ok(())
}

/// The number of the latest commit that was asked for with a cursor.
pub(super) fn prepared(
    transaction: &Transaction<'_>,
    slice: &Slice,
    cursor: &str,
) -> Result<Option<u64>, Fault> {
    let found: Option<i64> = transaction.query_row(
        "SELECT max(sequence) FROM intents
         WHERE run = ?1 AND stream = ?2 AND partition = ?3 AND cursor = ?4",
        params![slice.run, slice.stream, slice.partition, cursor],
        |row| row.get(0),
    )?;
    Ok(found.and_then(|found| u64::try_from(found).ok()))
}

/// Settles the letters of a partition up to a commit.
pub(super) fn settle(
    transaction: &Transaction<'_>,
    slice: &Slice,
    sequence: u64,
) -> Result<(), Fault> {
    let reached = params![slice.run, slice.stream, slice.partition, number(sequence)];
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
pub(super) fn discard(transaction: &Transaction<'_>, run: &str, stream: &str) -> Result<(), Fault> {
    let of = params![run, stream];
    transaction.execute(
        "DELETE FROM letters WHERE run = ?1 AND stream = ?2 AND settled = 0",
        of,
    )?;
    transaction.execute("DELETE FROM intents WHERE run = ?1 AND stream = ?2", of)?;
    Ok(())
}

/// Discards what waits for commits of a run.
pub(super) fn discard_run(transaction: &Transaction<'_>, run: &str) -> Result<(), Fault> {
    transaction.execute("DELETE FROM letters WHERE run = ?1 AND settled = 0", [run])?;
    transaction.execute("DELETE FROM intents WHERE run = ?1", [run])?;
    Ok(())
}

/// Removes the letters of a stream of a run, or of one partition of it,
/// settled or not: its rows will be read again.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    run: &str,
    stream: &str,
    partition: Option<&str>,
) -> Result<(), Fault> {
    for table in ["letters", "intents"] {
        let sql = format!(
            "DELETE FROM {table} WHERE run = ?1 AND stream = ?2 AND (?3 IS NULL OR partition = ?3)"
        );
        transaction.execute(&sql, params![run, stream, partition])?;
    }
    Ok(())
}

pub(super) fn count(transaction: &Transaction<'_>, run: &str, settled: bool) -> Result<u64, Fault> {
    let found: Option<i64> = transaction
        .query_row(
            "SELECT count(*) FROM letters WHERE run = ?1 AND settled = ?2",
            params![run, settled],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found
        .and_then(|found| u64::try_from(found).ok())
        .unwrap_or(0))
}

pub(super) fn list(
    transaction: &Transaction<'_>,
    query: &LetterQuery,
) -> Result<Vec<Letter>, Fault> {
    let mut statement = transaction.prepare_cached(
        "SELECT letters.id, runs.pipeline, run, stream, partition, row, category, code, message, at
         FROM letters JOIN runs ON runs.id = letters.run
         WHERE runs.pipeline = ?1 AND settled = 1
           AND (?2 IS NULL OR stream = ?2) AND (?3 IS NULL OR run = ?3) AND letters.id > ?4
         ORDER BY letters.id LIMIT ?5",
    )?;
    let after = query.after.unwrap_or(0);
    let found = statement.query_map(
        params![query.pipeline, query.stream, query.run, after, query.limit],
        |row| {
            Ok(Letter {
                id: row.get(0)?,
                pipeline: row.get(1)?,
                run: row.get(2)?,
                stream: row.get(3)?,
                partition: row.get(4)?,
                row: row.get(5)?,
                category: row.get(6)?,
                code: row.get(7)?,
                message: row.get(8)?,
                at: timestamp(row, 9)?,
            })
        },
    )?;
    Ok(found.collect::<Result<_, _>>()?)
}
