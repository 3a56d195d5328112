//! Connectors: components that implement one of the contracts in
//! `wit/vesicle-connector`, and the host's side of each call.

pub mod bindings;
mod calls;
pub mod frame;
mod future;
pub mod limits;
mod stages;

pub use calls::{DestinationCalls, HeldPlan, SourceCalls, TransformCalls, spec_of};
pub use stages::{CommittedCursors, ReadTask, TransformTask, WriteTask};

use std::sync::Arc;
use std::time::Duration;

use vesicle_engine::Budget;
use vesicle_pool::{App, Wired, wasi};

use bindings::types::{Error as GuestError, ErrorCategory, Spec};

use crate::session::SessionGrant;

/// The word for a category of errors, as it is kept and shown.
#[must_use]
pub fn category_word(category: ErrorCategory) -> &'static str {
    match category {
        ErrorCategory::Configuration => "configuration",
        ErrorCategory::Authentication => "authentication",
        ErrorCategory::Permission => "permission",
        ErrorCategory::NotFound => "not-found",
        ErrorCategory::Unavailable => "unavailable",
        ErrorCategory::Timeout => "timeout",
        ErrorCategory::Throttled => "throttled",
        ErrorCategory::Data => "data",
        ErrorCategory::Schema => "schema",
        ErrorCategory::Conflict => "conflict",
        ErrorCategory::Unsupported => "unsupported",
        ErrorCategory::Exhausted => "exhausted",
        ErrorCategory::Internal => "internal",
    }
}

/// What a connector does in a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It reads.
    Source,
    /// It changes rows on their way.
    Transform,
    /// It writes.
    Destination,
}

impl Role {
    /// The interface that a connector of this role exports.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::Source => "vesicle:connector/source@0.1.0",
            Self::Transform => "vesicle:connector/transform@0.1.0",
            Self::Destination => "vesicle:connector/destination@0.1.0",
        }
    }

    /// The role of an app, by what it exports.
    #[must_use]
    pub fn of(app: &App) -> Option<Self> {
        [Self::Source, Self::Transform, Self::Destination]
            .into_iter()
            .find(|role| app.surface().exports.contains_key(role.interface()))
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Destination => "destination",
        })
    }
}

/// A connector, ready to be instantiated: wired, configured, limited.
pub struct Connector {
    /// What it does.
    pub role: Role,
    /// What reports call it: no other of the pipeline's transforms has the
    /// same.
    pub name: String,
    /// The component, as the document names it.
    pub component: String,
    /// What it says it is and takes.
    pub spec: Spec,
    /// Its configuration, as it gets it.
    pub config: String,
    /// What it may use. Stages have no deadline; the flow watches for progress.
    pub budget: Budget,
    /// For how long it may move nothing.
    pub idle_timeout: Duration,
    /// What it may reach.
    pub grants: wasi::Grants,
    /// The servers it may have sessions with.
    pub sessions: Vec<SessionGrant>,
    /// The component with its imports given.
    pub wired: Arc<Wired>,
    /// WASI as it was given.
    pub wasi: Arc<wasi::Wasi>,
}

/// A connector's own error, or what stopped it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It says so itself.
    #[error("{}{}", message, code_suffix(code))]
    Reported {
        /// The kind of trouble.
        category: ErrorCategory,
        /// Its stable name.
        code: String,
        /// What happened.
        message: String,
        /// Whether the same may succeed later.
        retryable: bool,
        /// How long to wait before that.
        retry_after: Option<Duration>,
    },
    /// It ran into a limit.
    #[error("{message}")]
    Exhausted {
        /// Which limit, and what it was.
        message: String,
    },
    /// It trapped, or broke the contract.
    #[error("{message}")]
    Crashed {
        /// How.
        message: String,
    },
    /// The other stage is gone; whoever is at fault says why.
    #[error("the stage after it ended")]
    Unheard,
    /// The state could not be written.
    #[error("{message}")]
    State {
        /// Why not.
        message: String,
    },
}

fn code_suffix(code: &str) -> String {
    if code.is_empty() {
        String::new()
    } else {
        format!(" [{code}]")
    }
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        Self::Reported {
            category: error.category,
            code: error.code,
            // No line of it can be taken for one of ours.
            message: without_os_error(error.message.trim_end()).replace('\n', "\n  "),
            retryable: error.retryable,
            retry_after: error.retry_after.map(Duration::from_millis),
        }
    }
}

/// A message without ` (os error 2)`: guests number errors as WASI does, which
/// means something else here.
fn without_os_error(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        text.push_str(before);
        let number = after.trim_start_matches(|c: char| c.is_ascii_digit());
        match number.strip_prefix(')') {
            Some(tail) if number.len() < after.len() => rest = tail,
            _ => {
                text.push_str(" (os error ");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

impl Connector {
    /// The failure that an error of the engine or the pool means.
    pub(crate) fn failure(&self, error: &vesicle_engine::Error) -> Failure {
        use vesicle_engine::Error as E;
        let mut message = match error {
            E::Memory { .. } => format!("{error}; allow more with limits.memory in the document"),
            E::Deadline { .. } => {
                format!("{error}; allow more with limits.idle_timeout in the document")
            }
            E::Fuel => format!("{error}; allow more with limits.fuel in the document"),
            _ => error.to_string(),
        };
        let said = self.wasi.stderr().text();
        if !said.trim().is_empty() {
            message.push_str("\n  it printed:");
            let lines: Vec<_> = said.trim().lines().collect();
            for line in &lines[lines.len().saturating_sub(8)..] {
                message.push_str("\n    ");
                message.push_str(line);
            }
        }
        if error.is_exhaustion() {
            Failure::Exhausted { message }
        } else {
            Failure::Crashed { message }
        }
    }

    pub(crate) fn pool_failure(&self, error: &vesicle_pool::Error) -> Failure {
        match error {
            vesicle_pool::Error::Engine(error) => self.failure(error),
            other => Failure::Crashed {
                message: other.to_string(),
            },
        }
    }
}
