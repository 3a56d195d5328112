//! The state in a SQLite file.
//!
//! The file is in write-ahead mode with `synchronous=FULL`: a transaction is
//! one append and one fsync, which has happened when it returns, and
//! `vesicle state` can read while a run writes. Where the file system has no
//! shared memory for that, the rollback journal is used with
//! `synchronous=EXTRA`, which also syncs the folder. The file is made with mode
//! 0600, and so are the `-wal` and `-shm` beside it.

mod file;
mod schema;

use super::error::StateError;
use super::lock::{self, RunLock};
use super::sql::{Answer, Database, Fault, Row, Transaction, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The state of pipelines in a SQLite file.
#[derive(Debug)]
pub struct SqliteState {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl SqliteState {
    /// Opens the file, making it and its folder if need be.
    ///
    /// # Errors
    /// If it cannot be made or read, is something else, or was written by a
    /// newer version.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        file::create(path)?;
        Self::connect(path)
    }

    /// Opens the file if it is there.
    ///
    /// # Errors
    /// [`StateError::NotFound`] if it is not; otherwise as [`SqliteState::open`].
    pub fn open_existing(path: &Path) -> Result<Self, StateError> {
        if !path.exists() {
            return Err(StateError::NotFound {
                path: path.to_owned(),
            });
        }
        Self::connect(path)
    }

    fn connect(path: &Path) -> Result<Self, StateError> {
        let connection = file::connect(path)?;
        Ok(SqliteState {
            path: path.to_owned(),
            connection: Mutex::new(connection),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(super) fn connection_for_tests(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn within<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        // A panic while the lock was held has rolled its transaction back.
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sqlite = |source| StateError::from_sqlite(&self.path, source);
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(sqlite)?;
        let value = work(&InFile {
            transaction: &transaction,
            path: &self.path,
        })
        .map_err(|fault| self.of_fault(fault))?;
        transaction.commit().map_err(sqlite)?;
        Ok(value)
    }

    fn of_fault(&self, fault: Fault) -> StateError {
        match fault {
            Fault::State(error) => error,
            Fault::Unreadable(reason) => StateError::Damaged {
                path: self.path.clone(),
                reason,
            },
        }
    }
}

/// A transaction in the file.
struct InFile<'t> {
    transaction: &'t rusqlite::Transaction<'t>,
    path: &'t Path,
}

impl Transaction for InFile<'_> {
    fn run(&self, statement: &str, values: &[Value]) -> Result<Answer, Fault> {
        let run = || {
            let mut statement = self.transaction.prepare_cached(statement)?;
            let columns = statement.column_count();
            let values = rusqlite::params_from_iter(values);
            if columns == 0 {
                let changed = statement.execute(values)? as u64;
                return Ok(Answer {
                    changed,
                    ..Answer::default()
                });
            }
            let row = |row: &rusqlite::Row<'_>| {
                let column = |column| Ok(row.get_ref(column)?.into());
                Ok(Row((0..columns)
                    .map(column)
                    .collect::<rusqlite::Result<_>>()?))
            };
            let rows = statement.query_map(values, row)?;
            Ok(Answer {
                rows: rows.collect::<rusqlite::Result<_>>()?,
                changed: 0,
            })
        };
        run().map_err(|source| StateError::from_sqlite(self.path, source).into())
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Number(number) => ValueRef::Integer(*number),
        }))
    }
}

impl From<ValueRef<'_>> for Value {
    /// The tables are strict: there are texts, whole numbers and NULL alone.
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(number) => Value::Number(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Null,
        }
    }
}

impl Database for SqliteState {
    fn hold(&self, pipeline: &str) -> Result<RunLock, StateError> {
        lock::acquire(&self.path, pipeline)
    }

    fn transact<T>(
        &self,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        self.within(TransactionBehavior::Immediate, work)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        self.within(TransactionBehavior::Deferred, work)
    }
}
