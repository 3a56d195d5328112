//! A component that is ready to be started, as a capability.

use std::rc::Rc;

use vesicle_engine::Purse;
use vesicle_protocol::cell_capnp::program;

use super::executor::Executor;
use super::sealed;
use crate::program::Component;

/// Starts processes of one component for a session.
pub(super) struct Program {
    pub executor: Executor,
    pub component: Component,
    /// What its owner pays for the bytes.
    pub _held: Purse,
}

impl program::Server for Program {
    async fn start(
        self: Rc<Self>,
        params: program::StartParams,
        mut results: program::StartResults,
    ) -> Result<(), capnp::Error> {
        let launch = params.get()?.get_launch();
        let started = self.executor.start(&self.component, launch);
        match sealed(&self.executor.seal, started).await {
            Ok(process) => results.get().set_ok(process)?,
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }
}
