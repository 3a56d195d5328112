//! What the state is made of.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::{Serialize, Serializer};
use std::fmt;

/// Now, in milliseconds.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    let milliseconds = TimestampRound::new()
        .smallest(Unit::Millisecond)
        .mode(RoundMode::Trunc);
    now.round(milliseconds).unwrap_or(now)
}

/// A time as RFC 3339 writes it.
fn text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn optional_text<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => text(time, serializer),
        None => serializer.serialize_none(),
    }
}

macro_rules! statuses {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident {
            $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant,)+
        }

        impl $name {
            /// How it is stored and printed.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($name::$variant),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

statuses! {
    /// How a run stands. One that is running, failed or interrupted is open:
    /// the next run goes on with it.
    pub enum RunStatus {
        /// It is under way, or its process was killed.
        Running = "running",
        /// It did all there was to do.
        Completed = "completed",
        /// It ended with an error, and can be resumed.
        Failed = "failed",
        /// It was asked to stop, and can be resumed.
        Interrupted = "interrupted",
        /// It was given up, and is not resumed.
        Abandoned = "abandoned",
    }
}

impl RunStatus {
    /// Whether the next run goes on with it.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            RunStatus::Running | RunStatus::Failed | RunStatus::Interrupted
        )
    }
}

statuses! {
    /// How a stream of a run stands.
    pub enum StreamStatus {
        /// It is under way, or was when the run ended.
        Running = "running",
        /// All of it is written and published.
        Completed = "completed",
        /// It ended with an error.
        Failed = "failed",
    }
}

/// A run of a pipeline, over all the times it was resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// A UUID of version 7, so that runs sort by the time they began.
    pub id: String,
    /// The pipeline.
    pub pipeline: String,
    /// When it began.
    #[serde(serialize_with = "text")]
    pub started: Timestamp,
    /// When it ended, if it has.
    #[serde(serialize_with = "optional_text")]
    pub ended: Option<Timestamp>,
    /// How it stands.
    pub status: RunStatus,
    /// How many times it was begun or resumed.
    pub attempts: u64,
    /// Rows that it made durable.
    pub rows: u64,
    /// Bytes that it made durable.
    pub bytes: u64,
    /// Why it ended, if it failed.
    pub error: Option<String>,
}

/// A stream of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamState {
    /// The stream.
    pub stream: String,
    /// The run.
    pub run: String,
    /// The snapshot that the source reads.
    pub snapshot: Option<String>,
    /// How it stands.
    pub status: StreamStatus,
    /// Rows made durable in this run.
    pub rows: u64,
    /// Bytes made durable in this run.
    pub bytes: u64,
}

/// How a stream begins within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From nothing: its cursors are forgotten, and what it did earlier in
    /// this run is not counted.
    Afresh,
    /// From its cursors.
    Onward,
}

/// How far a partition of a stream is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionState {
    /// The stream.
    pub stream: String,
    /// The partition.
    pub partition: String,
    /// The run that moved the cursor last.
    pub run: String,
    /// All that came before is durable; only the source reads it.
    pub cursor: String,
    /// Whether the partition has been written to its end.
    pub last: bool,
    /// The number of the commit that moved the cursor last.
    pub sequence: u64,
    /// Rows made durable in the run.
    pub rows: u64,
    /// Bytes made durable in the run.
    pub bytes: u64,
    /// When the cursor moved last.
    #[serde(serialize_with = "text")]
    pub updated: Timestamp,
}

/// Names a partition of a stream within a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    /// The run.
    pub run: String,
    /// The stream.
    pub stream: String,
    /// The partition.
    pub partition: String,
}

/// A commit that the destination has made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What was committed.
    pub slice: Slice,
    /// The number of the commit: it grows within a partition, from
    /// [`PartitionState::sequence`] on.
    pub sequence: u64,
    /// All that came before is durable.
    pub cursor: String,
    /// Whether the partition has been written to its end.
    pub last: bool,
    /// Rows since the commit before.
    pub rows: u64,
    /// Bytes since the commit before.
    pub bytes: u64,
}

/// A cursor that the destination has a durable record of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptedCursor {
    /// The partition.
    pub partition: String,
    /// All that came before is durable.
    pub cursor: String,
    /// Whether the partition has been written to its end.
    pub last: bool,
}

/// A cursor that was adopted although the state had another, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedCursor {
    /// The partition.
    pub partition: String,
    /// What the state had.
    pub before: Option<String>,
    /// What the destination has; `None` if it does not know the partition.
    pub now: Option<String>,
}

/// Whether a pipeline's name was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The state had not heard of it.
    New,
    /// It belongs to this source already.
    Known,
}

/// A pipeline, in a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PipelineSummary {
    /// Its name.
    pub pipeline: String,
    /// What source it belongs to.
    pub identity: serde_json::Value,
    /// When it was run first.
    #[serde(serialize_with = "text")]
    pub created: Timestamp,
    /// The run that began last.
    pub last_run: Option<Run>,
    /// How many partitions have a cursor.
    pub cursors: u64,
    /// How many dead letters are kept.
    pub letters: u64,
}

/// All about a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PipelineState {
    /// The pipeline, in a line.
    #[serde(flatten)]
    pub summary: PipelineSummary,
    /// The runs that began last, the newest first; twenty at most.
    pub runs: Vec<Run>,
    /// The streams of the newest run.
    pub streams: Vec<StreamState>,
    /// The cursors.
    pub partitions: Vec<PartitionState>,
}

/// What a reset removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Runs.
    pub runs: u64,
    /// Cursors.
    pub cursors: u64,
    /// Dead letters.
    pub letters: u64,
}

/// The name under which the replays of a pipeline's dead letters are kept: that
/// of no pipeline.
#[must_use]
pub fn replays_of(pipeline: &str) -> String {
    format!("{pipeline}/dead-letters")
}

/// A row that could not be passed on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLetter {
    /// Who could not pass it on, `source orders`: the row has the shape of what
    /// goes into that stage.
    pub stage: String,
    /// The row, as JSON or as found.
    pub row: String,
    /// The category of the error.
    pub category: String,
    /// The name of the error within the connector.
    pub code: String,
    /// What happened, for people.
    pub message: String,
}

/// A dead letter whose commit is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Its number; later letters have larger ones.
    pub id: i64,
    /// The pipeline.
    pub pipeline: String,
    /// The run.
    pub run: String,
    /// The stream.
    pub stream: String,
    /// The partition.
    pub partition: String,
    /// Who could not pass it on; see [`NewLetter::stage`]. Empty if it was kept
    /// before that was noted.
    pub stage: String,
    /// The row, as JSON or as found.
    pub row: String,
    /// The category of the error.
    pub category: String,
    /// The name of the error within the connector.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// When it was stored.
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
}

/// Which dead letters are meant: those of a pipeline and of its replays that
/// are complete.
#[derive(Clone, Debug, Default)]
pub struct LetterQuery {
    /// The pipeline.
    pub pipeline: String,
    /// Only this one.
    pub id: Option<i64>,
    /// Only those that this replay has claimed.
    pub claimed_by: Option<String>,
    /// Only of this stream.
    pub stream: Option<String>,
    /// Only of this run.
    pub run: Option<String>,
    /// Only with a larger number than this.
    pub after: Option<i64>,
    /// How many at most; 0 for all.
    pub limit: u32,
}
