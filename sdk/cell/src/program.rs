//! A component that is ready to be started.

use vesicle_protocol::cell_capnp::program;

use crate::Command;

/// A component whose bytes the host has. Each process is started from it without
/// sending them again. Cloning gives another hold of the same.
#[derive(Clone)]
pub struct Program {
    /// Its capability.
    pub client: program::Client,
}

impl Program {
    pub(crate) fn new(client: program::Client) -> Self {
        Self { client }
    }

    /// The same to be started as a process.
    #[must_use]
    pub fn command(&self) -> Command<'static> {
        Command::of_program(self.client.clone())
    }
}
