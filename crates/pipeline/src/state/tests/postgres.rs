//! The tests of every state, with a schema of a PostgreSQL database.

// The same files stand below both.
#![allow(clippy::duplicate_mod)]

#[path = "cursors.rs"]
mod cursors;
#[path = "letters.rs"]
mod letters;
#[path = "locks.rs"]
mod locks;
#[path = "runs.rs"]
mod runs;

use super::fixture::{Keeps, Kept};
use super::server::{address, new_schema};
use super::*;
use std::path::Path;
use std::sync::Arc;

/// A schema of its own on the server that all tests share.
pub(super) struct Schema(String);

pub(super) type Fixture = Kept<Schema>;

impl Keeps for Schema {
    fn new() -> Self {
        Schema(address(&new_schema()))
    }

    fn name(&self) -> String {
        self.0.clone()
    }

    fn open(name: &str) -> Arc<dyn State> {
        let address = Address::parse(name, Path::new("")).unwrap();
        Arc::new(PostgresState::open(&address).unwrap())
    }
}
