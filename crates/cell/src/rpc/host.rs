//! Where the cell is, as a capability.

use std::rc::Rc;

use vesicle_membrane::Seal;
use vesicle_protocol::cell_capnp::host;

use super::sealed;
use crate::Error;

/// Answers for the host that a cell is on.
pub(super) struct Host {
    pub seal: Seal,
}

impl host::Server for Host {
    async fn id(
        self: Rc<Self>,
        _: host::IdParams,
        mut results: host::IdResults,
    ) -> Result<(), capnp::Error> {
        match sealed(&self.seal, async { Ok(()) }).await {
            Ok(()) => results.get().set_ok("")?,
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn addresses(
        self: Rc<Self>,
        _: host::AddressesParams,
        mut results: host::AddressesResults,
    ) -> Result<(), capnp::Error> {
        match sealed(&self.seal, async { Ok(()) }).await {
            Ok(()) => drop(results.get().initn_ok(0)),
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn peers(
        self: Rc<Self>,
        _: host::PeersParams,
        mut results: host::PeersResults,
    ) -> Result<(), capnp::Error> {
        match sealed(&self.seal, async { Ok(()) }).await {
            Ok(()) => drop(results.get().initn_ok(0)),
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn connect(
        self: Rc<Self>,
        params: host::ConnectParams,
        mut results: host::ConnectResults,
    ) -> Result<(), capnp::Error> {
        let peer = params.get()?.get_peer()?.to_string()?;
        let connected = async {
            Err::<(), _>(Error::Unreachable(format!(
                "{peer} cannot be reached: the host was started without a network; \
                 `vesicle run --listen ADDRESS` gives it one"
            )))
        };
        if let Err(error) = sealed(&self.seal, connected).await {
            error.tell(results.get());
        }
        Ok(())
    }
}
