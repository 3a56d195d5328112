//! What can go wrong with a pipeline, and the exit code it deserves.

use vesicle_flow::Failure as FlowFailure;

use crate::connector::bindings::types::ErrorCategory;
use crate::connector::{Failure, Role};
use crate::document::{Cause, Diagnostics};
use crate::state::{ServerError, StateError};

/// An error of a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document is wrong, or what it names.
    #[error("{0}")]
    Document(#[from] Diagnostics),
    /// A component was refused or cannot be set up.
    #[error("{component}: {message}")]
    Component {
        /// Its name.
        component: String,
        /// Why.
        message: String,
    },
    /// A connector failed.
    #[error("{role} {component}{}: {failure}", stream.as_ref().map(|s| format!(", stream {s}")).unwrap_or_default())]
    Connector {
        /// What it does.
        role: Role,
        /// Its name.
        component: String,
        /// The stream it was at.
        stream: Option<String>,
        /// The failure.
        failure: Failure,
    },
    /// A stage was stuck.
    #[error("stream {stream}: {stage} moved nothing for {} s: {why}; allow more with limits.idle_timeout in the document", after.as_secs())]
    Stuck {
        /// The stream.
        stream: String,
        /// The stage.
        stage: String,
        /// For how long.
        after: std::time::Duration,
        /// What it was doing.
        why: &'static str,
    },
    /// The state cannot be used.
    #[error("{0}")]
    State(#[from] StateError),
    /// A folder to write in cannot be made.
    #[error("the folder {folder} cannot be made: {}", why_no_folder(error))]
    Folder {
        /// The folder, as the user wrote it.
        folder: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The run was ended at once, as asked.
    #[error("ended at once; what was not committed is read again by the next run")]
    Forced,
    /// A defect of the host.
    #[error("a defect of Vesicle itself: {0}")]
    Defect(String),
}

/// What a run ended with, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// A defect of Vesicle.
    Defect = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The document is wrong, or asks for what a connector cannot do.
    Document = 3,
    /// A component is missing, or was refused.
    Component = 4,
    /// Permission or authentication was denied.
    Denied = 5,
    /// Something outside is missing or cannot be reached.
    Unavailable = 6,
    /// The data cannot be read or represented.
    Data = 7,
    /// A limit was reached.
    Limit = 8,
    /// A component crashed.
    Crash = 9,
    /// The state is in use, or belongs to something else.
    State = 10,
    /// Interrupted; the next run goes on.
    Interrupted = 130,
}

impl Exit {
    /// All exit codes with their meaning, for the help.
    pub const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Success, "done"),
        (Self::Defect, "a defect of Vesicle itself"),
        (Self::Usage, "the command line is wrong"),
        (
            Self::Document,
            "the document is wrong, or asks for what a connector cannot do",
        ),
        (Self::Component, "a component is missing or was refused"),
        (Self::Denied, "permission or authentication was denied"),
        (
            Self::Unavailable,
            "something outside is missing or cannot be reached",
        ),
        (Self::Data, "data cannot be read or represented"),
        (Self::Limit, "a limit was reached: memory, time, disk"),
        (Self::Crash, "a component crashed"),
        (
            Self::State,
            "the state is in use, or belongs to something else",
        ),
        (Self::Interrupted, "interrupted; the next run goes on"),
    ];
}

impl Error {
    /// The exit code that this error deserves.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Document(wrong) => match wrong.cause() {
                Cause::Document => Exit::Document,
                Cause::Component => Exit::Component,
                Cause::Missing => Exit::Unavailable,
                Cause::Denied => Exit::Denied,
            },
            Self::Component { .. } => Exit::Component,
            Self::Connector { failure, .. } => exit_of(failure),
            Self::Stuck { .. } => Exit::Limit,
            Self::State(StateError::NotFound { .. } | StateError::LockLost { .. }) => {
                Exit::Unavailable
            }
            Self::State(StateError::Server(error)) => exit_of_server(error),
            Self::State(_) => Exit::State,
            Self::Folder { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Exit::Denied
            }
            Self::Folder { .. } => Exit::Unavailable,
            Self::Forced => Exit::Interrupted,
            Self::Defect(_) => Exit::Defect,
        }
    }

    /// Whether the same may succeed later, and when at the earliest.
    #[must_use]
    pub fn retry(&self) -> Option<Option<std::time::Duration>> {
        match self {
            Self::Connector {
                failure:
                    Failure::Reported {
                        retryable: true,
                        retry_after,
                        ..
                    },
                ..
            } => Some(*retry_after),
            _ => None,
        }
    }

    /// What a failed flow means.
    pub(crate) fn of_flow(stream: &str, failure: FlowFailure<(Role, String, Failure)>) -> Self {
        match failure {
            FlowFailure::Stage {
                error: (role, component, failure),
                ..
            } => Self::Connector {
                role,
                component,
                stream: Some(stream.to_owned()),
                failure,
            },
            FlowFailure::Stuck {
                stage,
                after,
                computing,
            } => Self::Stuck {
                stream: stream.to_owned(),
                stage,
                after,
                why: if computing {
                    "it computes without end"
                } else {
                    "it waits for something outside"
                },
            },
            FlowFailure::Panic { stage, reason } => Self::Defect(format!("{stage}: {reason}")),
            FlowFailure::Forced => Self::Forced,
        }
    }
}

fn why_no_folder(error: &std::io::Error) -> String {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::AlreadyExists | Kind::NotADirectory => {
            "a file of that name is in its place; move the file away, or name another folder".into()
        }
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
            format!("{error}; make the folder above it writable, or name another")
        }
        _ => format!("{error}; make it, or name another"),
    }
}

fn exit_of_server(error: &ServerError) -> Exit {
    match error {
        ServerError::Authentication(_) | ServerError::Permission { .. } => Exit::Denied,
        ServerError::Unreachable(_)
        | ServerError::Configuration(_)
        | ServerError::NotFound { .. }
        | ServerError::Lost { .. }
        | ServerError::Slow { .. } => Exit::Unavailable,
        ServerError::Full { .. } => Exit::Limit,
        ServerError::ReadOnly { .. }
        | ServerError::Foreign { .. }
        | ServerError::Newer { .. }
        | ServerError::Damaged { .. }
        | ServerError::Refused { .. } => Exit::State,
    }
}

fn exit_of(failure: &Failure) -> Exit {
    match failure {
        Failure::Reported { category, .. } => match category {
            ErrorCategory::Configuration | ErrorCategory::Unsupported => Exit::Document,
            ErrorCategory::Authentication | ErrorCategory::Permission => Exit::Denied,
            ErrorCategory::NotFound
            | ErrorCategory::Unavailable
            | ErrorCategory::Timeout
            | ErrorCategory::Throttled => Exit::Unavailable,
            ErrorCategory::Data | ErrorCategory::Schema => Exit::Data,
            ErrorCategory::Conflict => Exit::State,
            ErrorCategory::Exhausted => Exit::Limit,
            ErrorCategory::Internal => Exit::Crash,
        },
        Failure::Exhausted { .. } => Exit::Limit,
        Failure::Crashed { .. } => Exit::Crash,
        Failure::Unheard => Exit::Defect,
        Failure::State { .. } => Exit::State,
    }
}
