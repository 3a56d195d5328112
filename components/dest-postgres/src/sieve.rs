//! Telling the rows that the server refuses from those that it takes.
//!
//! A COPY takes all of its rows or none. Behind a savepoint it can be tried
//! again with fewer of them: half as many after each refusal, twice as many
//! after each success, down to the single row that is at fault.
//!
//! Invariant: every row is either written once or rejected with what the server
//! says of it alone.

use bytes::Bytes;
use vesicle_connector::{Category, Error, Reject, Result, row_to_json};
use vesicle_postgres::wire;

use crate::publish;
use crate::shape::{Converted, Tuples};
use crate::writer::{TableWriter, explained};

/// Copies tuples, all or none. Where the data are refused, the tuples come back.
///
/// # Errors
///
/// What the server says of anything but data.
pub async fn try_copy(writer: &mut TableWriter, tuples: Tuples) -> Result<Option<Vec<u8>>> {
    let (bytes, rows) = tuples;
    Ok(attempt(writer, &bytes, rows).await?.map(|_refusal| bytes))
}

/// Copies rows that were refused together, and rejects those that are at fault.
///
/// # Errors
///
/// As of [`try_copy`].
pub async fn one_by_one(writer: &mut TableWriter, rows: &Converted) -> Result<()> {
    let all = rows.rows.num_rows();
    let (mut at, mut width) = (0, (all / 2).max(1));
    while at < all {
        let length = width.min(all - at);
        let (tuples, count) = writer.part(rows, at, length)?;
        match attempt(writer, &tuples, count).await? {
            None => {
                at += length;
                width *= 2;
            }
            Some(refusal) if length == 1 => {
                let reason = explained(of_one(writer, refusal), &writer.detail);
                writer.rejected.push(Reject {
                    row: row_to_json(&rows.rows, at),
                    reason,
                });
                at += 1;
            }
            Some(_) => width = length.div_ceil(2),
        }
    }
    Ok(())
}

/// What the server says of a single row, without the place of both.
fn of_one(writer: &TableWriter, mut refusal: Error) -> Error {
    let place = format!("{}: ", writer.client.place());
    let message = refusal.message.strip_prefix(&place);
    let message = message.unwrap_or(&refusal.message);
    let message = message.split("\nwhere: ").next().unwrap_or(message);
    refusal.message = message.to_owned();
    refusal
}

/// Copies tuples behind a savepoint. What the server says, if it refuses the
/// data.
async fn attempt(writer: &mut TableWriter, tuples: &[u8], rows: u64) -> Result<Option<Error>> {
    if rows == 0 {
        return Ok(None);
    }
    writer.client.run("SAVEPOINT vesicle").await?;
    match write(writer, tuples).await {
        Ok(taken) if taken != rows => {
            let message = format!("the server has taken {taken} of {rows} rows");
            Err(Error::internal("rows-missing", message))
        }
        Ok(_) => {
            writer.count(rows, tuples.len());
            writer.client.run("RELEASE vesicle").await?;
            Ok(None)
        }
        Err(refusal) if is_refusal(writer, &refusal) => {
            let undo = "ROLLBACK TO vesicle; RELEASE vesicle";
            writer.client.run(undo).await?;
            Ok(Some(refusal))
        }
        Err(error) => Err(error),
    }
}

/// Whether what the server says is about the rows.
fn is_refusal(writer: &TableWriter, error: &Error) -> bool {
    // A trigger's exception, a policy of rows, an index row too large: of a row
    // that goes into the target by itself.
    let of_one = ["P0001", "42501", "54000"].contains(&&*error.code);
    error.category == Category::Data || writer.detail.replay.is_some() && of_one
}

/// Copies tuples into the staging table, and where each row is for itself, on
/// into the target.
async fn write(writer: &TableWriter, tuples: &[u8]) -> Result<u64> {
    let taken = copy(writer, tuples).await?;
    if writer.detail.replay.is_some() {
        publish::move_on(&writer.client, &writer.detail).await?;
    }
    Ok(taken)
}

async fn copy(writer: &TableWriter, tuples: &[u8]) -> Result<u64> {
    let mut into = writer.copy_in().await?;
    into.send(Bytes::copy_from_slice(tuples)).await?;
    into.send(Bytes::from_static(wire::TRAILER)).await?;
    into.finish().await
}
