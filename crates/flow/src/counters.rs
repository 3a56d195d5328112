//! What a stage has done, and what it is doing.
//!
//! Invariant: `busy` is the time in which the stage's task was being polled,
//! which for a guest is the time it computed; what is left of the wall time it
//! waited.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde::Serialize;

/// What a stage is doing at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Doing {
    /// It computes, or waits for something outside the flow.
    Working = 0,
    /// It waits for the stage before it.
    AwaitingInput = 1,
    /// It waits for room in the queue to the stage after it.
    AwaitingRoom = 2,
    /// It has ended.
    Ended = 3,
}

/// The counters of one stage. All are fed by the queues and the task of the
/// stage; nobody else writes them.
#[derive(Debug)]
pub struct Counters {
    /// The stage's name.
    pub name: String,
    born: Instant,
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    batches_in: AtomicU64,
    batches_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    busy_nanos: AtomicU64,
    polling: AtomicU8,
    doing: AtomicU8,
    /// Nanoseconds from `born` to the last time an item moved.
    moved_at: AtomicU64,
    /// What `busy_nanos` was then.
    busy_at_move: AtomicU64,
    ended_at: AtomicU64,
    /// Whether waiting for something outside is what the stage is for.
    waits: AtomicBool,
}

/// A reading of the counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// The stage's name.
    pub stage: String,
    /// Rows that came in.
    pub rows_in: u64,
    /// Rows that went out.
    pub rows_out: u64,
    /// Batches that came in.
    pub batches_in: u64,
    /// Batches that went out.
    pub batches_out: u64,
    /// Payload bytes that came in.
    pub bytes_in: u64,
    /// Payload bytes that went out.
    pub bytes_out: u64,
    /// Milliseconds in which the stage computed.
    pub busy_ms: u64,
    /// Milliseconds in which it waited.
    pub waiting_ms: u64,
    /// What it is doing now.
    pub doing: Doing,
}

impl Counters {
    /// The counters of a stage that begins now.
    #[must_use]
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            born: Instant::now(),
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            batches_in: AtomicU64::new(0),
            batches_out: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            polling: AtomicU8::new(0),
            doing: AtomicU8::new(Doing::Working as u8),
            moved_at: AtomicU64::new(0),
            busy_at_move: AtomicU64::new(0),
            ended_at: AtomicU64::new(0),
            waits: AtomicBool::new(false),
        })
    }

    /// A batch came in.
    pub fn took(&self, rows: u64, bytes: u64) {
        self.rows_in.fetch_add(rows, Relaxed);
        self.bytes_in.fetch_add(bytes, Relaxed);
        self.batches_in.fetch_add(1, Relaxed);
    }

    /// A batch went out.
    pub fn gave(&self, rows: u64, bytes: u64) {
        self.rows_out.fetch_add(rows, Relaxed);
        self.bytes_out.fetch_add(bytes, Relaxed);
        self.batches_out.fetch_add(1, Relaxed);
    }

    /// An item moved in or out, of whatever kind.
    pub fn moved(&self) {
        self.doing(Doing::Working);
        self.clear_stall();
    }

    fn clear_stall(&self) {
        self.moved_at.store(self.age_nanos(), Relaxed);
        self.busy_at_move
            .store(self.busy_nanos.load(Relaxed), Relaxed);
    }

    /// Says what the stage is doing from now on.
    pub fn doing(&self, doing: Doing) {
        let before = self.doing.swap(doing as u8, Relaxed);
        if before != doing as u8 && doing == Doing::Working {
            // Time spent waiting for a neighbour is not the stage's own.
            self.clear_stall();
        }
    }

    /// Says that the stage may wait for something outside as long as it likes:
    /// only the time that it computes counts as a stall.
    pub fn waits_for_others(&self) {
        self.waits.store(true, Relaxed);
    }

    /// For how long nothing has moved although no neighbour was waited for.
    #[must_use]
    pub fn stalled_for(&self) -> Duration {
        if self.doing.load(Relaxed) != Doing::Working as u8 {
            return Duration::ZERO;
        }
        match self.waits.load(Relaxed) {
            true => self.busy_unmoved(),
            false => self.unmoved_for(),
        }
    }

    /// How long it has computed since something moved.
    fn busy_unmoved(&self) -> Duration {
        let busy = self.busy_nanos.load(Relaxed);
        Duration::from_nanos(busy.saturating_sub(self.busy_at_move.load(Relaxed)))
    }

    fn unmoved_for(&self) -> Duration {
        Duration::from_nanos(self.age_nanos().saturating_sub(self.moved_at.load(Relaxed)))
    }

    /// Whether the stage computes while nothing moves, rather than waiting: it
    /// runs at this moment, or has for most of the stall.
    #[must_use]
    pub fn is_computing(&self) -> bool {
        self.waits.load(Relaxed)
            || self.polling.load(Relaxed) > 0
            || 2 * self.busy_unmoved() > self.unmoved_for()
    }

    /// The stage has ended.
    pub fn ended(&self) {
        self.ended_at.store(self.age_nanos().max(1), Relaxed);
        self.doing.store(Doing::Ended as u8, Relaxed);
    }

    /// A reading of all counters.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let busy = Duration::from_nanos(self.busy_nanos.load(Relaxed));
        let alive = match self.ended_at.load(Relaxed) {
            0 => self.born.elapsed(),
            nanos => Duration::from_nanos(nanos),
        };
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Figures {
            stage: self.name.clone(),
            rows_in: self.rows_in.load(Relaxed),
            rows_out: self.rows_out.load(Relaxed),
            batches_in: self.batches_in.load(Relaxed),
            batches_out: self.batches_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            busy_ms: millis(busy),
            waiting_ms: millis(alive.saturating_sub(busy)),
            doing: match self.doing.load(Relaxed) {
                1 => Doing::AwaitingInput,
                2 => Doing::AwaitingRoom,
                3 => Doing::Ended,
                _ => Doing::Working,
            },
        }
    }

    fn age_nanos(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A future whose polls count as busy time of a stage.
pub(crate) struct Timed<F> {
    counters: Arc<Counters>,
    future: Pin<Box<F>>,
}

impl<F: Future> Timed<F> {
    pub fn new(counters: Arc<Counters>, future: F) -> Self {
        Self {
            counters,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = Instant::now();
        self.counters.polling.store(1, Relaxed);
        let polled = self.future.as_mut().poll(context);
        self.counters.polling.store(0, Relaxed);
        let took = u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counters.busy_nanos.fetch_add(took, Relaxed);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn busy_time_is_the_time_spent_computing_and_not_waiting() {
        let counters = Counters::new("x");
        Timed::new(Arc::clone(&counters), async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let end = Instant::now() + Duration::from_millis(50);
            while Instant::now() < end {}
        })
        .await;
        let figures = counters.figures();
        assert!((50..150).contains(&figures.busy_ms), "{figures:?}");
        assert!(figures.waiting_ms >= 150, "{figures:?}");
    }

    #[tokio::test]
    async fn a_stage_that_gives_way_now_and_then_still_computes() {
        let counters = Counters::new("x");
        let spin = async {
            for _ in 0..20 {
                let end = Instant::now() + Duration::from_millis(5);
                while Instant::now() < end {}
                tokio::task::yield_now().await;
            }
        };
        Timed::new(Arc::clone(&counters), spin).await;
        assert!(counters.is_computing());
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(!counters.is_computing());
    }

    #[tokio::test]
    async fn a_stage_that_waits_for_others_stalls_only_by_what_it_computes() {
        let counters = Counters::new("x");
        counters.waits_for_others();
        let spin = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            // It wakes after a while, and is looked at.
            assert!(counters.stalled_for() < Duration::from_millis(50));
            for _ in 0..10 {
                let end = Instant::now() + Duration::from_millis(10);
                while Instant::now() < end {}
                tokio::task::yield_now().await;
            }
        };
        Timed::new(Arc::clone(&counters), spin).await;
        assert!(counters.stalled_for() >= Duration::from_millis(90));
        assert!(counters.is_computing());
        counters.moved();
        assert_eq!(counters.stalled_for(), Duration::ZERO);
    }

    #[test]
    fn waiting_for_a_neighbour_is_no_stall() {
        let counters = Counters::new("x");
        counters.doing(Doing::AwaitingRoom);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(counters.stalled_for(), Duration::ZERO);
        counters.doing(Doing::Working);
        assert!(counters.stalled_for() < Duration::from_millis(15));
    }
}
