//! What a destination is: something that makes rows durable together with the
//! cursor that covers them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::evolution::Evolution;
use crate::frame::{Batch, Change, CommitRequest, Cursor, Reject};
use crate::spec::{Spec, SyncMode, WriteMode};

/// What a load is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadRequest {
    /// The pipeline's name.
    pub pipeline: String,
    /// The name of the stream, which names the table or folder.
    pub stream_name: String,
    /// Identifies this load. An interrupted load keeps its name when it is
    /// resumed.
    pub run: String,
    /// How rows are written.
    pub write_mode: WriteMode,
    /// How the source reads. In an incremental load rows go on where the load
    /// before has ended: its cursors are those that the load begins with. A
    /// full refresh begins with none.
    pub sync_mode: SyncMode,
    /// The columns that identify a row.
    pub primary_key: Vec<String>,
    /// The columns of the rows to come.
    pub schema: SchemaRef,
    /// The snapshot that the source reads.
    pub snapshot: Option<String>,
    /// Whether an unfinished load is discarded, whoever began it. If not, it
    /// goes on.
    pub fresh: bool,
    /// Whether a row that cannot be written is wanted as a reject. If not, the
    /// first one is an error.
    pub rejects: bool,
    /// What happens where the rows have another shape than what is there. Only
    /// a destination whose spec says that it evolves is asked for more than
    /// the default.
    pub evolution: Evolution,
    /// Whether the rows are those that loads before could not write. They are
    /// added to what these have written, by a load of its own: the cursors of
    /// others stay, and so does a load of theirs under way. There is none where
    /// a destination keeps one load of a stream and no cursors between loads.
    pub replay: bool,
    /// Of a replay with [`WriteMode::Upsert`]: the column that tells the newer
    /// of two rows with the same key. A row that is there with a greater value
    /// in it stays. Without it any row that is there stays, and the replayed
    /// one is a reject.
    pub newer_by: Option<String>,
}

impl LoadRequest {
    /// A load that appends, of the pipeline `test`.
    pub fn new(stream_name: impl Into<String>, run: impl Into<String>, schema: SchemaRef) -> Self {
        Self {
            pipeline: "test".to_owned(),
            stream_name: stream_name.into(),
            run: run.into(),
            write_mode: WriteMode::Append,
            sync_mode: SyncMode::FullRefresh,
            primary_key: Vec::new(),
            schema,
            snapshot: None,
            fresh: false,
            rejects: false,
            evolution: Evolution::default(),
            replay: false,
            newer_by: None,
        }
    }
}

/// How far a partition is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionCursor {
    /// The partition's id.
    pub partition: String,
    /// The cursor that covers what is durable.
    pub cursor: Cursor,
    /// Whether the partition has been written to its end.
    pub last: bool,
}

/// A load under way, as the destination's own durable record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The run that began it: not the requested one if an unfinished load is
    /// gone on with.
    pub run: String,
    /// Whether the requested run has been finished before; then there is
    /// nothing to do.
    pub complete: bool,
    /// The snapshot it was begun with.
    pub snapshot: Option<String>,
    /// How far each partition is durable.
    pub cursors: Vec<PartitionCursor>,
    /// The destination's own description; any instance of it can write from
    /// it.
    pub detail: String,
}

/// Data and cursor are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The cursor of the commit request.
    pub cursor: Cursor,
    /// Whether the request was the partition's last.
    pub last: bool,
    /// Rows written since the receipt before.
    pub rows: u64,
    /// Bytes written since the receipt before.
    pub bytes: u64,
}

impl Receipt {
    /// The answer to a commit request.
    pub fn of(request: &CommitRequest, rows: u64, bytes: u64) -> Self {
        Self {
            cursor: request.cursor.clone(),
            last: request.last,
            rows,
            bytes,
        }
    }
}

/// What a finished load has written, over all its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// What was written where, in the user's own names: files, a table.
    pub places: Vec<String>,
}

/// What a destination says while it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Data and cursor are durable.
    Committed(Receipt),
    /// Rows could not be written, or reached the destination as rejects. The
    /// host keeps them before anything that covers them is committed.
    Rejects(Vec<Reject>),
}

/// Writes streams of rows somewhere, exactly once.
///
/// A value is opened for each call: nothing is kept between `begin` and
/// `writer` but what the load's `detail` says. Partitions of a load may be
/// written at the same time, by other instances.
#[allow(
    async_fn_in_trait,
    reason = "a component runs on one thread; nothing has to be Send"
)]
pub trait Destination: Sized + 'static {
    /// What writes one partition.
    type Writer: Writer + 'static;

    /// What it is. Constant.
    fn spec() -> Spec;

    /// Makes it from its configuration. Reads the options, opens nothing.
    ///
    /// # Errors
    ///
    /// `configuration` for options that cannot work together.
    fn open(config: Config) -> Result<Self>;

    /// Whether the configuration works: reachable, writable.
    ///
    /// # Errors
    ///
    /// Why it does not.
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Once for a load: prepares staging and schema, mends what a crash left.
    ///
    /// # Errors
    ///
    /// Why the load cannot begin.
    async fn begin(&self, request: &LoadRequest) -> Result<Load>;

    /// Opens what writes a partition, after the cursor that the load has for
    /// it. Whatever an earlier writer left without a commit is discarded.
    ///
    /// # Errors
    ///
    /// Why the partition cannot be written.
    async fn writer(&self, load: &Load, partition: &str) -> Result<Self::Writer>;

    /// Once for a load, when all partitions are written: publishes what is not
    /// visible yet. Repeating it changes nothing.
    ///
    /// # Errors
    ///
    /// Why it cannot be published.
    async fn finish(&self, load: &Load) -> Result<Summary>;

    /// Discards the load.
    ///
    /// # Errors
    ///
    /// Why it cannot be discarded.
    async fn abort(&self, load: &Load) -> Result<()>;
}

/// Writes the rows of one partition.
///
/// It is dropped when the frames end or an error ends it: what has not been
/// committed by then has not happened.
#[allow(
    async_fn_in_trait,
    reason = "a component runs on one thread; nothing has to be Send"
)]
pub trait Writer {
    /// Learns the shape of the batches that follow. Called before the first
    /// batch, and again whenever it changes.
    ///
    /// # Errors
    ///
    /// `schema` if it cannot write this shape after the one before.
    async fn schema(&mut self, schema: SchemaRef) -> Result<()> {
        let _ = schema;
        Ok(())
    }

    /// Writes rows. They need not be durable yet.
    ///
    /// # Errors
    ///
    /// Why the partition cannot be written.
    async fn batch(&mut self, batch: RecordBatch) -> Result<()>;

    /// Applies changes. Refuses them unless it is written.
    ///
    /// # Errors
    ///
    /// As of [`Writer::batch`].
    async fn changes(&mut self, change: Change, batch: RecordBatch) -> Result<()> {
        let _ = (change, batch);
        let message = "this destination does not take changes, only rows";
        Err(Error::unsupported("changes-unsupported", message))
    }

    /// Writes rows in another format than Arrow's, one that the spec names
    /// under `takes`.
    ///
    /// # Errors
    ///
    /// As of [`Writer::batch`].
    async fn encoded(&mut self, batch: Batch) -> Result<()> {
        let message = format!("this destination does not take {:?}", batch.format);
        Err(Error::unsupported("format-unsupported", message))
    }

    /// Finds out which of the rows that it has been given cannot be written.
    /// Called before each commit, so that [`Writer::rejects`] can tell them
    /// before the commit that covers them. A writer that finds out as it goes
    /// need not write it.
    ///
    /// # Errors
    ///
    /// As of [`Writer::batch`].
    async fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Makes all that was written durable, together with the cursor, in one
    /// step that a crash cannot split. Durable when it returns.
    ///
    /// # Errors
    ///
    /// As of [`Writer::batch`]; then nothing since the last commit is durable.
    async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt>;

    /// The rows that could not be written since this was last asked. Asked
    /// after each batch and before each commit; a commit finds no more.
    fn rejects(&mut self) -> Vec<Reject> {
        Vec::new()
    }
}
