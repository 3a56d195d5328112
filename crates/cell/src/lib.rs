//! Processes with no authority but what they are handed.
//!
//! A cell is a component that runs as a process. It reaches nothing but its link:
//! Cap'n Proto with its host, over two streams (`wit/vesicle-cell`). What it finds
//! there is a membrane, and behind it a session: its host, and an executor by which
//! it starts processes of its own, with what it chooses to give them.
//!
//! Invariants:
//!
//! - A process can do nothing that it was not handed: by its parent over its link,
//!   or, the first of a tree, by name from whoever started it.
//! - Everything that came with a session ends with the session's epoch.
//! - A tree of processes uses no more than its root was given, and ends with it.
#![deny(missing_docs)]

mod account;
mod async_link;
mod backlog;
mod call;
mod cells;
mod compiling;
mod driver;
mod error;
mod exit;
pub mod granting;
pub mod image;
mod input;
mod link;
#[cfg(feature = "network")]
pub mod network;
mod node;
pub mod output;
pub mod pipe;
mod process;
mod program;
mod quota;
mod rpc;
mod stdio;
mod tally;
mod waits;
mod watched;

pub use account::{Account, Left, Limits};
pub use cells::{Cells, Command, Running, Stdio};
pub use error::Error;
pub use exit::Exit;
pub use link::{Link, Links};
pub use node::{Config, Node};
pub use quota::Quota;
pub use vesicle_graft::EpochFile;

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;
