//! Write programs that run as cells.
//!
//! A cell is a command: it has a `main`, arguments, variables and standard
//! streams. Beside them it has one thing that other programs have not, its link,
//! over which it finds what it was handed:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use vesicle_cell_sdk::{Cell, Error, run};
//!
//! fn main() -> ExitCode {
//!     run(async |cell: Cell| {
//!         let session = cell.graft().await?;
//!         println!("{}", session.echo("hello").await?);
//!         let wasm = std::fs::read("/usr/lib/child.wasm");
//!         let wasm = wasm.map_err(|error| Error::Other(error.to_string()))?;
//!         let child = session.command(&wasm).argument("child").start().await?;
//!         println!("{:?}", child.wait().await?);
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Everything runs on one thread. Where a program waits, for whatever, its link is
//! driven: answers come in, and calls from outside are served. Who computes for
//! long lets the link have its turn with [`yield_now`]. Who will not wait for ever
//! says so with [`within`].
//!
//! A program of WASI 0.3 does the same and begins in another way, as the module
//! `component` says; it is there with the feature `wasip3`.
//!
//! Invariants: a program that waits costs nothing; when [`run`] returns, nothing is
//! left of the link.
#![deny(missing_docs)]

mod cell;
mod command;
#[cfg(feature = "wasip3")]
pub mod component;
mod error;
mod membrane;
mod pieces;
mod process;
mod program;
mod reactor;
mod session;
mod streams;
mod time;

pub use capnp;
pub use capnp_rpc;
pub use vesicle_protocol as protocol;
#[cfg(feature = "wasip3")]
#[doc(hidden)]
pub use wasip3;

pub use cell::{Cell, exit, run, serve};
pub use command::{Budget, Command};
pub use error::{Error, Resource, ok};
pub use membrane::{Membrane, Seal};
pub use process::{Exit, Piece, Process, Stream};
pub use program::Program;
pub use reactor::{spawn, yield_now};
pub use session::Session;
pub use time::{sleep, within};

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;
