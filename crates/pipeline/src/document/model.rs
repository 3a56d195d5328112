//! What a pipeline document says.
//!
//! These types cannot hold what a document may not say: an incremental stream
//! has its cursor column, a stream that is upserted its key, and names, sizes
//! and hosts are what their keys take. Positions are kept where a later error
//! may have to point at the text.

use super::diagnostic::{Diagnostic, Position, Spanned};
use super::endpoint::Endpoint;
use super::redact::Redactor;
use super::value::Value;
use super::words::{
    Compression, NewColumn, Nullability, OnDataError, RemovedColumn, SyncWord, TypeChange,
    WriteMode,
};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A pipeline, as its document describes it.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// The document's name, as the user gave it.
    pub path: String,
    /// Its text, to show lines of.
    pub text: String,
    /// The pipeline's name: up to 128 letters, digits, `_`, `.` and `-`.
    pub pipeline: Spanned<String>,
    /// Where rows come from.
    pub source: Source,
    /// What rows pass through, in order; their names are distinct.
    pub transforms: Vec<Transform>,
    /// Where rows go.
    pub destination: Destination,
    /// Where state is kept.
    pub state: StateStore,
    /// How often data becomes durable.
    pub checkpoint: Checkpoint,
    /// What the run may use.
    pub resources: Resources,
    pub(super) environment: BTreeMap<String, String>,
}

impl Document {
    /// A diagnostic about a place in this document.
    pub fn diagnostic(&self, position: Position, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.path, position, message)
    }

    /// What hides every value that this document took from the environment,
    /// showing `${NAME}` in its place.
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        for (name, value) in &self.environment {
            redactor.add_variable(name, value);
        }
        redactor
    }

    /// The environment variables that were substituted, by name.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.environment.keys().map(String::as_str)
    }
}

/// Names the pipeline and nothing else: values may be secret.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("path", &self.path)
            .field("pipeline", &self.pipeline.value)
            .finish_non_exhaustive()
    }
}

/// A connector, as a section of the document names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Connector {
    /// A name on the search path, or the path of a component.
    pub uses: Spanned<String>,
    /// Its own keys, unchecked: a map. [`check_config`](super::check_config)
    /// checks it against the connector's options.
    pub config: Value,
    /// What it may reach beyond what its `config` names.
    pub permissions: Permissions,
    /// What it may use.
    pub limits: Limits,
}

/// `source`.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The connector.
    pub connector: Connector,
    /// What is read.
    pub streams: Streams,
}

/// `source.streams`.
#[derive(Clone, Debug, PartialEq)]
pub enum Streams {
    /// `"*"`: every stream that the source has, each in full.
    All {
        /// Where the `"*"` stands.
        position: Position,
        /// `destination.primary_key`.
        primary_key: Vec<String>,
    },
    /// These; at least one, and no name twice.
    Named(Vec<Stream>),
}

/// A stream that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Its name at the source.
    pub name: Spanned<String>,
    /// What a run reads.
    pub sync: SyncMode,
    /// The columns that identify a row: its own, else the destination's, else
    /// none. Never none with [`WriteMode::Upsert`].
    pub primary_key: Vec<Spanned<String>>,
    /// The columns that are read; empty means all.
    pub columns: Vec<Spanned<String>>,
    /// The column that divides the stream into partitions.
    pub partition_key: Option<Spanned<String>>,
}

/// What a run reads of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum SyncMode {
    /// Everything.
    FullRefresh,
    /// What is new since the run before.
    Incremental {
        /// The column that grows with every change.
        cursor_field: Spanned<String>,
        /// The column that orders rows with the same cursor.
        tie_breaker_field: Option<Spanned<String>>,
    },
    /// Changes from the source's log, after a snapshot.
    Cdc,
}

impl SyncMode {
    /// The word that the document has for it.
    pub fn word(&self) -> SyncWord {
        match self {
            SyncMode::FullRefresh => SyncWord::FullRefresh,
            SyncMode::Incremental { .. } => SyncWord::Incremental,
            SyncMode::Cdc => SyncWord::Cdc,
        }
    }
}

/// An item of `transforms`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// What reports call it; no two are the same.
    pub name: String,
    /// The connector.
    pub connector: Connector,
}

/// `destination`.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// The connector.
    pub connector: Connector,
    /// What becomes of the rows that are there already, and where it says so.
    pub write_mode: Spanned<WriteMode>,
    /// What becomes of a row that cannot be read, changed or written.
    pub on_data_error: OnDataError,
    /// What happens when the shape of the data changes.
    pub schema_evolution: SchemaEvolution,
}

/// `destination.schema_evolution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaEvolution {
    /// A column that the destination lacks.
    pub new_column: NewColumn,
    /// A column that the source lacks.
    pub removed_column: RemovedColumn,
    /// A column of another type.
    pub type_change: TypeChange,
    /// A column that may be NULL and may not be at the destination.
    pub nullability: Nullability,
}

/// `permissions` of a connector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions {
    /// Hosts and ports it may connect to.
    pub connect: Vec<Spanned<Endpoint>>,
    /// Files and folders it may read, as written.
    pub read: Vec<Spanned<String>>,
    /// Folders it may write to, as written.
    pub write: Vec<Spanned<String>>,
    /// Environment variables it may see.
    pub env: Vec<Spanned<String>>,
}

/// `limits` of a connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory; without it, [`Resources::memory`] holds.
    pub memory: Option<u64>,
    /// How long it may make no progress; without it, for ever.
    pub idle_timeout: Option<Duration>,
    /// Fuel for the whole run; without it, none is counted.
    pub fuel: Option<u64>,
}

/// `state`.
#[derive(Clone, PartialEq)]
pub enum StateStore {
    /// A SQLite file, relative to the document.
    Sqlite(Spanned<String>),
    /// A PostgreSQL database, by URL. The URL may hold a password.
    Postgres(Spanned<String>),
}

/// Leaves the URL out.
impl fmt::Debug for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateStore::Sqlite(path) => write!(f, "Sqlite({:?})", path.value),
            StateStore::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

/// `checkpoint`: a commit is due when one of these is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Bytes since the commit before.
    pub bytes: u64,
    /// Rows since the commit before.
    pub rows: Option<u64>,
    /// Time since the commit before.
    pub interval: Duration,
}

/// `resources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory for each connector without a limit of its own.
    pub memory: u64,
    /// Bytes that wait between the stages of one stream, over all its queues.
    pub queue: u64,
    /// Streams or partitions that are moved at the same time; at least 1.
    pub parallelism: u32,
    /// How batches are compressed between stages.
    pub compression: Compression,
}
