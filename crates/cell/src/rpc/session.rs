//! The session that a membrane of a cell gives.

use std::rc::Rc;
use std::sync::Arc;

use capnp::capability::{Client, FromClientHook as _};
use vesicle_graft::{Graft, Sessions};
use vesicle_membrane::{Membrane, Seal};
use vesicle_protocol::cell_capnp::session;

use super::executor::Executor;
use super::host::Host;
use super::outside::Outside;
use crate::cells::Shared;
use crate::process::Born;

/// What a session of one process stands on.
#[derive(Clone)]
pub(crate) struct Context {
    pub shared: Arc<Shared>,
    pub membrane: Arc<Membrane>,
    pub outside: Outside,
    /// The process whose session it is: it pays, and all ends with it.
    pub owner: Rc<Born>,
}

impl Context {
    /// A membrane that gives sessions of each epoch there is.
    pub fn membrane(self) -> Client {
        let membrane = Arc::clone(&self.membrane);
        Graft::new(membrane, self).serve().cast_to()
    }

    /// The same that gives those of one epoch only: for a child.
    pub fn membrane_of(self, seal: Seal) -> Client {
        let membrane = Arc::clone(&self.membrane);
        Graft::new(membrane, self).behind(seal).serve().cast_to()
    }
}

impl Sessions for Context {
    type Session = session::Owned;

    fn fill(&self, seal: Seal, mut session: session::Builder<'_>) -> capnp::Result<()> {
        let host = Host {
            outside: self.outside.clone(),
            seal: seal.clone(),
        };
        let executor = Executor {
            context: self.clone(),
            seal,
        };
        session.set_host(capnp_rpc::new_client(host));
        session.set_executor(capnp_rpc::new_client(executor));
        Ok(())
    }
}
