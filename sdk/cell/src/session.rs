//! What a program can do in an epoch.

use vesicle_protocol::cell_capnp::{executor, host, session};
use vesicle_protocol::membrane_capnp::graft;

use crate::{Command, Result, ok};

/// A session. All that came with it ends with its epoch.
#[derive(Clone)]
pub struct Session {
    epoch: u64,
    /// Where the program is.
    pub host: host::Client,
    /// Starts processes.
    pub executor: executor::Client,
}

impl Session {
    pub(crate) fn new(graft: graft::Reader<'_, session::Owned>) -> Result<Self> {
        let session = graft.get_session()?;
        Ok(Self {
            epoch: graft.get_epoch(),
            host: session.get_host()?,
            executor: session.get_executor()?,
        })
    }

    /// The epoch that it is of.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Has the host say something again.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn echo(&self, text: &str) -> Result<String> {
        let mut request = self.executor.echo_request();
        request.get().set_text(text);
        let answer = request.send().promise.await?;
        let text = ok(answer.get()?)?.to_string();
        Ok(text.map_err(capnp::Error::from)?)
    }

    /// A component to be started as a process.
    #[must_use]
    pub fn command<'a>(&self, wasm: &'a [u8]) -> Command<'a> {
        Command::new(self.executor.clone(), wasm)
    }
}
