//! How much whoever is at the other end of a link can make this end hold.
//!
//! Cap'n Proto keeps a call until it is answered and finished, an answer until it is
//! read, and a capability until it is released: all of that is up to who calls. What
//! is beyond a quota ends the link, and the process that has it.

use std::fmt;

/// Bounds on what is held for the other end of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls of its own that are not answered yet, or answered with a capability or an
    /// exception and not finished.
    pub calls: usize,
    /// Bytes of such calls and their answers, and of answers that it has not read.
    pub bytes: u64,
    /// Capabilities that it was given and has not released.
    pub exports: usize,
    /// Capabilities of its own that this end has of it, and that come in one message.
    pub imports: usize,
    /// Calls that it gave up on before they were answered, over the life of the link: a
    /// few hundred bytes are kept of each.
    pub given_up: usize,
}

impl Default for Quota {
    /// For a process: 8,192 calls, 128 MiB, 65,536 capabilities given to it and 16,384 of
    /// its own, 131,072 calls that it gave up on.
    fn default() -> Self {
        Self {
            calls: 8_192,
            bytes: 128 << 20,
            exports: 65_536,
            imports: 16_384,
            given_up: 131_072,
        }
    }
}

impl Quota {
    /// For a stream of a peer, which may have many of them: 2,048 calls, 96 MiB, 8,192
    /// capabilities given to it and 512 of its own, 16,384 calls that it gave up on.
    #[must_use]
    pub fn of_peer() -> Self {
        Self {
            calls: 2_048,
            bytes: 96 << 20,
            exports: 8_192,
            imports: 512,
            given_up: 16_384,
        }
    }
}

/// What there was too much of, and how much there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overrun {
    Calls(usize),
    Bytes(u64),
    Exports(usize),
    Imports(usize),
    GivenUp(usize),
    /// It asked for answers to be kept and not sent, which has no end.
    Kept,
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(most) => write!(
                f,
                "more than {most} calls are open on its link; it has to wait for answers, and let \
                 go of those it has, before it calls on"
            ),
            Self::Bytes(most) => write!(
                f,
                "more than {most} bytes of calls and answers wait on its link; it has to read \
                 answers, and let go of those it has, before it calls on"
            ),
            Self::Exports(most) => write!(
                f,
                "more than {most} capabilities were given over its link and are not released; it \
                 has to let go of those it no longer uses"
            ),
            Self::Imports(most) => write!(
                f,
                "more than {most} capabilities of its own were handed over its link and are in \
                 use; it has to hand out fewer at a time"
            ),
            Self::GivenUp(most) => write!(
                f,
                "it gave up on more than {most} calls before they were answered; it has to wait \
                 for answers, or start anew"
            ),
            Self::Kept => f.write_str(
                "it asked for an answer to be kept and not sent (sendResultsTo.yourself), which \
                 no link does; it has to be sent to the caller",
            ),
        }
    }
}
