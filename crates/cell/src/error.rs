//! What can go wrong for who uses a cell, inside or outside.
//!
//! Each kind is one of `outcome.capnp`, so that a program inside can tell them
//! apart too.

use std::time::Duration;

use capnp::traits::Owned;
use vesicle_membrane::Seal;
use vesicle_protocol::outcome_capnp::{Resource, Side, error, outcome};

/// An error of cells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The session's epoch is over.
    #[error("{}", vesicle_graft::stale_message(*issued, *current))]
    StaleEpoch {
        /// The epoch of the session.
        issued: u64,
        /// The epoch there is.
        current: u64,
    },
    /// Something was waited for as long as it may be.
    #[error("{what} within {} ms; {}", limit.as_millis(), stuck(*side))]
    Late {
        /// What has not happened.
        what: String,
        /// How long it was waited for.
        limit: Duration,
        /// Which end of the link does not go on.
        side: Side,
    },
    /// There is no more of something.
    #[error("out of {}: {reason}", name(*what))]
    Exhausted {
        /// What there is no more of.
        what: Resource,
        /// Of how much, and of whose.
        reason: String,
    },
    /// Whoever asked may not.
    #[error("{0}")]
    Denied(String),
    /// What was given cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// Each waits for the next, and the last for the first.
    #[error("each waits for the next one to end: {}", .0.join(" -> "))]
    Circle(Vec<String>),
    /// There is no way to a peer, or for peers to this host.
    #[error("{0}")]
    Unreachable(String),
    /// It has ended or was closed.
    #[error("{0}")]
    Gone(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn stuck(side: Side) -> &'static str {
    match side {
        Side::Host => "the host's side does not go on",
        Side::Guest => "the guest's side does not go on",
    }
}

/// What a resource is called.
pub(crate) fn name(resource: Resource) -> &'static str {
    match resource {
        Resource::Fuel => "fuel",
        Resource::Memory => "memory",
        Resource::Time => "time",
        Resource::Processes => "processes",
    }
}

impl Error {
    /// That the session of a seal is over.
    #[must_use]
    pub fn stale(seal: &Seal) -> Self {
        Self::StaleEpoch {
            issued: seal.issued(),
            current: seal.current(),
        }
    }

    /// Puts it into an answer.
    pub fn tell<T: Owned>(&self, answer: outcome::Builder<'_, T>) {
        self.write(answer.init_error());
    }

    fn write(&self, mut error: error::Builder<'_>) {
        error.set_message(self.to_string());
        match self {
            Self::StaleEpoch { issued, current } => {
                let mut stale = error.init_stale_epoch();
                stale.set_issued(*issued);
                stale.set_current(*current);
            }
            Self::Late { limit, side, .. } => {
                let mut late = error.init_late();
                late.set_milliseconds(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
                late.set_stuck(*side);
            }
            Self::Exhausted { what, .. } => error.set_exhausted(*what),
            Self::Denied(_) => error.set_denied(()),
            Self::Invalid(_) => error.set_invalid(()),
            Self::Circle(chain) => {
                let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
                let mut list = error.init_circle(chain.len() as u32);
                for (at, name) in (0..).zip(chain) {
                    list.set(at, name);
                }
            }
            Self::Unreachable(_) => error.set_unreachable(()),
            Self::Gone(_) => error.set_gone(()),
            Self::Other(_) => error.set_other(()),
        }
    }
}
