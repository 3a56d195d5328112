//! Asking a flow to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// A request to end, in two steps: first at the next commit, then at once.
/// Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    waiting: CancellationToken,
    now: CancellationToken,
}

impl Stop {
    /// Asks for an end at the next commit.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.waiting.cancel();
    }

    /// Ends everything at once; what is not committed is lost to this run.
    pub fn force(&self) {
        self.ask();
        self.now.cancel();
    }

    /// Whether an end was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether an end at once was asked for.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.now.is_cancelled()
    }

    /// Waits until an end is asked for.
    pub async fn asked(&self) {
        self.waiting.cancelled().await;
    }

    /// Waits until an end at once is asked for.
    pub async fn forced(&self) {
        self.now.cancelled().await;
    }
}
