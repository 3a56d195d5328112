//! The state in a schema of a PostgreSQL database, for several hosts.
//!
//! All that a process does with it goes through one session. The lock of a
//! pipeline is that session's ([`lock`]), so a change that the server accepts
//! was made by who holds the lock. A session that breaks is not made again: the
//! lock is gone, another host may hold it, and the run ends ([`RunLock::lost`]).
//! That needs a server, or a pooler, that gives a client one session for as
//! long as it stays connected.

mod address;
mod connection;
mod error;
mod lock;
mod schema;

pub use address::Address;
pub use error::ServerError;

use super::error::StateError;
use super::lock::RunLock;
use super::sql::{Answer, Database, Fault, Transaction, Value};
use connection::Connection;
use std::sync::{Arc, Mutex, PoisonError};

/// The state of pipelines in a schema of a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresState {
    address: Address,
    connection: Arc<Connection>,
    held: lock::Held,
    /// Who has it has the session's transaction.
    turn: Mutex<()>,
}

impl PostgresState {
    /// Connects, and makes the schema and its tables if need be.
    ///
    /// # Errors
    /// [`ServerError`]: if the server cannot be reached or does not let us in,
    /// if the schema cannot be made, has other tables, or was written by a
    /// newer version.
    pub fn open(address: &Address) -> Result<Self, StateError> {
        Self::connect(address, true)
    }

    /// Connects, and makes nothing.
    ///
    /// # Errors
    /// [`ServerError::NotFound`] if there is no state; otherwise as
    /// [`PostgresState::open`].
    pub fn open_existing(address: &Address) -> Result<Self, StateError> {
        Self::connect(address, false)
    }

    fn connect(address: &Address, make: bool) -> Result<Self, StateError> {
        let connection = Connection::open(address)?;
        schema::prepare(&connection, address, make)?;
        Ok(Self {
            address: address.clone(),
            connection: Arc::new(connection),
            held: lock::Held::default(),
            turn: Mutex::new(()),
        })
    }

    #[cfg(test)]
    pub(super) fn ask_for_tests(&self, query: &str) -> Answer {
        self.connection.run(query, &[]).expect("a query of a test")
    }

    fn within<T>(
        &self,
        begin: &str,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.connection.batch(begin)?;
        let mut transaction = InDatabase {
            connection: &self.connection,
            is_open: true,
        };
        let value = work(&transaction).map_err(|fault| self.of_fault(fault))?;
        // Whether it fails or not, the transaction is over.
        transaction.is_open = false;
        self.connection.batch("COMMIT")?;
        Ok(value)
    }

    fn of_fault(&self, fault: Fault) -> StateError {
        match fault {
            Fault::State(error) => error,
            Fault::Unreadable(reason) => ServerError::Damaged {
                place: self.address.to_string(),
                reason,
            }
            .into(),
        }
    }
}

/// A transaction of the session, rolled back unless it was committed.
struct InDatabase<'c> {
    connection: &'c Connection,
    is_open: bool,
}

impl Transaction for InDatabase<'_> {
    fn run(&self, statement: &str, values: &[Value]) -> Result<Answer, Fault> {
        let done = self.connection.run(statement, values);
        done.map_err(|error| StateError::from(error).into())
    }
}

impl Drop for InDatabase<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // Where the session is lost, so is the transaction.
            let _ = self.connection.batch("ROLLBACK");
        }
    }
}

impl Database for PostgresState {
    fn hold(&self, pipeline: &str) -> Result<RunLock, StateError> {
        lock::acquire(
            &self.connection,
            &self.held,
            self.address.schema(),
            pipeline,
        )
    }

    fn transact<T>(
        &self,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        self.within("BEGIN", work)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&dyn Transaction) -> Result<T, Fault>,
    ) -> Result<T, StateError> {
        self.within("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work)
    }
}
