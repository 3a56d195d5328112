//! What can go wrong, as programs tell it apart.

use std::time::Duration;

use vesicle_protocol::outcome_capnp::{self, outcome};

use capnp::traits::Owned;

pub use vesicle_protocol::outcome_capnp::Resource;

/// An error of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The session's epoch is over: graft again.
    StaleEpoch {
        /// The epoch of the session.
        issued: u64,
        /// The epoch there was then.
        current: u64,
    },
    /// Something was waited for as long as it may be.
    Late {
        /// What, and which side of the link does not go on.
        message: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// There is no more of something.
    Exhausted(Resource, String),
    /// Whoever asked may not.
    Denied(String),
    /// What was given cannot be used.
    Invalid(String),
    /// Each of these processes waits for the next, and the last for the first.
    Circle(Vec<String>),
    /// There is no way to a peer.
    Unreachable(String),
    /// It has ended or was closed.
    Gone(String),
    /// The link, or what stood behind a capability, is no more; also what came
    /// through a membrane that knows nothing of the interface, once its epoch is over.
    Disconnected(String),
    /// The program has no link, or has taken it before.
    NoLink,
    /// All that the program waits for can never come.
    NothingToWaitFor,
    /// Anything else.
    Other(String),
}

impl Error {
    pub(crate) fn late(what: &str, limit: Duration) -> Self {
        let side = match crate::cell::output_is_stuck() {
            true => "the host does not read its side of the link",
            false => "the host's side has it and has not answered",
        };
        Self::Late {
            message: format!("{what} took more than {} ms; {side}", limit.as_millis()),
            limit,
        }
    }
}

impl Error {
    /// Puts it into an answer of something that the program serves.
    pub fn tell<T: Owned>(&self, answer: outcome::Builder<'_, T>) {
        let mut error = answer.init_error();
        error.set_message(self.to_string());
        match self {
            Self::StaleEpoch { issued, current } => {
                let mut stale = error.init_stale_epoch();
                stale.set_issued(*issued);
                stale.set_current(*current);
            }
            Self::Late { limit, .. } => {
                let mut late = error.init_late();
                late.set_milliseconds(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
            }
            Self::Exhausted(what, _) => error.set_exhausted(*what),
            Self::Denied(_) => error.set_denied(()),
            Self::Invalid(_) => error.set_invalid(()),
            Self::Circle(chain) => {
                let mut names = error.init_circle(chain.len() as u32);
                for (at, name) in (0..).zip(chain) {
                    names.set(at, name);
                }
            }
            Self::Unreachable(_) => error.set_unreachable(()),
            Self::Gone(_) | Self::Disconnected(_) => error.set_gone(()),
            Self::NoLink | Self::NothingToWaitFor | Self::Other(_) => error.set_other(()),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::StaleEpoch { issued, current } => write!(
                f,
                "the session was of epoch {issued}, and this is epoch {current}; graft again"
            ),
            Self::Circle(chain) => {
                write!(
                    f,
                    "each waits for the next one to end: {}",
                    chain.join(" -> ")
                )
            }
            Self::NoLink => f.write_str("there is no link, or it was taken before"),
            Self::NothingToWaitFor => f.write_str("all that the program waits for can never come"),
            Self::Late { message, .. }
            | Self::Exhausted(_, message)
            | Self::Denied(message)
            | Self::Invalid(message)
            | Self::Unreachable(message)
            | Self::Gone(message)
            | Self::Disconnected(message)
            | Self::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl From<capnp::Error> for Error {
    fn from(error: capnp::Error) -> Self {
        match error.kind {
            capnp::ErrorKind::Disconnected => Self::Disconnected(error.extra),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<outcome_capnp::error::Reader<'_>> for Error {
    fn from(error: outcome_capnp::error::Reader<'_>) -> Self {
        read(error).unwrap_or_else(Self::from)
    }
}

fn read(error: outcome_capnp::error::Reader<'_>) -> capnp::Result<Error> {
    use outcome_capnp::error::Which;
    let message = || error.get_message()?.to_string().map_err(capnp::Error::from);
    Ok(match error.which() {
        Ok(Which::StaleEpoch(stale)) => Error::StaleEpoch {
            issued: stale.get_issued(),
            current: stale.get_current(),
        },
        Ok(Which::Late(late)) => Error::Late {
            message: message()?,
            limit: Duration::from_millis(late.get_milliseconds()),
        },
        Ok(Which::Exhausted(what)) => Error::Exhausted(what?, message()?),
        Ok(Which::Denied(())) => Error::Denied(message()?),
        Ok(Which::Invalid(())) => Error::Invalid(message()?),
        Ok(Which::Circle(chain)) => {
            let mut names = Vec::new();
            for name in chain? {
                names.push(name?.to_string()?);
            }
            Error::Circle(names)
        }
        Ok(Which::Unreachable(())) => Error::Unreachable(message()?),
        Ok(Which::Gone(())) => Error::Gone(message()?),
        // A host that is newer than the program.
        Ok(Which::Other(())) | Err(_) => Error::Other(message()?),
    })
}

/// The answer of a call, or its error.
///
/// # Errors
///
/// Whatever the call has answered with.
pub fn ok<T: Owned>(answer: outcome::Reader<'_, T>) -> Result<T::Reader<'_>, Error> {
    match answer.which().map_err(capnp::Error::from)? {
        outcome::Which::Ok(ok) => Ok(ok?),
        outcome::Which::Error(error) => Err(error?.into()),
    }
}
