//! A PostgreSQL server that lasts as long as a test.
//!
//! ```no_run
//! use vesicle_test_postgres::{Options, Server};
//!
//! let server = Server::start(Options::default());
//! server.sql("create table t (a int)");
//! server.sql("insert into t values (1), (2)");
//! assert_eq!(server.sql("select sum(a) from t"), "3");
//! ```
//!
//! Each server is a cluster of its own in a folder of its own, listens on
//! loopback only, on a port that was free, and asks for a password. It is
//! stopped and its folder removed when the [`Server`] is dropped, by a panic
//! too; where the whole test is killed, a watchdog does the same.
//!
//! It is a crate and not a feature of one, so that a crate's tests can have it
//! without building anything but this, and no shipped crate carries it.
//!
//! All of it is for tests: what cannot be had is a panic that says what to
//! install, never a test that is skipped.

mod certificate;
mod cluster;
mod programs;
mod server;

pub use cluster::{Auth, Options};
pub use server::{Background, Server};
