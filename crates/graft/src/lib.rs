//! Membranes over Cap'n Proto: sessions of whatever kind, each for an epoch.
//!
//! A [`Graft`] answers the calls of `membrane.capnp` for sessions that somebody
//! else fills, and gives each a seal of the epoch. What serves a session looks at
//! its seal itself, and answers with a stale epoch as data; a capability that
//! knows nothing of epochs is put behind a [`guard`], which lets nothing through
//! once its seal is broken, and neither what came through it before.
//!
//! Epochs advance by whoever holds the membrane: the program, a file
//! ([`EpochFile`]), or a call ([`Epochs`]).
//!
//! Invariants: who is not asked for its name where the membrane wants one gets no
//! session; a broken seal ends calls under way as well as new ones.
#![deny(missing_docs)]

mod epochs;
mod error;
mod file;
mod graft;
mod guard;
mod signer;

pub use epochs::Epochs;
pub use error::{Error, stale, stale_message};
pub use file::EpochFile;
pub use graft::{Graft, Sessions};
pub use guard::guard;
pub use signer::{Key, Signers};

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;
