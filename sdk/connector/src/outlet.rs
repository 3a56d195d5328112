//! Where frames and events go: out of the sandbox, or into a channel where a
//! connector runs natively.
//!
//! Invariant: a send resolves when the reader has taken the item or there is
//! room for it; this is where back-pressure comes from.

use futures::SinkExt;
use futures::channel::mpsc;
use futures::future::LocalBoxFuture;

use crate::error::{Error, Result};

/// The writing end of a stream.
pub(crate) trait Writable<T> {
    /// Waits until the reader takes the item; whether it did.
    fn write(&mut self, item: T) -> LocalBoxFuture<'_, bool>;
}

/// A stream's writing end that remembers when its reader has hung up.
pub(crate) struct Outlet<T> {
    writable: Box<dyn Writable<T>>,
    stopped: bool,
}

impl<T> Outlet<T> {
    pub(crate) fn new(writable: impl Writable<T> + 'static) -> Self {
        Self {
            writable: Box::new(writable),
            stopped: false,
        }
    }

    /// Sends, or answers [`Error::stopped`] once nobody reads.
    pub(crate) async fn send(&mut self, item: T) -> Result<()> {
        if !self.stopped {
            self.stopped = !self.writable.write(item).await;
        }
        if self.stopped {
            Err(Error::stopped())
        } else {
            Ok(())
        }
    }
}

impl<T> Writable<T> for mpsc::Sender<T> {
    fn write(&mut self, item: T) -> LocalBoxFuture<'_, bool> {
        Box::pin(async move { self.send(item).await.is_ok() })
    }
}
