//! Why something failed: one type for programs (category, code, retry) and
//! for people (a message in the user's own names).
//!
//! Invariant: whether an error is retryable follows from its category unless
//! the connector says otherwise.

use std::fmt;
use std::time::Duration;

use arrow_schema::ArrowError;

/// What a connector's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of trouble an error is. It decides the host's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// The configuration cannot work as written.
    Configuration,
    /// The other side does not accept who we are.
    Authentication,
    /// We are known, and not allowed.
    Permission,
    /// What the configuration names is not there.
    NotFound,
    /// The other side cannot be reached now.
    Unavailable,
    /// The other side did not answer in time.
    Timeout,
    /// The other side asks for fewer requests.
    Throttled,
    /// A value cannot be read or represented.
    Data,
    /// The shape of the data is not the one agreed on.
    Schema,
    /// Somebody else holds what we need to change.
    Conflict,
    /// The connector does not do this.
    Unsupported,
    /// A limit was reached: memory, disk, quota.
    Exhausted,
    /// A defect of the connector.
    Internal,
}

impl Category {
    /// Whether trouble of this kind may pass by itself.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Timeout | Self::Throttled | Self::Conflict
        )
    }
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of trouble it is.
    pub category: Category,
    /// A stable name of the failure within the connector: `csv-bad-quote`.
    pub code: String,
    /// What happened, where, and what to do, in the user's own names.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after: Option<Duration>,
}

/// The code of the error that says that nobody reads any more.
const STOPPED: &str = "stopped";

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $category:ident;)*) => {
        impl Error {
            $(
                $(#[$doc])*
                pub fn $name(code: impl Into<String>, message: impl Into<String>) -> Self {
                    Self::new(Category::$category, code, message)
                }
            )*
        }
    };
}

constructors! {
    /// The configuration cannot work as written.
    configuration => Configuration;
    /// The other side does not accept who we are.
    authentication => Authentication;
    /// We are known, and not allowed.
    permission => Permission;
    /// What the configuration names is not there.
    not_found => NotFound;
    /// The other side cannot be reached now. Retryable.
    unavailable => Unavailable;
    /// The other side did not answer in time. Retryable.
    timeout => Timeout;
    /// The other side asks for fewer requests. Retryable.
    throttled => Throttled;
    /// A value cannot be read or represented.
    data => Data;
    /// The shape of the data is not the one agreed on.
    schema => Schema;
    /// Somebody else holds what we need to change. Retryable.
    conflict => Conflict;
    /// The connector does not do this.
    unsupported => Unsupported;
    /// A limit was reached: memory, disk, quota.
    exhausted => Exhausted;
    /// A defect of the connector.
    internal => Internal;
}

impl Error {
    /// An error of a category; retryable if the category is.
    pub fn new(category: Category, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            category,
            code: code.into(),
            message: message.into(),
            retryable: category.is_retryable(),
            retry_after: None,
        }
    }

    /// The same error, which may pass after this long.
    pub fn with_retry(mut self, after: Duration) -> Self {
        self.retryable = true;
        self.retry_after = Some(after);
        self
    }

    /// The same error, which will not pass by itself.
    pub fn without_retry(mut self) -> Self {
        self.retryable = false;
        self.retry_after = None;
        self
    }

    /// The same error, its message led by where it happened: `orders.csv:14: …`.
    pub fn context(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// What an [`Emitter`](crate::Emitter) answers once nobody reads any more.
    /// Pass it on with `?`: it ends the connector and is not shown as a failure.
    pub fn stopped() -> Self {
        Self::unavailable(STOPPED, "the reader has hung up")
    }

    /// Whether this is [`Error::stopped`].
    pub fn is_stopped(&self) -> bool {
        self.code == STOPPED && self.category == Category::Unavailable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::*;
        let (category, code) = match error.kind() {
            NotFound => (Category::NotFound, "not-found"),
            PermissionDenied | ReadOnlyFilesystem => (Category::Permission, "permission-denied"),
            ConnectionRefused => (Category::Unavailable, "connection-refused"),
            ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected => {
                (Category::Unavailable, "connection-lost")
            }
            HostUnreachable | NetworkUnreachable | NetworkDown => {
                (Category::Unavailable, "unreachable")
            }
            TimedOut => (Category::Timeout, "timed-out"),
            AlreadyExists | ResourceBusy => (Category::Conflict, "busy"),
            StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory => {
                (Category::Exhausted, "exhausted")
            }
            InvalidData | UnexpectedEof => (Category::Data, "bad-data"),
            InvalidInput | InvalidFilename | IsADirectory | NotADirectory => {
                (Category::Configuration, "bad-input")
            }
            Unsupported => (Category::Unsupported, "unsupported"),
            _ => (Category::Unavailable, "io"),
        };
        Self::new(category, code, error.to_string())
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        let (category, code) = match &error {
            ArrowError::SchemaError(_) => (Category::Schema, "arrow-schema"),
            ArrowError::MemoryError(_) => (Category::Exhausted, "arrow-memory"),
            ArrowError::NotYetImplemented(_) => (Category::Unsupported, "arrow-unsupported"),
            _ => (Category::Data, "arrow"),
        };
        Self::new(category, code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_that_may_pass_is_retryable_without_being_told() {
        assert!(Error::unavailable("down", "db:5432 does not answer").retryable);
        assert!(Error::throttled("slow-down", "429").retryable);
        assert!(!Error::data("bad", "not a number").retryable);
    }

    #[test]
    fn a_missing_file_and_a_refused_connection_get_their_categories() {
        let of = |kind| Error::from(std::io::Error::from(kind)).category;
        assert_eq!(of(std::io::ErrorKind::NotFound), Category::NotFound);
        assert_eq!(
            of(std::io::ErrorKind::ConnectionRefused),
            Category::Unavailable
        );
        assert_eq!(of(std::io::ErrorKind::StorageFull), Category::Exhausted);
    }

    #[test]
    fn context_leads_the_message_and_keeps_the_rest() {
        let error = Error::data("bad-quote", "unclosed quote").context("orders.csv:14");
        assert_eq!(error.to_string(), "orders.csv:14: unclosed quote");
        assert_eq!(error.code, "bad-quote");
    }

    #[test]
    fn a_connector_s_own_stopped_code_is_not_taken_for_a_hang_up() {
        assert!(Error::stopped().is_stopped());
        assert!(!Error::data("stopped", "the meter has stopped").is_stopped());
    }
}
