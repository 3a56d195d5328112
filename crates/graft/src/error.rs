//! What can go wrong between epochs.

use std::path::PathBuf;

use vesicle_membrane::Seal;
use vesicle_protocol::outcome_capnp::error;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that says which epoch there is cannot be watched.
    #[error("the file of the epoch, {}, cannot be watched: {reason}", file.display())]
    Watch {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Tells in an answer that the session of a seal is over.
pub fn stale(seal: &Seal, mut into: error::Builder<'_>) {
    let (issued, current) = (seal.issued(), seal.current());
    into.set_message(stale_message(issued, current));
    let mut stale = into.init_stale_epoch();
    stale.set_issued(issued);
    stale.set_current(current);
}

/// The same for people.
#[must_use]
pub fn stale_message(issued: u64, current: u64) -> String {
    format!("the session was of epoch {issued}, and this is epoch {current}; graft again to go on")
}
