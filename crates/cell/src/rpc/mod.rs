//! What answers a cell's calls.
//!
//! Invariants: everything that came with a session looks at the session's seal, at
//! each call and while a call waits; nothing of capnp's that belongs to one thread
//! leaves this module but as a capability.

mod byte_stream;
mod executor;
mod host;
mod outside;
mod process;
mod program;
mod session;

pub(crate) use outside::Outside;
pub(crate) use session::Context;

use vesicle_membrane::Seal;

use crate::{Error, Result};

/// Does something for as long as a seal is whole.
async fn sealed<T>(seal: &Seal, work: impl Future<Output = Result<T>>) -> Result<T> {
    let whole = || seal.check().map_err(|_| Error::stale(seal));
    whole()?;
    let mut work = std::pin::pin!(work);
    // Most is done at once.
    if let Some(done) = futures::FutureExt::now_or_never(work.as_mut()) {
        return done;
    }
    tokio::select! {
        biased;
        _ = seal.broken() => Err(Error::stale(seal)),
        done = work => done,
    }
}
