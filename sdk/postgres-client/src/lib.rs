//! PostgreSQL from inside the sandbox.
//!
//! A connection is a session that the host has dialled, secured and signed in
//! to ([`vesicle_connector::net::open_session`]); its driver is a task beside
//! its client. Errors are those of the connector's contract, with the server's
//! own code, hint and place in them.
//!
//! [`Replication`] is a connection of the other kind, over which the server
//! streams its log of changes.
//!
//! Only in components; natively there is no host to open sessions. With the
//! feature `native`, which benches have, connections are the process's own.

mod client;
mod columns;
mod error;
mod lsn;
mod options;
mod quote;
mod replication;
mod session;
mod tap;

pub use client::{Client, CopyIn, CopyOut};
pub use error::{database_error, is_missing_table};
pub use lsn::Lsn;
pub use options::Options;
pub use quote::{identifier, literal};
pub use replication::{Replication, Streamed};
pub use session::sleep;

pub use tokio_postgres::types::{FromSql, ToSql, Type};
pub use tokio_postgres::{Row, SimpleQueryMessage, SimpleQueryRow};
