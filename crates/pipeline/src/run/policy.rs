//! When a checkpoint becomes a commit request.
//!
//! Invariants: a commit request takes the place of a checkpoint, or stands
//! where nothing has passed since the checkpoint; so its cursor covers exactly
//! what came before it. The last request of a partition says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use vesicle_flow::{Pass, Sender, Stop};

use super::fail_point::fail_point;
use super::progress::StreamProgress;
use super::rejects::kept;
use crate::connector::bindings::types::{CommitRequest, Frame, Reject};
use crate::connector::{frame, limits};
use crate::document::Checkpoint;

/// Takes the rejects of a source that has been asked for so many commits.
type TakeReject = Arc<dyn Fn(u64, Reject) -> Result<(), String> + Send + Sync>;

/// Follows the frames of one partition and decides.
#[derive(Clone)]
pub(crate) struct Policy {
    limits: Checkpoint,
    stop: Stop,
    progress: Arc<StreamProgress>,
    take_reject: TakeReject,
    since: Arc<Mutex<Since>>,
}

/// What has passed since the last commit request.
struct Since {
    at: Instant,
    rows: u64,
    bytes: u64,
    /// The newest checkpoint, while nothing has passed after it.
    standing: Option<String>,
    /// The newest cursor of all.
    newest: String,
    /// How many requests there have been.
    requests: u64,
}

impl Policy {
    pub fn new(
        limits: Checkpoint,
        stop: Stop,
        progress: Arc<StreamProgress>,
        cursor: Option<String>,
        take_reject: TakeReject,
    ) -> Self {
        Self {
            limits,
            stop,
            progress,
            take_reject,
            since: Arc::new(Mutex::new(Since {
                at: Instant::now(),
                rows: 0,
                bytes: 0,
                standing: None,
                newest: cursor.unwrap_or_default(),
                requests: 0,
            })),
        }
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a frame of the source pass.
    pub fn pass(&self, frame: Frame) -> Pass<Frame> {
        let frame = match limits::within_limits(frame) {
            Pass::On(frame) => frame,
            refused => return refused,
        };
        let mut since = self.since();
        match frame {
            Frame::Settle(cursor) => {
                since.newest.clone_from(&cursor);
                match self.stop.is_asked() {
                    true => Pass::Last(since.request(cursor)),
                    false => Pass::On(since.request(cursor)),
                }
            }
            Frame::Checkpoint(cursor) => {
                since.newest.clone_from(&cursor);
                if self.stop.is_asked() {
                    return Pass::Last(since.request(cursor));
                }
                let limits = &self.limits;
                let due = since.rows > 0
                    && (since.bytes >= limits.bytes
                        || limits.rows.is_some_and(|rows| since.rows >= rows)
                        || since.at.elapsed() >= limits.interval);
                if due {
                    return Pass::On(since.request(cursor));
                }
                since.standing = Some(cursor);
                Pass::Kept
            }
            // A source has no business to ask for commits.
            Frame::Commit(_) => Pass::Kept,
            Frame::Reject(reject) => {
                since.standing = None;
                since.rows = since.rows.saturating_add(1);
                since.bytes += reject.row.len() as u64;
                self.progress.read(1, 0);
                kept((self.take_reject)(since.requests, reject))
            }
            frame => {
                if let Some(batch) = frame::batch(&frame) {
                    since.standing = None;
                    // What a source says of its rows need not be true. Even
                    // without rows a frame is something to commit.
                    since.rows = since.rows.saturating_add(batch.rows.max(1));
                    since.bytes += batch.payload.len() as u64;
                    self.progress.read(batch.rows, batch.source_bytes);
                }
                Pass::On(frame)
            }
        }
    }

    /// The request that ends the partition.
    pub fn last(&self) -> Frame {
        fail_point("commit-requested");
        Frame::Commit(CommitRequest {
            cursor: self.since().newest.clone(),
            last: true,
        })
    }

    /// Asks for a commit whenever the interval has passed and the source is
    /// silent after a checkpoint. Never returns.
    pub async fn tick(&self, frames: &Sender<Frame>) {
        let mut ticks = tokio::time::interval(self.limits.interval.max(MIN_INTERVAL));
        loop {
            ticks.tick().await;
            let mut since = self.since();
            let due = since.rows > 0 && since.at.elapsed() >= self.limits.interval;
            if due && let Some(cursor) = since.standing.clone() {
                let rows = since.rows;
                // Sent under the lock, so that no batch comes between the
                // checkpoint and its request. No room means no silence.
                let request = since.request(cursor.clone());
                if frames.try_send(request).is_err() {
                    since.requests -= 1;
                    since.rows = rows;
                    since.standing = Some(cursor);
                }
            }
        }
    }
}

/// The shortest interval at which silence is looked for.
const MIN_INTERVAL: std::time::Duration = std::time::Duration::from_millis(10);

impl Since {
    fn request(&mut self, cursor: String) -> Frame {
        fail_point("commit-requested");
        self.requests += 1;
        self.at = Instant::now();
        self.rows = 0;
        self.bytes = 0;
        self.standing = None;
        Frame::Commit(CommitRequest {
            cursor,
            last: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::bindings::types::{Batch, Format};
    use std::time::Duration;
    use vesicle_flow::{Gauge, queue};

    fn policy(rows: u64, interval: Duration) -> Policy {
        let limits = Checkpoint {
            bytes: u64::MAX,
            rows: Some(rows),
            interval,
        };
        let take = Arc::new(|_, _| Ok(()));
        Policy::new(limits, Stop::default(), Arc::default(), None, take)
    }

    fn batch(rows: u64) -> Frame {
        Frame::Batch(Batch {
            format: Format::ArrowIpc,
            rows,
            source_bytes: 1,
            payload: vec![0],
        })
    }

    fn commit(frame: &Frame) -> Option<(&str, bool)> {
        match frame {
            Frame::Commit(request) => Some((&request.cursor, request.last)),
            _ => None,
        }
    }

    #[test]
    fn a_checkpoint_becomes_a_commit_request_once_enough_rows_have_passed() {
        let policy = policy(10, Duration::from_secs(3600));
        assert!(matches!(policy.pass(batch(6)), Pass::On(_)));
        assert!(matches!(
            policy.pass(Frame::Checkpoint("a".into())),
            Pass::Kept
        ));
        assert!(matches!(policy.pass(batch(6)), Pass::On(_)));
        match policy.pass(Frame::Checkpoint("b".into())) {
            Pass::On(frame) => assert_eq!(commit(&frame), Some(("b", false))),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            policy.pass(Frame::Checkpoint("c".into())),
            Pass::Kept
        ));
        assert_eq!(commit(&policy.last()), Some(("c", true)));
    }

    #[test]
    fn a_source_that_waits_for_a_commit_gets_it_at_once() {
        let policy = policy(1_000, Duration::from_secs(3600));
        match policy.pass(Frame::Settle("a".into())) {
            Pass::On(frame) => assert_eq!(commit(&frame), Some(("a", false))),
            other => panic!("{other:?}"),
        }
        assert_eq!(commit(&policy.last()), Some(("a", true)));
    }

    #[test]
    fn a_source_that_asks_for_a_commit_itself_is_not_heard() {
        let policy = policy(1, Duration::ZERO);
        let request = CommitRequest {
            cursor: "mine".into(),
            last: true,
        };
        assert!(matches!(policy.pass(Frame::Commit(request)), Pass::Kept));
        assert_eq!(commit(&policy.last()), Some(("", true)));
    }

    #[test]
    fn asked_to_stop_the_next_checkpoint_is_committed_and_nothing_after_it_passes() {
        let policy = policy(1_000, Duration::from_secs(3600));
        policy.pass(batch(1));
        policy.stop.ask();
        match policy.pass(Frame::Checkpoint("a".into())) {
            Pass::Last(frame) => assert_eq!(commit(&frame), Some(("a", false))),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_silent_source_is_committed_by_the_clock_unless_rows_follow_the_checkpoint() {
        let policy = policy(1_000, Duration::from_millis(20));
        let (sender, mut receiver) = queue(1_000, Gauge::default());
        let ticking = {
            let policy = policy.clone();
            tokio::spawn(async move { policy.tick(&sender).await })
        };
        policy.pass(batch(1));
        tokio::time::sleep(Duration::from_millis(80)).await;
        let nothing = tokio::time::timeout(Duration::from_millis(1), receiver.receive()).await;
        assert!(nothing.is_err(), "no checkpoint covers the row yet");
        match policy.pass(Frame::Checkpoint("a".into())) {
            Pass::On(frame) => assert_eq!(commit(&frame), Some(("a", false))),
            other => panic!("{other:?}"),
        }
        policy.pass(batch(1));
        assert!(matches!(
            policy.pass(Frame::Checkpoint("b".into())),
            Pass::Kept
        ));
        let frame = receiver.receive().await.unwrap();
        assert_eq!(commit(&frame), Some(("b", false)));
        ticking.abort();
    }
}
