//! What can go wrong.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What the functions of this program return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a task ended early.
#[derive(Debug)]
pub enum Error {
    /// The command line is wrong.
    Usage(String),
    /// A program is not there, or cannot be started.
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// A program failed.
    Failed {
        /// Its command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file or folder cannot be read, written or removed.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something is not as it has to be; the message says what to do.
    Unmet(String),
}

impl Error {
    /// An error of the file system.
    pub fn file(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File {
            path: path.as_ref().to_owned(),
            error,
        }
    }

    /// Something that is not as it has to be.
    pub fn unmet(message: impl Into<String>) -> Self {
        Self::Unmet(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => write!(f, "{message}; `cargo xtask` prints what there is"),
            Self::NotStarted { program, error } => write!(f, "cannot start {program}: {error}"),
            Self::Failed { command, status } => write!(f, "{command}: {status}"),
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Unmet(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
