//! Waiting for a while, and not for longer.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use wasip2::clocks::monotonic_clock::subscribe_duration;

use crate::reactor::Source;
use crate::{Error, Result};

/// Waits for a while.
pub async fn sleep(duration: Duration) {
    #[cfg(feature = "wasip3")]
    if let Some(slept) = crate::component::sleep(duration) {
        return slept.await;
    }
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let timer = Source::new(subscribe_duration(nanoseconds));
    poll_fn(|context| timer.poll_ready(context)).await;
}

/// Does something, or gives up after a while.
///
/// # Errors
///
/// [`Error::Late`], with what was waited for; and what the work says.
pub async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match select(pin!(work), pin!(sleep(limit))).await {
        Either::Left((done, _)) => done,
        Either::Right(((), _)) => Err(Error::late(what, limit)),
    }
}
