//! What serves the calls of a membrane.

use std::rc::Rc;
use std::sync::Arc;

use capnp::Error;
use capnp::traits::Owned;
use vesicle_membrane::{Membrane, Seal};
use vesicle_protocol::membrane_capnp::membrane;

use crate::{Signers, stale};

/// Fills the sessions that a membrane gives.
pub trait Sessions: 'static {
    /// What a session is.
    type Session: Owned;

    /// Fills one. All that is put into it has to look at the seal, or stand behind
    /// a [`guard`](crate::guard) with it.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being filled.
    fn fill(&self, seal: Seal, session: <Self::Session as Owned>::Builder<'_>)
    -> capnp::Result<()>;
}

/// Gives sessions of one kind.
pub struct Graft<S> {
    membrane: Arc<Membrane>,
    /// Of whoever gives the membrane itself away, if that is over some day.
    seal: Option<Seal>,
    signers: Signers,
    sessions: S,
}

impl<S: Sessions> Graft<S> {
    /// Gives sessions to whoever asks.
    pub fn new(membrane: Arc<Membrane>, sessions: S) -> Self {
        Self {
            membrane,
            seal: None,
            signers: Signers::Anybody,
            sessions,
        }
    }

    /// The same for those who can show who they are.
    #[must_use]
    pub fn with_signers(self, signers: Signers) -> Self {
        Self { signers, ..self }
    }

    /// The same for as long as a seal is whole. The sessions are of its epoch.
    #[must_use]
    pub fn behind(self, seal: Seal) -> Self {
        Self {
            seal: Some(seal),
            ..self
        }
    }

    /// The capability to be handed out.
    #[must_use]
    pub fn serve(self) -> membrane::Client<S::Session> {
        capnp_rpc::new_client(self)
    }
}

impl<S: Sessions> membrane::Server<S::Session> for Graft<S> {
    async fn graft(
        self: Rc<Self>,
        params: membrane::GraftParams<S::Session>,
        mut results: membrane::GraftResults<S::Session>,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let signer = match params.has_signer() {
            true => Some(params.get_signer()?),
            false => None,
        };
        if let Err(reason) = self.signers.ask(self.membrane.name(), signer).await {
            let mut error = results.get().init_error();
            error.set_message(reason);
            error.set_denied(());
            return Ok(());
        }
        let seal = self.seal.clone().unwrap_or_else(|| self.membrane.seal());
        if seal.check().is_err() {
            stale(&seal, results.get().init_error());
            return Ok(());
        }
        let mut graft = results.get().init_ok();
        graft.set_epoch(seal.issued());
        self.sessions.fill(seal, graft.init_session())
    }

    async fn status(
        self: Rc<Self>,
        _: membrane::StatusParams<S::Session>,
        mut results: membrane::StatusResults,
    ) -> Result<(), Error> {
        let mut status = results.get();
        status.set_epoch(self.membrane.epoch());
        status.set_asks_for_signer(self.signers.asks());
        Ok(())
    }
}
