//! What can go wrong with the state.

use super::postgres::ServerError;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// What went wrong with the state, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process runs the pipeline.
    #[error(
        "pipeline {pipeline} is being run by another process{}; wait for it to end, or stop it",
        holder.as_ref().map(|holder| format!(" ({holder})")).unwrap_or_default()
    )]
    Busy {
        /// The pipeline.
        pipeline: String,
        /// The other process, if it says which it is.
        holder: Option<String>,
    },

    /// The lock of the pipeline was lost while it ran.
    #[error(
        "the connection with the state was lost while pipeline {pipeline} ran ({reason}); another host may run it now, so this run has ended; run again to go on"
    )]
    LockLost {
        /// The pipeline.
        pipeline: String,
        /// Why.
        reason: String,
    },

    /// PostgreSQL keeps the state, and something is wrong there.
    #[error(transparent)]
    Server(#[from] ServerError),

    /// The name of the pipeline belongs to another source.
    #[error(
        "pipeline {pipeline} has read from {} before, and now reads from {}; give the pipeline another name, or forget its state with: vesicle state reset DOCUMENT",
        in_words(known),
        in_words(given)
    )]
    OtherSource {
        /// The pipeline.
        pipeline: String,
        /// The source that the state was made with, as JSON.
        known: String,
        /// The source of the document, as JSON.
        given: String,
    },

    /// The run writes to another destination.
    #[error(
        "run {run} of pipeline {pipeline} was interrupted while it wrote to {}, and the document now names {}; change it back to go on, or abandon that run with --fresh, which leaves what it has written where it is",
        in_words(known),
        in_words(given)
    )]
    OtherDestination {
        /// The pipeline.
        pipeline: String,
        /// The run.
        run: String,
        /// The destination that the run began with, as JSON.
        known: String,
        /// The destination of the document, as JSON.
        given: String,
    },

    /// The file was written by a newer version of Vesicle.
    #[error(
        "{} was written by a newer version of Vesicle (format {found}, this one knows {known}); use that version, or name another file as state.connection",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The newest format that this version knows.
        known: i64,
    },

    /// The file is something else.
    #[error("{} is not a state file of Vesicle ({reason}); name another file as state.connection", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },

    /// The file cannot be read any more.
    #[error(
        "the state file {} is damaged ({reason}); move it away and run again: cursors are then taken from the destination",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// There is no state file.
    #[error("there is no state file {}; the first run makes it", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },

    /// The file or its folder cannot be written.
    #[error(
        "cannot write the state file {}: {reason}; make it and its folder writable, or name another file as state.connection",
        path.display()
    )]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },

    /// There is no room on the disk.
    #[error("no space left for the state file {}; make room and run again", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },

    /// Another process keeps writing to the file.
    #[error("the state file {} is locked by another process for too long; try again", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },

    /// The pipeline has no state.
    #[error("there is no state of a pipeline {pipeline}; vesicle state list names those there are")]
    UnknownPipeline {
        /// The pipeline.
        pipeline: String,
    },

    /// The pipeline has a run that is not finished, so no other can begin.
    #[error(
        "run {run} of pipeline {pipeline} is not finished; resume it, or abandon it with --fresh"
    )]
    Unfinished {
        /// The pipeline.
        pipeline: String,
        /// The run.
        run: String,
    },

    /// The run is not what the operation needs it to be.
    #[error("run {run} is {found}, so it cannot {wanted}")]
    WrongStatus {
        /// The run.
        run: String,
        /// Its status, or that it is unknown.
        found: String,
        /// What was asked of it.
        wanted: &'static str,
    },

    /// A run cannot complete while dead letters wait for a commit.
    #[error("run {run} cannot complete: {letters} dead letters belong to no commit")]
    PendingLetters {
        /// The run.
        run: String,
        /// How many there are.
        letters: u64,
    },

    /// The operating system refused something.
    #[error("the state file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// SQLite refused something.
    #[error("the state file {}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// A source's identity for people: `source-file (path: a.csv)`.
fn in_words(identity: &str) -> String {
    let Ok(serde_json::Value::Object(source)) = serde_json::from_str(identity) else {
        return identity.to_owned();
    };
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let component = source.get("use").map(text).unwrap_or_default();
    let config = source.get("config").and_then(|config| config.as_object());
    let options: Vec<_> = config
        .into_iter()
        .flatten()
        .map(|(key, value)| match value.as_array().map(Vec::as_slice) {
            Some([only]) => format!("{key}: {}", text(only)),
            _ => format!("{key}: {}", text(value)),
        })
        .collect();
    match options.is_empty() {
        true => component,
        false => format!("{component} ({})", options.join(", ")),
    }
}

impl StateError {
    /// Whether the same may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, StateError::Server(error) if error.is_passing())
    }

    /// What an error of the operating system means for the state file.
    pub(super) fn from_io(path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let path = path.to_owned();
        match source.kind() {
            Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::AlreadyExists
            | Kind::NotFound => StateError::NotWritable {
                path,
                reason: source.to_string(),
            },
            Kind::StorageFull | Kind::QuotaExceeded => StateError::Full { path },
            _ => StateError::Io { path, source },
        }
    }

    /// What an error of SQLite means for the state file.
    pub(super) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let reason = source.to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StateError::Foreign {
                path,
                reason: "it is no SQLite database".to_owned(),
            },
            Some(ErrorCode::DatabaseCorrupt) => StateError::Damaged { path, reason },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                StateError::NotWritable { path, reason }
            }
            Some(ErrorCode::DiskFull) => StateError::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StateError::Locked { path }
            }
            _ => StateError::Sqlite { path, source },
        }
    }
}
