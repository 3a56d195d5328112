//! What a pipeline remembers between runs: cursors, runs and dead letters.
//!
//! [`State`] is the contract, [`SqliteState`] the one for a single machine,
//! [`PostgresState`] the one for several. [`StateAt`] opens the one that a
//! document names.
//!
//! The destination's own record says how far data is durable; what is kept
//! here is a cache of it that survives crashes, plus what nobody else has: the
//! history of runs and the dead letters. So the order of a commit is:
//!
//! 1. dead letters are stored as pending ([`State::add_letters`]), then the
//!    cursor that the commit is asked for ([`State::prepare`]);
//! 2. the destination makes data and cursor durable;
//! 3. [`State::commit`] moves the cursor, adds to the totals and settles the
//!    pending letters, all in one transaction.
//!
//! After a crash between 2 and 3 the destination's cursor is ahead;
//! [`State::adopt`] moves ours there, settles the letters that this cursor
//! covers and discards the others, which the source will give again.
//!
//! Invariants: a pipeline has at most one open run, held by one process; a run
//! does not complete while it has pending letters; every method that returns
//! `Ok` after changing something has synced it to disk.

mod at;
mod error;
mod lock;
mod model;
mod postgres;
mod sql;
mod sqlite;
mod store;

pub use at::StateAt;
pub use error::StateError;
pub use lock::RunLock;
pub use model::{
    AdoptedCursor, Claim, Letter, LetterQuery, MovedCursor, NewLetter, PartitionState,
    PipelineState, PipelineSummary, Receipt, Removed, Run, RunStatus, Slice, Start, StreamState,
    StreamStatus, replays_of,
};
pub use postgres::{Address, PostgresState, ServerError};
pub use sqlite::SqliteState;
pub use store::State;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
