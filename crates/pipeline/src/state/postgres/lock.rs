//! The lock that makes a pipeline run on one host at a time.
//!
//! The lock is an advisory one of the session that also makes every change to
//! the state: as long as changes succeed, the lock is held. It goes with the
//! session, however that ends.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::super::error::StateError;
use super::super::lock::RunLock;
use super::super::model::now;
use super::super::sql::{Value, values};
use super::connection::Connection;
use super::error::ServerError;

/// The pipelines that this session holds; the server would let it take a lock
/// twice.
pub(super) type Held = Arc<Mutex<HashSet<String>>>;

/// Holds a pipeline.
struct Hold {
    connection: Arc<Connection>,
    held: Held,
    pipeline: String,
    key: i64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Where the session is lost, so is the lock.
        let _ = self
            .connection
            .run("SELECT pg_advisory_unlock(?1)", &values![self.key]);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.pipeline);
    }
}

/// The key of a pipeline's lock. Locks are a database's, so the schema counts.
pub(super) fn key(schema: &str, pipeline: &str) -> i64 {
    let mut hash = Sha256::new();
    for part in ["vesicle", schema, pipeline] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(first)
}

/// Takes the lock of a pipeline, or says who has it.
pub(super) fn acquire(
    connection: &Arc<Connection>,
    held: &Held,
    schema: &str,
    pipeline: &str,
) -> Result<RunLock, StateError> {
    let mut mine = held.lock().unwrap_or_else(PoisonError::into_inner);
    let key = key(schema, pipeline);
    let taken = !mine.contains(pipeline) && {
        let answer = connection.run("SELECT pg_try_advisory_lock(?1)", &values![key])?;
        answer
            .rows
            .first()
            .is_some_and(|row| row.0 == [Value::Number(1)])
    };
    if !taken {
        return Err(StateError::Busy {
            pipeline: pipeline.to_owned(),
            holder: holder(connection, pipeline)?,
        });
    }
    mine.insert(pipeline.to_owned());
    drop(mine);
    let hold = Hold {
        connection: Arc::clone(connection),
        held: Arc::clone(held),
        pipeline: pipeline.to_owned(),
        key,
    };
    connection.run(
        "INSERT INTO holders (pipeline, holder) VALUES (?1, ?2)
         ON CONFLICT (pipeline) DO UPDATE SET holder = excluded.holder",
        &values![pipeline, ourselves()],
    )?;
    Ok(RunLock::with_loss(hold, connection.loss()))
}

/// What the holder wrote about itself.
fn holder(connection: &Connection, pipeline: &str) -> Result<Option<String>, ServerError> {
    let answer = connection.run(
        "SELECT holder FROM holders WHERE pipeline = ?1",
        &values![pipeline],
    )?;
    Ok(match answer.rows.into_iter().next().map(|row| row.0) {
        Some(columns) => match columns.into_iter().next() {
            Some(Value::Text(holder)) => Some(holder.replace(char::is_control, " ")),
            _ => None,
        },
        None => None,
    })
}

/// This process, for people on another host.
fn ourselves() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let on = match host.trim() {
        "" => String::new(),
        host => format!(" on {host}"),
    };
    format!("process {}{on}, since {}", std::process::id(), now())
}
