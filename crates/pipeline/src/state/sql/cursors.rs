//! Streams of a run, and the cursors of their partitions.

use super::super::error::StateError;
use super::super::model::{
    AdoptedCursor, MovedCursor, PartitionState, Receipt, Slice, Start, StreamState, StreamStatus,
    now,
};
use super::runs::running;
use super::{Fault, Row, Transaction, letters, values};

pub(in crate::state) fn begin_stream(
    transaction: &dyn Transaction,
    run: &str,
    stream: &str,
    snapshot: Option<&str>,
    start: Start,
) -> Result<StreamState, Fault> {
    let pipeline = running(transaction, run, "begin a stream")?.pipeline;
    if start == Start::Afresh {
        forget(transaction, run, stream)?;
        transaction.execute(
            "DELETE FROM partitions WHERE pipeline = ?1 AND stream = ?2",
            &values![&pipeline, stream],
        )?;
    }
    transaction.execute(
        "INSERT INTO streams (run, stream, snapshot, status) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run, stream) DO UPDATE SET snapshot = excluded.snapshot, status = excluded.status",
        &values![run, stream, snapshot, StreamStatus::Running.word()],
    )?;
    let found = streams(transaction, run)?
        .into_iter()
        .find(|found| found.stream == stream);
    found.ok_or_else(|| no_stream(run, "begin a stream"))
}

/// Takes what a stream did in a run out of the totals, with its letters.
fn forget(transaction: &dyn Transaction, run: &str, stream: &str) -> Result<(), Fault> {
    transaction.execute(
        "UPDATE runs SET rows = runs.rows - streams.rows, bytes = runs.bytes - streams.bytes
         FROM streams WHERE runs.id = ?1 AND streams.run = ?1 AND streams.stream = ?2",
        &values![run, stream],
    )?;
    transaction.execute(
        "DELETE FROM streams WHERE run = ?1 AND stream = ?2",
        &values![run, stream],
    )?;
    letters::forget(transaction, run, stream, None)
}

pub(in crate::state) fn end_stream(
    transaction: &dyn Transaction,
    run: &str,
    stream: &str,
    status: StreamStatus,
) -> Result<(), Fault> {
    let changed = transaction.execute(
        "UPDATE streams SET status = ?3 WHERE run = ?1 AND stream = ?2",
        &values![run, stream, status.word()],
    )?;
    if changed == 0 {
        Err(no_stream(run, "end a stream that it has not begun"))
    } else {
        Ok(())
    }
}

fn no_stream(run: &str, wanted: &'static str) -> Fault {
    let (run, found) = (run.to_owned(), "without that stream".to_owned());
    StateError::WrongStatus { run, found, wanted }.into()
}

pub(in crate::state) fn streams(
    transaction: &dyn Transaction,
    run: &str,
) -> Result<Vec<StreamState>, Fault> {
    let found = transaction.rows(
        "SELECT stream, run, snapshot, status, rows, bytes FROM streams WHERE run = ?1 ORDER BY number",
        &values![run],
    )?;
    let stream = |row: &Row| {
        Ok(StreamState {
            stream: row.text(0)?,
            run: row.text(1)?,
            snapshot: row.optional_text(2)?,
            status: row.word(3, StreamStatus::from_word)?,
            rows: row.count(4)?,
            bytes: row.count(5)?,
        })
    };
    found.iter().map(stream).collect()
}

pub(in crate::state) fn partitions(
    transaction: &dyn Transaction,
    pipeline: &str,
    stream: Option<&str>,
) -> Result<Vec<PartitionState>, Fault> {
    let found = transaction.rows(
        "SELECT stream, partition, run, cursor, last, sequence, rows, bytes, updated FROM partitions
         WHERE pipeline = ?1 AND (?2 IS NULL OR stream = ?2) ORDER BY stream, partition",
        &values![pipeline, stream],
    )?;
    found.iter().map(partition).collect()
}

fn partition(row: &Row) -> Result<PartitionState, Fault> {
    Ok(PartitionState {
        stream: row.text(0)?,
        partition: row.text(1)?,
        run: row.text(2)?,
        cursor: row.text(3)?,
        last: row.flag(4)?,
        sequence: row.count(5)?,
        rows: row.count(6)?,
        bytes: row.count(7)?,
        updated: row.time(8)?,
    })
}

pub(in crate::state) fn commit(
    transaction: &dyn Transaction,
    receipt: &Receipt,
) -> Result<(), Fault> {
    let Slice {
        run,
        stream,
        partition,
    } = &receipt.slice;
    let pipeline = running(transaction, run, "commit")?.pipeline;
    let known = partitions(transaction, &pipeline, Some(stream))?;
    let before = known
        .into_iter()
        .find(|known| known.partition == *partition && known.run == *run);
    if before
        .as_ref()
        .is_some_and(|before| before.sequence >= receipt.sequence)
    {
        return Ok(());
    }
    let (rows, bytes) = before.map_or((0, 0), |before| (before.rows, before.bytes));
    let now = PartitionState {
        stream: stream.clone(),
        partition: partition.clone(),
        run: run.clone(),
        cursor: receipt.cursor.clone(),
        last: receipt.last,
        sequence: receipt.sequence,
        rows: rows.saturating_add(receipt.rows),
        bytes: bytes.saturating_add(receipt.bytes),
        updated: now(),
    };
    put(transaction, &pipeline, &now)?;
    let added = &values![run, stream, receipt.rows, receipt.bytes];
    let changed = transaction.execute(
        "UPDATE streams SET rows = rows + ?3, bytes = bytes + ?4 WHERE run = ?1 AND stream = ?2",
        added,
    )?;
    if changed == 0 {
        return Err(no_stream(run, "commit"));
    }
    transaction.execute(
        "UPDATE runs SET rows = rows + ?2, bytes = bytes + ?3 WHERE id = ?1",
        &values![run, receipt.rows, receipt.bytes],
    )?;
    letters::settle(transaction, &receipt.slice, receipt.sequence)
}

fn put(transaction: &dyn Transaction, pipeline: &str, state: &PartitionState) -> Result<(), Fault> {
    transaction.execute(
        "INSERT INTO partitions
         (pipeline, stream, partition, run, cursor, last, sequence, rows, bytes, updated)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (pipeline, stream, partition) DO UPDATE SET
           run = excluded.run, cursor = excluded.cursor, last = excluded.last,
           sequence = excluded.sequence, rows = excluded.rows, bytes = excluded.bytes,
           updated = excluded.updated",
        &values![
            pipeline,
            &state.stream,
            &state.partition,
            &state.run,
            &state.cursor,
            state.last,
            state.sequence,
            state.rows,
            state.bytes,
            state.updated.to_string(),
        ],
    )?;
    Ok(())
}

pub(in crate::state) fn adopt(
    transaction: &dyn Transaction,
    run: &str,
    stream: &str,
    adopted: &[AdoptedCursor],
) -> Result<Vec<MovedCursor>, Fault> {
    let pipeline = running(transaction, run, "adopt cursors")?.pipeline;
    let known = partitions(transaction, &pipeline, Some(stream))?;
    let mut moved = Vec::new();
    for one in adopted {
        let before = known.iter().find(|known| known.partition == one.partition);
        adopt_one(transaction, &pipeline, run, stream, before, one)?;
        let cursor = before.map(|before| before.cursor.clone());
        if cursor.as_ref() != Some(&one.cursor) {
            let (partition, now) = (one.partition.clone(), Some(one.cursor.clone()));
            moved.push(MovedCursor {
                partition,
                before: cursor,
                now,
            });
        }
    }
    let unknown = |known: &&PartitionState| {
        known.run == run && !adopted.iter().any(|one| one.partition == known.partition)
    };
    for lost in known.iter().filter(unknown) {
        transaction.execute(
            "DELETE FROM partitions WHERE pipeline = ?1 AND stream = ?2 AND partition = ?3",
            &values![&pipeline, stream, &lost.partition],
        )?;
        letters::forget(transaction, run, stream, Some(&lost.partition))?;
        let taken = &values![run, stream, lost.rows, lost.bytes];
        transaction.execute(
            "UPDATE streams SET rows = rows - ?3, bytes = bytes - ?4 WHERE run = ?1 AND stream = ?2",
            taken,
        )?;
        transaction.execute(
            "UPDATE runs SET rows = rows - ?2, bytes = bytes - ?3 WHERE id = ?1",
            &values![run, lost.rows, lost.bytes],
        )?;
        let (partition, before) = (lost.partition.clone(), Some(lost.cursor.clone()));
        moved.push(MovedCursor {
            partition,
            before,
            now: None,
        });
    }
    letters::discard(transaction, run, stream)?;
    Ok(moved)
}

/// Puts a partition where the destination says it is.
fn adopt_one(
    transaction: &dyn Transaction,
    pipeline: &str,
    run: &str,
    stream: &str,
    before: Option<&PartitionState>,
    one: &AdoptedCursor,
) -> Result<(), Fault> {
    let slice = Slice {
        run: run.to_owned(),
        stream: stream.to_owned(),
        partition: one.partition.clone(),
    };
    let prepared = letters::prepared(transaction, &slice, &one.cursor)?;
    if let Some(sequence) = prepared {
        letters::settle(transaction, &slice, sequence)?;
    }
    let same_run = before.filter(|before| before.run == run);
    let sequence = prepared
        .max(same_run.map(|before| before.sequence))
        .unwrap_or(0);
    let unchanged = before.filter(|before| before.cursor == one.cursor);
    let state = PartitionState {
        stream: stream.to_owned(),
        partition: one.partition.clone(),
        run: run.to_owned(),
        cursor: one.cursor.clone(),
        last: one.last,
        sequence,
        rows: same_run.map_or(0, |before| before.rows),
        bytes: same_run.map_or(0, |before| before.bytes),
        updated: unchanged.map_or_else(now, |before| before.updated),
    };
    put(transaction, pipeline, &state)
}
