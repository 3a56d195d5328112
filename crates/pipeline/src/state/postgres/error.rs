//! What can go wrong with a state in PostgreSQL.
//!
//! Invariant: no message has anything of a password.

use tokio_postgres::error::SqlState;
use vesicle_session::Category;

use super::address::Address;

/// What went wrong with a state in PostgreSQL, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The server cannot be reached, or lets nobody in now. It may later.
    #[error("the state in PostgreSQL: {0}")]
    Unreachable(String),

    /// The server does not accept who signs in.
    #[error("the state in PostgreSQL: {0}")]
    Authentication(String),

    /// The user may not do what a state needs.
    #[error(
        "the state in {place}: {reason}; grant it, or let an administrator make the schema and give it to the user"
    )]
    Permission {
        /// Where.
        place: String,
        /// What the server said.
        reason: String,
    },

    /// The address cannot work as written.
    #[error("the state in PostgreSQL: {0}")]
    Configuration(String),

    /// The connection broke.
    #[error("the connection with the state in {place} was lost: {reason}")]
    Lost {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },

    /// The server has no room left, or no memory.
    #[error("no space left for the state in {place} ({reason}); make room and run again")]
    Full {
        /// Where.
        place: String,
        /// What the server said.
        reason: String,
    },

    /// The server takes no changes.
    #[error(
        "the state in {place} cannot be changed ({reason}); name the primary server in state.connection"
    )]
    ReadOnly {
        /// Where.
        place: String,
        /// What the server said.
        reason: String,
    },

    /// A statement took too long.
    #[error("the state in {place} does not answer in time ({reason}); try again")]
    Slow {
        /// Where.
        place: String,
        /// What the server said.
        reason: String,
    },

    /// There is no state in the schema.
    #[error("there is no state in {place}; the first run makes it")]
    NotFound {
        /// Where it was looked for.
        place: String,
    },

    /// The schema has other tables.
    #[error(
        "{place} has tables that are no state of Vesicle; name another with ?schema= in state.connection"
    )]
    Foreign {
        /// Where.
        place: String,
    },

    /// The tables were made by a newer version of Vesicle.
    #[error(
        "the state in {place} was written by a newer version of Vesicle (format {found}, this one knows {known}); use that version, or name another schema with ?schema= in state.connection"
    )]
    Newer {
        /// Where.
        place: String,
        /// The format of the tables.
        found: i64,
        /// The newest format that this version knows.
        known: i64,
    },

    /// The tables hold something that a state does not.
    #[error(
        "the state in {place} is damaged ({reason}); drop the schema and run again: cursors are then taken from the destination"
    )]
    Damaged {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
    },

    /// The server refused something.
    #[error("the state in {place}: {reason} [{sqlstate}]")]
    Refused {
        /// Where.
        place: String,
        /// What the server said.
        reason: String,
        /// Its code for that.
        sqlstate: String,
    },
}

impl ServerError {
    /// Whether the same may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Lost { .. } | Self::Slow { .. } | Self::Full { .. }
        )
    }

    /// Why there is no session.
    pub(super) fn of_session(error: vesicle_session::Error) -> Self {
        let message = error.message;
        match error.category {
            _ if error.retryable => Self::Unreachable(message),
            Category::Unavailable | Category::Timeout | Category::Exhausted => {
                Self::Unreachable(message)
            }
            Category::Authentication | Category::Permission => Self::Authentication(message),
            Category::Configuration
            | Category::NotFound
            | Category::Unsupported
            | Category::Internal => Self::Configuration(message),
        }
    }

    /// What an error of a statement means.
    pub(super) fn of_statement(address: &Address, error: &tokio_postgres::Error) -> Self {
        let place = address.to_string();
        let Some(told) = error.as_db_error() else {
            let reason = why(error);
            return Self::Lost { place, reason };
        };
        let reason = told.message().replace(char::is_control, " ");
        let state = told.code();
        match state.code() {
            _ if *state == SqlState::INSUFFICIENT_PRIVILEGE => Self::Permission { place, reason },
            _ if *state == SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly { place, reason },
            _ if *state == SqlState::LOCK_NOT_AVAILABLE || *state == SqlState::QUERY_CANCELED => {
                Self::Slow { place, reason }
            }
            _ if *state == SqlState::UNDEFINED_TABLE || *state == SqlState::UNDEFINED_COLUMN => {
                Self::Damaged { place, reason }
            }
            code if code.starts_with("53") => Self::Full { place, reason },
            // The server ends, or ends this session.
            code if code.starts_with("57P") || code == "25P03" || code.starts_with("08") => {
                Self::Lost { place, reason }
            }
            code => Self::Refused {
                place,
                reason,
                sqlstate: code.to_owned(),
            },
        }
    }
}

/// Why a connection ended, for people.
pub(super) fn why(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    let said = match (error.as_db_error(), error.source()) {
        (Some(told), _) => told.message().to_owned(),
        (None, Some(source)) => source.to_string(),
        (None, None) => error.to_string(),
    };
    said.replace(char::is_control, " ")
}
