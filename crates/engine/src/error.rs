//! What can go wrong between a component and the engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::WasmBacktrace;
use wasmtime::component::ResourceTableError;

use crate::limiter::MemoryExhausted;

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not a component, or one that this engine cannot run.
    #[error("cannot be compiled: {0}")]
    Compile(String),
    /// The engine could not be set up.
    #[error("the engine cannot be set up: {0}")]
    Setup(String),
    /// The folder of compiled code cannot be used.
    #[error("the cache of compiled code at {} cannot be used: {reason}", folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        reason: String,
    },
    /// What the component imports and what it was given do not fit.
    #[error("cannot be linked: {0}")]
    Link(String),
    /// The guest's code stopped by a trap.
    #[error("{0}")]
    Trap(Trap),
    /// The guest did not finish in time.
    #[error("not finished within {} ms, waiting included", limit.as_millis())]
    Deadline {
        /// The time it had.
        limit: Duration,
    },
    /// The guest wanted more memory than it may have.
    #[error(
        "out of memory: it asked for {} MiB in all, and {} MiB are allowed",
        wanted.div_ceil(1 << 20),
        limit.div_ceil(1 << 20)
    )]
    Memory {
        /// Bytes it may have over all memories and tables.
        limit: u64,
        /// Bytes it would have had.
        wanted: u64,
    },
    /// The guest's fuel ran out.
    #[error("out of fuel")]
    Fuel,
    /// The guest wanted more handles than it may have.
    #[error("out of handles: it has as many as it may have, and drops none")]
    Handles,
    /// A call would have passed more bytes than the guest may have itself, or
    /// than 128 MiB.
    #[error("it passes too much with one call: more than its memory may hold, or than 128 MiB")]
    Passing,
    /// The guest gave what is no value of the type that it has promised, or an
    /// address outside of its memory.
    #[error("{0}")]
    Malformed(String),
    /// The guest ended its own process.
    #[error("it called exit({0})")]
    Exit(i32),
    /// A host function failed.
    #[error("{0}")]
    Host(String),
    /// A host function failed with an error of whoever wired it.
    #[error("{0}")]
    Raised(Raised),
}

/// An error that a host function raises, to be had back, with its type, by
/// whoever called the guest.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Raised(Arc<dyn std::error::Error + Send + Sync>);

impl Raised {
    /// Wraps an error.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// The error, if it is of this type.
    #[must_use]
    pub fn get<T: std::error::Error + 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// Why a guest's code stopped, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// The engine's code of the reason.
    pub code: wasmtime::Trap,
    /// The engine's name of the reason.
    pub reason: String,
    /// The guest's functions, innermost first, as far as they have names.
    pub backtrace: Vec<String>,
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it trapped: {}", self.reason)?;
        for frame in self.backtrace.iter().take(16) {
            write!(f, "\n    at {frame}")?;
        }
        Ok(())
    }
}

/// The deadline of a call has passed. Raised inside the guest.
#[derive(Debug, thiserror::Error)]
#[error("deadline of {0:?} passed")]
pub(crate) struct DeadlinePassed(pub Duration);

/// Says of an error that a value could not be passed as it stands in the
/// guest. Put it around one as its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what it passed is no value of its type")]
pub struct Malformed;

/// What the engine says when there are too many handles; it has no type for it.
const NO_HANDLE: &str = "cannot allocate another handle";
/// The same when too much is passed.
const NO_PASSING: &str = "too much data is being copied";
/// The same when results, or more parameters than have core values, are nowhere.
const NOWHERE: [&str; 3] = [
    "pointer out of bounds",
    "pointer not aligned",
    "pointer size overflow",
];

impl Error {
    /// Tells a failed call's reason apart: memory, deadline, fuel, handles, exit,
    /// trap, a value that is none, or a host function's own error.
    #[must_use]
    pub fn of_call(error: &wasmtime::Error) -> Self {
        if let Some(&MemoryExhausted { limit, wanted }) = error.downcast_ref() {
            return Self::Memory { limit, wanted };
        }
        if let Some(&DeadlinePassed(limit)) = error.downcast_ref() {
            return Self::Deadline { limit };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::Exit(exit.0);
        }
        if let Some(raised) = error.downcast_ref::<Raised>() {
            return Self::Raised(raised.clone());
        }
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel) => Self::Fuel,
            Some(trap) => Self::Trap(Trap {
                code: *trap,
                reason: trap.to_string(),
                backtrace: backtrace(error),
            }),
            None => Self::untrapped(error),
        }
    }

    fn untrapped(error: &wasmtime::Error) -> Self {
        let says = |words| error.root_cause().to_string().starts_with(words);
        let full = error.downcast_ref::<ResourceTableError>();
        if says(NO_HANDLE) || matches!(full, Some(ResourceTableError::Full)) {
            return Self::Handles;
        }
        if says(NO_PASSING) {
            return Self::Passing;
        }
        match error.downcast_ref::<Malformed>() {
            Some(_) => Self::Malformed(causes(error)),
            None if NOWHERE.into_iter().any(says) => {
                Self::Malformed(format!("{Malformed}: {}", causes(error)))
            }
            None => Self::Host(causes(error)),
        }
    }

    /// Whether the guest ran into a limit of its budget. To pass too much with
    /// one call is a fault of the guest's rather.
    #[must_use]
    pub fn is_exhaustion(&self) -> bool {
        matches!(
            self,
            Self::Deadline { .. } | Self::Memory { .. } | Self::Fuel | Self::Handles
        )
    }
}

/// A host function's error with its causes, without the guest's backtrace,
/// which tells nothing of the host.
fn causes(error: &wasmtime::Error) -> String {
    let trace = error
        .downcast_ref::<WasmBacktrace>()
        .map(|trace| trace.to_string());
    let causes = error.chain().map(|cause| cause.to_string());
    let told: Vec<_> = causes
        .filter(|cause| Some(cause) != trace.as_ref())
        .collect();
    told.join(": ")
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    trace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => rustc_demangle::demangle(name).to_string(),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}
