//! PostgreSQL from inside the sandbox.
//!
//! A connection is a session that the host has dialled, secured and signed in
//! to ([`vesicle_connector::net::open_session`]); its driver is a task beside
//! its client. Errors are those of the connector's contract, with the server's
//! own code, hint and place in them.
//!
//! Only in components; natively there is no host to open sessions.

mod client;
mod columns;
mod error;
mod options;
mod quote;
mod session;

pub use client::{Client, CopyIn, CopyOut};
pub use error::{database_error, is_missing_table};
pub use options::Options;
pub use quote::{identifier, literal};

pub use tokio_postgres::types::{FromSql, ToSql, Type};
pub use tokio_postgres::{Row, SimpleQueryMessage, SimpleQueryRow};
