//! Why there is no session, for programs and for people.
//!
//! Invariant: a message begins with where it happened (`host:port`) and has
//! nothing of a password.

use crate::message::Told;

/// What kind of trouble an error is: the words of `vesicle:connector/types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// The configuration cannot work as written.
    Configuration,
    /// The server does not accept who we are.
    Authentication,
    /// Known, and not allowed.
    Permission,
    /// What the configuration names is not there.
    NotFound,
    /// The server cannot be reached now.
    Unavailable,
    /// The server did not answer in time.
    Timeout,
    /// The server or this host does not do this.
    Unsupported,
    /// A limit of the server was reached.
    Exhausted,
    /// The guest or the server breaks the protocol.
    Internal,
}

impl Category {
    /// The word in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not-found",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
            Self::Exhausted => "exhausted",
            Self::Internal => "internal",
        }
    }

    /// What a server would say in its place, as an SQLSTATE of PostgreSQL
    /// (appendix A of its manual).
    fn sqlstate(self) -> &'static str {
        match self {
            Self::Configuration | Self::NotFound => "08001",
            Self::Authentication => "28P01",
            Self::Permission => "28000",
            Self::Unavailable | Self::Timeout => "08006",
            Self::Unsupported => "0A000",
            Self::Exhausted => "53300",
            Self::Internal => "08P01",
        }
    }
}

/// Why there is no session, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The kind of trouble.
    pub category: Category,
    /// A stable name of the failure: `connection-refused`.
    pub code: &'static str,
    /// What happened, where, and what to do.
    pub message: String,
    /// Whether the same may succeed later.
    pub retryable: bool,
}

impl Error {
    /// One that another attempt does not change.
    pub(crate) fn lasting(
        category: Category,
        code: &'static str,
        place: &str,
        what: impl std::fmt::Display,
    ) -> Self {
        Self {
            category,
            code,
            // Servers and certificates have a say in it, and terminals obey.
            message: format!("{place}: {what}").replace(char::is_control, " "),
            retryable: false,
        }
    }

    /// One that may pass.
    pub(crate) fn passing(
        category: Category,
        code: &'static str,
        place: &str,
        what: impl std::fmt::Display,
    ) -> Self {
        Self {
            retryable: true,
            ..Self::lasting(category, code, place, what)
        }
    }

    /// What the server said, by its SQLSTATE.
    pub(crate) fn said(place: &str, told: &Told) -> Self {
        use Category::*;
        let (category, code, retryable, hint) = match told.sqlstate.as_str() {
            "28P01" => (Authentication, "password-rejected", false, ""),
            state if state.starts_with("28") => (Authentication, "sign-in-refused", false, ""),
            "3D000" => (NotFound, "no-such-database", false, ""),
            "42501" => (Permission, "not-permitted", false, ""),
            "53300" => (
                Unavailable,
                "too-many-connections",
                true,
                "; close some, or raise max_connections",
            ),
            state if state.starts_with("53") => (Exhausted, "server-exhausted", true, ""),
            "57P03" => (Unavailable, "server-starting", true, ""),
            state if state.starts_with("57P") => (Unavailable, "server-stopping", true, ""),
            "08P01" => (Internal, "protocol", false, ""),
            state if state.starts_with("08") => (Unavailable, "server-unavailable", true, ""),
            state if state.starts_with("0A") => (Unsupported, "server-refused", false, ""),
            state if state.starts_with("XX") => (Internal, "server-defect", false, ""),
            _ => (Configuration, "server-refused", false, ""),
        };
        Self {
            retryable,
            ..Self::lasting(category, code, place, format!("{}{hint}", told.message))
        }
    }
}

/// An error, with what the guest is told of it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub error: Error,
    /// A whole ErrorResponse.
    pub response: Vec<u8>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let response = crate::message::error_response(error.category.sqlstate(), &error.message);
        Self { error, response }
    }
}
