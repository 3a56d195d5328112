//! Work that goes on when whoever asked for it has given up.
//!
//! Invariant: work that has begun is polled to its end, by whoever asked or,
//! from the moment that this one is gone, by a task of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is done, until it is handed to a task.
pub(crate) struct Outliving<T: Send + 'static> {
    work: Option<Work<T>>,
    has_begun: bool,
}

impl<T: Send> Future for Outliving<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.has_begun = true;
        let Some(work) = &mut self.work else {
            // Polled after its end, which nobody does.
            return Poll::Pending;
        };
        let done = work.as_mut().poll(context);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for Outliving<T> {
    fn drop(&mut self) {
        let work = self.work.take().filter(|_| self.has_begun);
        // Without a runtime nothing runs any more.
        if let (Some(work), Ok(runtime)) = (work, Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

/// Does it, to its end.
pub(crate) fn outlive<T: Send + 'static>(work: Work<T>) -> Outliving<T> {
    Outliving {
        work: Some(work),
        has_begun: false,
    }
}
