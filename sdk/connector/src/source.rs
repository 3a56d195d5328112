//! What a source is: something that tells which streams it has, lays a stream
//! out in partitions, and reads a partition from a cursor on.

use std::any::Any;

use arrow_schema::SchemaRef;

use crate::config::Config;
use crate::emitter::Emitter;
use crate::error::Result;
use crate::frame::{Cursor, Estimate};
use crate::spec::{Format, Spec, SyncMode};

/// Something that can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamInfo {
    /// Its name, as the document would say it.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// The columns that identify a row, if any do.
    pub key: Vec<String>,
    /// How it can be read.
    pub sync_modes: Vec<SyncMode>,
    /// How much there is.
    pub estimate: Estimate,
}

/// What the document asks of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRequest {
    /// The name of the pipeline, for what the source keeps at a server.
    pub pipeline: String,
    /// The name of the stream.
    pub name: String,
    /// How to read it.
    pub sync_mode: SyncMode,
    /// The column by which rows are newer or older.
    pub cursor_field: Option<String>,
    /// The column that orders rows of the same `cursor_field`.
    pub tie_breaker_field: Option<String>,
    /// The columns that identify a row.
    pub primary_key: Vec<String>,
    /// The columns to read. Empty means all.
    pub columns: Vec<String>,
    /// The column to cut partitions by.
    pub partition_key: Option<String>,
    /// How many partitions may be read at once; at least 1.
    pub parallelism: u32,
    /// How batches may be written, best first. Arrow is always among them.
    pub accepts: Vec<Format>,
    /// Whether a row that cannot be read is wanted as a reject. If not, the
    /// first one is an error.
    pub rejects: bool,
}

impl StreamRequest {
    /// A full refresh of all columns, one partition at a time.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            pipeline: String::new(),
            name: name.into(),
            sync_mode: SyncMode::FullRefresh,
            cursor_field: None,
            tie_breaker_field: None,
            primary_key: Vec::new(),
            columns: Vec::new(),
            partition_key: None,
            parallelism: 1,
            accepts: vec![Format::ArrowIpc],
            rejects: false,
        }
    }
}

impl From<&str> for StreamRequest {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<&StreamRequest> for StreamRequest {
    fn from(request: &StreamRequest) -> Self {
        request.clone()
    }
}

/// A part of a stream that is read on its own and has its own cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// The same from run to run for as long as the snapshot is the same.
    pub id: String,
    /// The source's own description; any instance of the source can read the
    /// partition from it.
    pub detail: String,
    /// How much there is.
    pub estimate: Estimate,
}

impl Partition {
    /// A partition of unknown size.
    pub fn new(id: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            detail: detail.into(),
            estimate: Estimate::default(),
        }
    }
}

/// How a stream is going to be read.
pub struct Plan {
    /// Names the state of the data that the plan sees. Two plans with the same
    /// snapshot see the same rows in the same order; without one, an
    /// interrupted full refresh starts again.
    pub snapshot: Option<String>,
    /// The columns, in the order in which they are read.
    pub schema: SchemaRef,
    /// How batches will be written: one of those that the request accepts.
    pub format: Format,
    /// The parts to be read, each on its own, perhaps by other instances.
    pub partitions: Vec<Partition>,
    /// Whatever must stay open while they are: dropped when the host is done.
    pub hold: Option<Box<dyn Any>>,
}

impl Plan {
    /// A plan without a snapshot that holds nothing open, and emits Arrow.
    pub fn new(schema: SchemaRef, partitions: Vec<Partition>) -> Self {
        Self {
            snapshot: None,
            schema,
            format: Format::ArrowIpc,
            partitions,
            hold: None,
        }
    }

    /// The same plan over a named state of the data.
    pub fn with_snapshot(mut self, snapshot: impl Into<String>) -> Self {
        self.snapshot = Some(snapshot.into());
        self
    }

    /// The same plan with batches written in a format that the request accepts.
    pub fn emitting(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// The same plan, which keeps this until the host is done with it.
    pub fn holding(mut self, hold: impl Any) -> Self {
        self.hold = Some(Box::new(hold));
        self
    }
}

/// Reads streams of rows from somewhere.
///
/// A value is opened for each call: nothing is kept between `plan` and `read`
/// but what the partition's `detail` says.
#[allow(
    async_fn_in_trait,
    reason = "a component runs on one thread; nothing has to be Send"
)]
pub trait Source: Sized + 'static {
    /// What it is. Constant.
    fn spec() -> Spec;

    /// Makes it from its configuration. Reads the options, opens nothing.
    ///
    /// # Errors
    ///
    /// `configuration` for options that cannot work together.
    fn open(config: Config) -> Result<Self>;

    /// Whether the configuration works: reachable, readable.
    ///
    /// # Errors
    ///
    /// Why it does not.
    async fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The streams there are.
    ///
    /// # Errors
    ///
    /// Why they cannot be told.
    async fn discover(&self) -> Result<Vec<StreamInfo>>;

    /// Lays a stream out in partitions.
    ///
    /// # Errors
    ///
    /// `not-found` for a stream there is not, `configuration` for a request
    /// that cannot be met.
    async fn plan(&self, request: &StreamRequest) -> Result<Plan>;

    /// Reads a partition from the cursor on, or from its start: emits exactly
    /// the rows that come after the cursor, and ends with a checkpoint.
    /// Returning `Ok` says that the partition has been read to its end.
    ///
    /// # Errors
    ///
    /// What was emitted before an error stands. Pass the emitter's own errors
    /// on with `?`.
    async fn read(
        &self,
        request: &StreamRequest,
        partition: &Partition,
        cursor: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()>;
}
