//! The contract of a state.

use super::error::StateError;
use super::lock::RunLock;
use super::model::{
    AdoptedCursor, Claim, Letter, LetterQuery, MovedCursor, NewLetter, PartitionState,
    PipelineState, PipelineSummary, Receipt, Removed, Run, RunStatus, Slice, Start, StreamState,
    StreamStatus,
};

/// Keeps cursors, runs and dead letters.
///
/// Calls are short and block; asynchronous callers make them where blocking is
/// allowed. What changes something is durable when it returns `Ok`, and has
/// changed nothing when it returns an error.
pub trait State: Send + Sync {
    /// Holds the pipeline for this process, until the lock is dropped or the
    /// process ends.
    ///
    /// # Errors
    /// [`StateError::Busy`] if another process, or another lock of this one,
    /// holds it.
    fn lock(&self, pipeline: &str) -> Result<RunLock, StateError>;

    /// Ties the pipeline's name to a source. `identity` is short JSON that
    /// people can read; two are the same if they are equal as JSON.
    ///
    /// # Errors
    /// [`StateError::OtherSource`] if the name belongs to another.
    fn claim(&self, pipeline: &str, identity: &serde_json::Value) -> Result<Claim, StateError>;

    /// Begins a run of a claimed pipeline. `destination` is short JSON that
    /// people can read, and is what the run writes to until it ends.
    ///
    /// # Errors
    /// [`StateError::Unfinished`] while the pipeline has an open run,
    /// [`StateError::UnknownPipeline`] if it is not claimed.
    fn begin_run(&self, pipeline: &str, destination: &serde_json::Value)
    -> Result<Run, StateError>;

    /// Goes on with an open run.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if it is not open,
    /// [`StateError::OtherDestination`] if it writes to another.
    fn resume_run(&self, run: &str, destination: &serde_json::Value) -> Result<Run, StateError>;

    /// Ends an open run. Pending letters of one that is abandoned stay until
    /// another run goes on with its load, or begins anew ([`State::take_over`]).
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if it is not open or `status` is no end,
    /// [`StateError::PendingLetters`] if it is to complete and has any.
    fn end_run(&self, run: &str, status: RunStatus, error: Option<&str>)
    -> Result<Run, StateError>;

    /// The open run of a pipeline, if there is one.
    ///
    /// # Errors
    /// Only if the state cannot be read.
    fn unfinished(&self, pipeline: &str) -> Result<Option<Run>, StateError>;

    /// Begins a stream of a running run, or goes on with it.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running.
    fn begin_stream(
        &self,
        run: &str,
        stream: &str,
        snapshot: Option<&str>,
        start: Start,
    ) -> Result<StreamState, StateError>;

    /// Says how a stream of a run stands.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run has no such stream.
    fn end_stream(&self, run: &str, stream: &str, status: StreamStatus) -> Result<(), StateError>;

    /// The streams of a run, in the order they began.
    ///
    /// # Errors
    /// Only if the state cannot be read.
    fn streams(&self, run: &str) -> Result<Vec<StreamState>, StateError>;

    /// The cursors of a stream, of whatever run.
    ///
    /// # Errors
    /// Only if the state cannot be read.
    fn partitions(&self, pipeline: &str, stream: &str) -> Result<Vec<PartitionState>, StateError>;

    /// Notes which cursor a commit is asked for, so that [`State::adopt`] can
    /// tell which pending letters it covers. Needed only if the commit has any.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running.
    fn prepare(&self, slice: &Slice, sequence: u64, cursor: &str) -> Result<(), StateError>;

    /// Moves the cursor of a partition, adds to the totals, and settles the
    /// pending letters of this commit and those before it. The same receipt
    /// again changes nothing.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running or has no such
    /// stream.
    fn commit(&self, receipt: &Receipt) -> Result<(), StateError>;

    /// Takes the destination's cursors of a stream for the truth. Pending
    /// letters that they cover are settled, all others of the stream and run
    /// are discarded; partitions of this run that the destination does not
    /// know are forgotten. Answers with those that differed.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running.
    fn adopt(
        &self,
        run: &str,
        stream: &str,
        cursors: &[AdoptedCursor],
    ) -> Result<Vec<MovedCursor>, StateError>;

    /// Notes which run has begun the load that a stream of a run is written
    /// with. If it is another one, its letters of the stream become this run's.
    /// The letters of abandoned runs that did not complete the stream are
    /// discarded: their rows are read again. To be called between
    /// [`State::begin_stream`] and [`State::adopt`].
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running.
    fn take_over(&self, run: &str, stream: &str, load_run: &str) -> Result<(), StateError>;

    /// Removes the dead letters of a stream that other runs of the pipeline of a
    /// running run, or replays, have kept: it has read all rows again. How many
    /// of them had been settled.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running.
    fn supersede_letters(&self, run: &str, stream: &str) -> Result<u64, StateError>;

    /// Stores rows that could not be passed on, pending until the commit of
    /// this number.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running.
    fn add_letters(
        &self,
        slice: &Slice,
        sequence: u64,
        letters: &[NewLetter],
    ) -> Result<(), StateError>;

    /// Settled dead letters, the oldest first.
    ///
    /// # Errors
    /// Only if the state cannot be read.
    fn letters(&self, query: &LetterQuery) -> Result<Vec<Letter>, StateError>;

    /// Claims settled dead letters for a replay, a running run: those that no
    /// replay has claimed, and of which a stage after the source had the row.
    /// How many.
    ///
    /// # Errors
    /// [`StateError::WrongStatus`] if the run is not running.
    fn claim_letters(&self, run: &str, query: &LetterQuery) -> Result<u64, StateError>;

    /// Takes back the claims of the letters that a query means: no replay has
    /// written any of them. How many.
    ///
    /// # Errors
    /// Only if the state cannot be changed.
    fn release_letters(&self, query: &LetterQuery) -> Result<u64, StateError>;

    /// Removes settled dead letters. Those that a replay has claimed only if
    /// the query asks for these. How many.
    ///
    /// # Errors
    /// Only if the state cannot be written.
    fn remove_letters(&self, query: &LetterQuery) -> Result<u64, StateError>;

    /// How many dead letters of a run are settled.
    ///
    /// # Errors
    /// Only if the state cannot be read.
    fn letter_count(&self, run: &str) -> Result<u64, StateError>;

    /// Every pipeline, by name.
    ///
    /// # Errors
    /// Only if the state cannot be read.
    fn list(&self) -> Result<Vec<PipelineSummary>, StateError>;

    /// All about a pipeline.
    ///
    /// # Errors
    /// [`StateError::UnknownPipeline`].
    fn show(&self, pipeline: &str) -> Result<PipelineState, StateError>;

    /// Forgets a pipeline, or the cursors and letters of one of its streams.
    ///
    /// # Errors
    /// [`StateError::Busy`] while it is being run,
    /// [`StateError::UnknownPipeline`].
    fn reset(&self, pipeline: &str, stream: Option<&str>) -> Result<Removed, StateError>;
}
