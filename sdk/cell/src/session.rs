//! What a program can do in an epoch.

use capnp::capability::FromClientHook;
use vesicle_protocol::cell_capnp::{executor, host, session};
use vesicle_protocol::membrane_capnp::{graft, membrane};

use crate::{Command, Program, Result, ok};

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
            host: match session.has_host() {
                true => session.get_host()?,
                false => nothing("host"),
            },
            executor: match session.has_executor() {
                true => session.get_executor()?,
                false => nothing("executor"),
            },
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

    /// Where a session of a peer's may come from: what the peer's own cell serves.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`](crate::Error::Unreachable) with the reasons.
    pub async fn connect<C: FromClientHook>(&self, peer: &str) -> Result<C> {
        let mut request = self.host.connect_request();
        request.get().set_peer(peer);
        let answer = request.send().promise.await?;
        let exported = ok(answer.get()?)?;
        Ok(exported.get_capability().get_as_capability()?)
    }

    /// The ids of the peers to whom there is a connection now.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn peers(&self) -> Result<Vec<String>> {
        let answer = self.host.peers_request().send().promise.await?;
        let mut ids = Vec::new();
        for peer in ok(answer.get()?)? {
            let id = peer.get_id()?.to_string();
            ids.push(id.map_err(capnp::Error::from)?);
        }
        Ok(ids)
    }

    /// A session of a membrane, of the epoch that it is in now.
    ///
    /// # Errors
    ///
    /// As [`Cell::graft`](crate::Cell::graft).
    pub async fn of(membrane: &membrane::Client<session::Owned>) -> Result<Self> {
        let answer = membrane.graft_request().send().promise.await?;
        let graft = ok(answer.get()?)?;
        Self::new(graft)
    }

    /// A component to be started as a process.
    #[must_use]
    pub fn command<'a>(&self, wasm: &'a [u8]) -> Command<'a> {
        Command::of_bytes(self.executor.clone(), wasm)
    }

    /// Gives the host a component that is to be started more than once. Its bytes
    /// count as memory of this program for as long as somebody holds it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) where it is no component that can be
    /// run, [`Error::Exhausted`](crate::Error::Exhausted) where there is too little
    /// memory left for it.
    pub async fn load(&self, wasm: &[u8]) -> Result<Program> {
        let mut request = self.executor.load_request();
        request.get().set_wasm(wasm);
        let answer = request.send().promise.await?;
        Ok(Program::new(ok(answer.get()?)?))
    }
}

/// In the place of what a session does not give.
fn nothing<C: FromClientHook>(what: &str) -> C {
    let error = capnp::Error::unimplemented(format!("the session gives no {what}"));
    capnp_rpc::new_broken_cap(error).cast_to()
}
