//! How far a run is, for whoever wants to look.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vesicle_flow::{Counters, Figures, Gauge};

/// What a run says while it runs.
pub type Notices = Box<dyn Fn(&str) + Send + Sync>;

/// How far a run is.
pub struct Progress {
    began: Instant,
    streams: Mutex<Vec<Arc<StreamProgress>>>,
    notices: Notices,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

/// How far a stream is.
#[derive(Debug, Default)]
pub struct StreamProgress {
    name: String,
    rows_read: AtomicU64,
    bytes_read: AtomicU64,
    rows_committed: AtomicU64,
    bytes_committed: AtomicU64,
    rows_rejected: AtomicU64,
    commits: AtomicU64,
    /// Bytes that are there to read, or zero where nobody knows.
    bytes_in_all: AtomicU64,
    stages: Mutex<Vec<Arc<Counters>>>,
    /// What the queues of the stream hold.
    pub gauge: Gauge,
}

/// A reading of the progress of all streams together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Rows read by this run.
    pub rows_read: u64,
    /// Bytes of the source read by this run.
    pub bytes_read: u64,
    /// Rows made durable by this run.
    pub rows_committed: u64,
    /// Commits of this run.
    pub commits: u64,
    /// Bytes there are to read, where it is known.
    pub bytes_in_all: Option<u64>,
    /// Since the run began.
    pub elapsed: Duration,
}

impl Progress {
    /// The progress of a run that begins now, which says things to `notices`.
    #[must_use]
    pub fn new(notices: Notices) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            streams: Mutex::default(),
            notices,
        })
    }

    /// Says something to the user.
    pub fn say(&self, notice: &str) {
        (self.notices)(notice);
    }

    pub(crate) fn stream(&self, name: &str) -> Arc<StreamProgress> {
        let progress = Arc::new(StreamProgress {
            name: name.to_owned(),
            ..StreamProgress::default()
        });
        self.streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&progress));
        progress
    }

    /// How far the run is now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |get: fn(&StreamProgress) -> &AtomicU64| {
            let loads = streams.iter().map(|stream| get(stream).load(Relaxed));
            loads.fold(0, u64::saturating_add)
        };
        let in_all = sum(|s| &s.bytes_in_all);
        Reading {
            rows_read: sum(|s| &s.rows_read),
            bytes_read: sum(|s| &s.bytes_read),
            rows_committed: sum(|s| &s.rows_committed),
            commits: sum(|s| &s.commits),
            bytes_in_all: (in_all > 0).then_some(in_all),
            elapsed: self.began.elapsed(),
        }
    }

    /// The name of the stream that moves now.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.last().map(|stream| stream.name.clone())
    }
}

impl StreamProgress {
    pub(crate) fn read(&self, rows: u64, bytes: u64) {
        self.rows_read.fetch_add(rows, Relaxed);
        self.bytes_read.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn committed(&self, rows: u64, bytes: u64) {
        self.rows_committed.fetch_add(rows, Relaxed);
        self.bytes_committed.fetch_add(bytes, Relaxed);
        self.commits.fetch_add(1, Relaxed);
    }

    pub(crate) fn rejected(&self, rows: u64) {
        self.rows_rejected.fetch_add(rows, Relaxed);
    }

    pub(crate) fn rows_rejected(&self) -> u64 {
        self.rows_rejected.load(Relaxed)
    }

    pub(crate) fn expect(&self, bytes: u64) {
        self.bytes_in_all.store(bytes, Relaxed);
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    pub(crate) fn rows_committed(&self) -> u64 {
        self.rows_committed.load(Relaxed)
    }

    pub(crate) fn rows_read(&self) -> u64 {
        self.rows_read.load(Relaxed)
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    pub(crate) fn add_stage(&self, counters: &Arc<Counters>) {
        self.stages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(counters));
    }

    /// What the stages have done, in order.
    #[must_use]
    pub fn stages(&self) -> Vec<Figures> {
        self.stages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|stage| stage.figures())
            .collect()
    }
}
