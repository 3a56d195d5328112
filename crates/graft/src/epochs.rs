//! Epochs that advance by a call.

use std::rc::Rc;
use std::sync::Arc;

use capnp::Error;
use vesicle_membrane::Membrane;
use vesicle_protocol::membrane_capnp::epochs;

/// Serves the call that ends an epoch. Whoever holds it can take back everything.
pub struct Epochs(Arc<Membrane>);

impl Epochs {
    /// A capability to advance the epoch of a membrane.
    #[must_use]
    pub fn of(membrane: Arc<Membrane>) -> epochs::Client {
        capnp_rpc::new_client(Self(membrane))
    }
}

impl epochs::Server for Epochs {
    async fn current(
        self: Rc<Self>,
        _: epochs::CurrentParams,
        mut results: epochs::CurrentResults,
    ) -> Result<(), Error> {
        results.get().set_epoch(self.0.epoch());
        Ok(())
    }

    async fn advance(
        self: Rc<Self>,
        _: epochs::AdvanceParams,
        mut results: epochs::AdvanceResults,
    ) -> Result<(), Error> {
        self.0.advance();
        results.get().set_epoch(self.0.epoch());
        Ok(())
    }
}
