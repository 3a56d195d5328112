//! How a process has ended.

use std::fmt;

use vesicle_engine::Error as EngineError;
use vesicle_pool::Error as PoolError;
use vesicle_protocol::cell_capnp::{Trap, exit};
use vesicle_protocol::outcome_capnp::Resource;

use crate::error::name;
use crate::quota::Overrun;

/// The end of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It said so itself; 0 is success.
    Code(u8),
    /// It did what no component may.
    Trap {
        /// What that was.
        kind: Trap,
        /// The engine's words, and where in the component it was.
        message: String,
    },
    /// It wanted more of something than it may have.
    Exhausted(Resource),
    /// Somebody ended it.
    Killed,
    /// The epoch of the session that it was started from is over.
    Revoked {
        /// The epoch of the session.
        issued: u64,
        /// The epoch there was then.
        current: u64,
    },
    /// It never ran.
    Start(String),
}

impl Exit {
    /// The status for whoever knows numbers only: the process's own, 128 + 9 for
    /// one that was ended, 126 for one that could not start, 125 for all else.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Code(code) => *code,
            Self::Killed => 137,
            Self::Start(_) => 126,
            Self::Trap { .. } | Self::Exhausted(_) | Self::Revoked { .. } => 125,
        }
    }

    /// How a process has ended that ran.
    pub(crate) fn of_run(ran: Result<Result<(), ()>, EngineError>) -> Self {
        match ran {
            Ok(Ok(())) => Self::Code(0),
            Ok(Err(())) => Self::Code(1),
            Err(error) => Self::of(error),
        }
    }

    /// How one has ended that was not made.
    pub(crate) fn of_start(error: PoolError) -> Self {
        match error {
            PoolError::Engine(error) if error.is_exhaustion() => Self::of(error),
            PoolError::Engine(error @ EngineError::Trap(_)) => Self::of(error),
            error => Self::Start(error.to_string()),
        }
    }

    fn of(error: EngineError) -> Self {
        let trap = |kind, error: &EngineError| Self::Trap {
            kind,
            message: error.to_string(),
        };
        match &error {
            // Statuses have eight bits everywhere.
            EngineError::Exit(code) => Self::Code((*code & 0xff) as u8),
            EngineError::Fuel => Self::Exhausted(Resource::Fuel),
            EngineError::Memory { .. } | EngineError::Handles => Self::Exhausted(Resource::Memory),
            EngineError::Deadline { .. } => Self::Exhausted(Resource::Time),
            EngineError::Trap(reason) => trap(kind(reason.code), &error),
            _ => trap(Trap::Other, &error),
        }
    }

    /// How one has ended that asked too much of its link.
    pub(crate) fn of_overrun(overrun: Overrun) -> Self {
        Self::Trap {
            kind: Trap::Other,
            message: overrun.to_string(),
        }
    }

    /// Puts it into an answer.
    pub fn write(&self, mut exit: exit::Builder<'_>) {
        match self {
            Self::Code(code) => exit.set_code(*code),
            Self::Trap { kind, message } => {
                let mut trap = exit.init_trap();
                trap.set_kind(*kind);
                trap.set_message(message);
            }
            Self::Exhausted(what) => exit.set_exhausted(*what),
            Self::Killed => exit.set_killed(()),
            Self::Revoked { issued, current } => {
                let mut revoked = exit.init_revoked();
                revoked.set_issued(*issued);
                revoked.set_current(*current);
            }
            Self::Start(reason) => exit.set_start(reason),
        }
    }
}

fn kind(trap: wasmtime::Trap) -> Trap {
    match trap {
        wasmtime::Trap::UnreachableCodeReached => Trap::Unreachable,
        wasmtime::Trap::MemoryOutOfBounds | wasmtime::Trap::HeapMisaligned => {
            Trap::MemoryOutOfBounds
        }
        wasmtime::Trap::TableOutOfBounds => Trap::TableOutOfBounds,
        wasmtime::Trap::StackOverflow => Trap::StackOverflow,
        wasmtime::Trap::IntegerDivisionByZero => Trap::IntegerDivisionByZero,
        wasmtime::Trap::IntegerOverflow | wasmtime::Trap::BadConversionToInteger => {
            Trap::IntegerOverflow
        }
        wasmtime::Trap::IndirectCallToNull | wasmtime::Trap::BadSignature => Trap::IndirectCall,
        _ => Trap::Other,
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Trap { message, .. } => write!(f, "{message}"),
            Self::Exhausted(what) => write!(f, "out of {}", name(*what)),
            Self::Killed => write!(f, "killed"),
            Self::Revoked { issued, current } => write!(
                f,
                "ended, since it was started in epoch {issued} and this is epoch {current}"
            ),
            Self::Start(reason) => write!(f, "could not start: {reason}"),
        }
    }
}
