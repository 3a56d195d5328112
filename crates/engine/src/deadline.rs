//! Waiting for something for some time, at no cost where there is no wait.
//!
//! The time begins when the work first gives way. A guest does so at the latest
//! at the next tick of the epoch, so it has a tick more than it was given.
//!
//! Invariant: no clock is read for work that is ready when it is first asked,
//! which most calls are.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Some work that is waited for no longer than some time; for ever without
/// one. Gives `None` where it is not done by then.
pub struct Within<F> {
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    work: F,
}

/// Waits for some work, no longer than some time.
pub fn within<F: Future>(limit: Option<Duration>, work: F) -> Within<F> {
    Within {
        limit,
        timer: None,
        work,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `work` is pinned structurally: it is never moved out of
        // `self`, `Within` has no `Drop` of its own, and the rest is not pinned.
        let (limit, timer, work) = unsafe {
            let this = self.get_unchecked_mut();
            (
                this.limit,
                &mut this.timer,
                Pin::new_unchecked(&mut this.work),
            )
        };
        if let Poll::Ready(done) = work.poll(context) {
            return Poll::Ready(Some(done));
        }
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(context).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_ready_is_had_even_without_any_time() {
        assert_eq!(within(Some(Duration::ZERO), async { 5 }).await, Some(5));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_not_waited_for() {
        let never = std::future::pending::<()>();
        assert_eq!(within(Some(Duration::from_millis(5)), never).await, None);
    }
}
