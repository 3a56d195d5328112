//! Where a document wants its state.

use super::error::StateError;
use super::postgres::{Address, PostgresState};
use super::sqlite::SqliteState;
use super::store::State;
use crate::document::StateStore;
use crate::paths::below;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a state is kept. Shown, it has no password in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateAt {
    /// In a SQLite file.
    File(PathBuf),
    /// In a schema of a PostgreSQL database.
    Server(Box<Address>),
}

impl StateAt {
    /// Where a document in the folder `base` wants it.
    ///
    /// # Errors
    /// A sentence about `state.connection` that has nothing of a password.
    pub fn of(store: &StateStore, base: &Path) -> Result<Self, String> {
        match store {
            StateStore::Sqlite(path) => Ok(Self::File(below(base, &path.value))),
            StateStore::Postgres(url) => {
                Ok(Self::Server(Box::new(Address::parse(&url.value, base)?)))
            }
        }
    }

    /// Opens the state, making it if need be. This blocks.
    ///
    /// # Errors
    /// If it cannot be reached, made or read, is something else, or was
    /// written by a newer version.
    pub fn open(&self) -> Result<Arc<dyn State>, StateError> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteState::open(path)?),
            Self::Server(address) => Arc::new(PostgresState::open(address)?),
        })
    }

    /// Opens the state if it is there. This blocks.
    ///
    /// # Errors
    /// As [`StateAt::open`], and if there is none.
    pub fn open_existing(&self) -> Result<Arc<dyn State>, StateError> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteState::open_existing(path)?),
            Self::Server(address) => Arc::new(PostgresState::open_existing(address)?),
        })
    }

    /// The password that opens it, which nothing may show.
    pub fn password(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Server(address) => address.password(),
        }
    }
}

impl fmt::Display for StateAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(address) => write!(f, "{address}"),
        }
    }
}
