//! When a cell is to end: Ctrl-C, or a request to terminate.
//!
//! Invariant: what was asked is never forgotten, however late it is looked at; of
//! several signals the first is the one that ends it.

use std::fmt;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What a user ends a cell by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Ctrl-C, which is SIGINT.
    Interrupted,
    /// SIGTERM, which `vesicle kill` sends.
    Terminated,
}

impl Asked {
    /// The status that shells give to what such a signal has ended: 128 and the
    /// signal's number.
    pub fn status(self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    fn signal(self) -> SignalKind {
        match self {
            Self::Interrupted => SignalKind::interrupt(),
            Self::Terminated => SignalKind::terminate(),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        })
    }
}

/// Knows whether the user wants it to end.
pub struct Ending(watch::Receiver<Option<Asked>>);

impl Ending {
    /// Listens from now on.
    pub fn listen() -> Self {
        let (ask, asked) = watch::channel(None);
        for by in [Asked::Interrupted, Asked::Terminated] {
            let Ok(mut signal) = signal(by.signal()) else {
                continue;
            };
            let ask = ask.clone();
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    ask.send_if_modified(|first| {
                        let is_first = first.is_none();
                        first.get_or_insert(by);
                        is_first
                    });
                }
            });
        }
        Self(asked)
    }

    /// Returns when it is to end.
    pub async fn asked(&self) -> Asked {
        let mut asked = self.0.clone();
        let by = asked.wait_for(Option::is_some).await;
        match by.map(|by| *by) {
            Ok(Some(by)) => by,
            // Nobody listens, so nobody can ask.
            _ => std::future::pending().await,
        }
    }

    /// What comes of some work, unless it is to end before.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Result<T, Asked> {
        tokio::select! {
            done = work => Ok(done),
            by = self.asked() => Err(by),
        }
    }
}
