//! The state in any database that takes the statements.
//!
//! Invariant: every call is one transaction.

use super::super::error::StateError;
use super::super::lock::RunLock;
use super::super::model::{
    AdoptedCursor, Claim, Letter, LetterQuery, MovedCursor, NewLetter, PartitionState,
    PipelineState, PipelineSummary, Receipt, Removed, Run, RunStatus, Slice, Start, StreamState,
    StreamStatus,
};
use super::super::store::State;
use super::{Fault, Transaction, cursors, letters, overview, runs};

/// A database with the tables of a state.
pub(in crate::state) trait Database: Send + Sync {
    /// Holds a pipeline for this process.
    fn hold(&self, pipeline: &str) -> Result<RunLock, StateError>;

    /// Changes something, in one transaction.
    fn transact<T>(
        &self,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError>;

    /// Reads one consistent state of things.
    fn read<T>(
        &self,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError>;
}

impl<D: Database> State for D {
    fn lock(&self, pipeline: &str) -> Result<RunLock, StateError> {
        self.hold(pipeline)
    }

    fn claim(&self, pipeline: &str, identity: &serde_json::Value) -> Result<Claim, StateError> {
        self.transact(|transaction| runs::claim(transaction, pipeline, identity))
    }

    fn begin_run(
        &self,
        pipeline: &str,
        destination: &serde_json::Value,
    ) -> Result<Run, StateError> {
        self.transact(|transaction| runs::begin(transaction, pipeline, destination))
    }

    fn resume_run(&self, run: &str, destination: &serde_json::Value) -> Result<Run, StateError> {
        self.transact(|transaction| runs::resume(transaction, run, destination))
    }

    fn end_run(
        &self,
        run: &str,
        status: RunStatus,
        error: Option<&str>,
    ) -> Result<Run, StateError> {
        self.transact(|transaction| runs::end(transaction, run, status, error))
    }

    fn unfinished(&self, pipeline: &str) -> Result<Option<Run>, StateError> {
        self.read(|transaction| runs::unfinished(transaction, pipeline))
    }

    fn begin_stream(
        &self,
        run: &str,
        stream: &str,
        snapshot: Option<&str>,
        start: Start,
    ) -> Result<StreamState, StateError> {
        self.transact(|transaction| {
            cursors::begin_stream(transaction, run, stream, snapshot, start)
        })
    }

    fn end_stream(&self, run: &str, stream: &str, status: StreamStatus) -> Result<(), StateError> {
        self.transact(|transaction| cursors::end_stream(transaction, run, stream, status))
    }

    fn streams(&self, run: &str) -> Result<Vec<StreamState>, StateError> {
        self.read(|transaction| cursors::streams(transaction, run))
    }

    fn partitions(&self, pipeline: &str, stream: &str) -> Result<Vec<PartitionState>, StateError> {
        self.read(|transaction| cursors::partitions(transaction, pipeline, Some(stream)))
    }

    fn prepare(&self, slice: &Slice, sequence: u64, cursor: &str) -> Result<(), StateError> {
        self.transact(|transaction| letters::prepare(transaction, slice, sequence, cursor))
    }

    fn commit(&self, receipt: &Receipt) -> Result<(), StateError> {
        self.transact(|transaction| cursors::commit(transaction, receipt))
    }

    fn adopt(
        &self,
        run: &str,
        stream: &str,
        adopted: &[AdoptedCursor],
    ) -> Result<Vec<MovedCursor>, StateError> {
        self.transact(|transaction| cursors::adopt(transaction, run, stream, adopted))
    }

    fn supersede_letters(&self, run: &str, stream: &str) -> Result<u64, StateError> {
        self.transact(|transaction| letters::supersede(transaction, run, stream))
    }

    fn take_over(&self, run: &str, stream: &str, load_run: &str) -> Result<(), StateError> {
        self.transact(|transaction| letters::take_over(transaction, run, stream, load_run))
    }

    fn add_letters(
        &self,
        slice: &Slice,
        sequence: u64,
        new: &[NewLetter],
    ) -> Result<(), StateError> {
        self.transact(|transaction| letters::add(transaction, slice, sequence, new))
    }

    fn letters(&self, query: &LetterQuery) -> Result<Vec<Letter>, StateError> {
        self.read(|transaction| letters::list(transaction, query))
    }

    fn claim_letters(&self, run: &str, query: &LetterQuery) -> Result<u64, StateError> {
        self.transact(|transaction| letters::claim(transaction, run, query))
    }

    fn release_letters(&self, query: &LetterQuery) -> Result<u64, StateError> {
        self.transact(|transaction| letters::release(transaction, query))
    }

    fn remove_letters(&self, query: &LetterQuery) -> Result<u64, StateError> {
        self.transact(|transaction| letters::remove(transaction, query))
    }

    fn letter_count(&self, run: &str) -> Result<u64, StateError> {
        self.read(|transaction| letters::count(transaction, run, letters::SETTLED))
    }

    fn list(&self) -> Result<Vec<PipelineSummary>, StateError> {
        self.read(overview::list)
    }

    fn show(&self, pipeline: &str) -> Result<PipelineState, StateError> {
        self.read(|transaction| overview::show(transaction, pipeline))
    }

    fn reset(&self, pipeline: &str, stream: Option<&str>) -> Result<Removed, StateError> {
        let _lock = self.lock(pipeline)?;
        self.transact(|transaction| overview::reset(transaction, pipeline, stream))
    }
}
