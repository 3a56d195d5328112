//! What flows from a source through transforms to a destination, as it is on
//! the wire: payloads are bytes. [`Emitter`](crate::Emitter) makes frames of
//! record batches; authors seldom see this module.

use crate::error::Error;
use crate::spec::Format;

/// How far a partition has been read: text that only its source understands,
/// and that operators see.
pub type Cursor = String;

/// How much there is, as far as one can tell without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Rows.
    pub rows: Option<u64>,
    /// Bytes, in the unit of the `source_bytes` of batches.
    pub bytes: Option<u64>,
}

/// Rows on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How the payload is written.
    pub format: Format,
    /// How many rows it holds.
    pub rows: u64,
    /// How many bytes of the source were consumed to make it.
    pub source_bytes: u64,
    /// The rows. Never more than [`MAX_PAYLOAD`](crate::MAX_PAYLOAD) bytes.
    pub payload: Vec<u8>,
}

/// What happened to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// They were added.
    Insert,
    /// They got new values.
    Update,
    /// They were removed.
    Delete,
    /// Every row was removed; the batch has none.
    Truncate,
    /// They got other keys, and nothing else changed: the batch holds pairs of
    /// rows, the key before and the key after.
    Rekey,
}

/// What a batch of consecutive changes of one kind means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub operation: Operation,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// Columns whose values are not carried and stay what they are; what the
    /// batch has there means nothing.
    pub unchanged: Vec<String>,
}

/// A row that cannot be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The row, as JSON or as found.
    pub row: String,
    /// Why.
    pub reason: Error,
}

/// Asks a destination to make all that came before durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRequest {
    /// Covers all that came before.
    pub cursor: Cursor,
    /// Whether nothing comes after.
    pub last: bool,
}

/// What flows from a source through transforms to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The shape of the batches that follow: a schema message of an Arrow IPC
    /// stream, encapsulated. First of all, and again whenever it changes.
    Schema(Vec<u8>),
    /// Rows.
    Batch(Batch),
    /// Changed rows.
    Changes(Change, Batch),
    /// A row that cannot be passed on.
    Reject(Reject),
    /// From a source: all that came before is covered by this cursor.
    Checkpoint(Cursor),
    /// From a source: a checkpoint that it waits for.
    Settle(Cursor),
    /// From the host, in the place of a checkpoint.
    Commit(CommitRequest),
}
