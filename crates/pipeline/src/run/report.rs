//! What a run did, for programs. `docs/report.md` describes each field.

use serde::Serialize;
use vesicle_flow::Figures;
use vesicle_pool::Entry;

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this report's shape.
    pub report: u32,
    /// The pipeline.
    pub pipeline: String,
    /// The run.
    pub run: String,
    /// How it ended.
    pub status: Status,
    /// Whether an interrupted run was gone on with.
    pub resumed: bool,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Dead letters of the run, over all the times it was resumed.
    pub dead_letters: u64,
    /// The streams, in order.
    pub streams: Vec<StreamReport>,
    /// What the components reached for.
    pub audit: Vec<Entry>,
    /// Accesses that the audit had no room for.
    pub audit_dropped: u64,
    /// Milliseconds from start to end, compiling included.
    pub elapsed_ms: u64,
    /// Milliseconds of compiling, or of loading compiled code.
    pub compiling_ms: u64,
    /// The process's largest resident size so far, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// What it was after compiling, before data moved, in bytes.
    pub compiled_rss_bytes: Option<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All streams are complete.
    Completed,
    /// It was asked to end, and the next run goes on.
    Interrupted,
    /// It failed.
    Failed,
}

/// What a run did with one stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StreamReport {
    /// The stream.
    pub name: String,
    /// Whether it is complete.
    pub complete: bool,
    /// Rows that this run read.
    pub rows_read: u64,
    /// Bytes of the source that this run read.
    pub bytes_read: u64,
    /// Rows that this run made durable.
    pub rows_written: u64,
    /// Rows that this run left out, `on_data_error: skip` or `dlq`, as far as a
    /// commit covers them.
    pub rows_rejected: u64,
    /// Commits of this run.
    pub commits: u64,
    /// Rows of the whole load, over all its runs, once it is complete.
    pub rows_total: Option<u64>,
    /// Bytes of the whole load at the destination.
    pub bytes_total: Option<u64>,
    /// Where they are.
    pub places: Vec<String>,
    /// How often it was tried again.
    pub retries: u32,
    /// The most bytes that its queues held.
    pub queue_peak_bytes: u64,
    /// What the stages did.
    pub stages: Vec<Figures>,
}

/// The process's largest resident size, in bytes, where the system tells.
pub(crate) fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}
