//! When a cell is to end: Ctrl-C, or a request to terminate.
//!
//! Invariant: what was asked is never forgotten, however late it is looked at.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Knows whether the user wants it to end.
pub struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Listens from now on.
    pub fn listen() -> Self {
        let (ask, asked) = watch::channel(false);
        let signals = [SignalKind::interrupt(), SignalKind::terminate()];
        for signal in signals.into_iter().filter_map(|kind| signal(kind).ok()) {
            let (mut signal, ask) = (signal, ask.clone());
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    ask.send_replace(true);
                }
            });
        }
        Self(asked)
    }

    /// Returns when it is to end.
    pub async fn asked(&self) {
        if self.0.clone().wait_for(|asked| *asked).await.is_err() {
            // Nobody listens, so nobody can ask.
            std::future::pending().await
        }
    }

    /// What comes of some work, or nothing if it is to end before.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.asked() => None,
        }
    }
}
