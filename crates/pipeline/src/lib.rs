//! A document becomes a plan becomes a run.
//!
//! [`document::Document::parse`] reads the YAML, [`plan::Plan::make`] resolves
//! connectors and permissions with a [`workshop::Workshop`], and [`run::run`]
//! moves the data: exactly once, resumable, each connector in a sandbox that
//! holds what the plan says and nothing else.
//!
//! # Invariants
//!
//! - A plan cannot hold what the document may not say.
//! - The destination's record of what is durable is the truth; the state
//!   follows it.
//! - Whatever is printed or stored has gone through the plan's redactor.
#![deny(missing_docs)]

pub mod catalog;
pub mod certify;
pub mod connector;
pub mod document;
mod error;
mod grants;
mod layout;
mod letter_rows;
pub mod paths;
mod place;
pub mod plan;
pub mod run;
pub mod sample;
pub mod session;
mod shape;
pub mod state;
pub mod workshop;

pub use error::{Error, Exit};

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;
