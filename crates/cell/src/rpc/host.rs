//! Where the cell is, as a capability.

use std::rc::Rc;

use vesicle_membrane::Seal;
use vesicle_protocol::cell_capnp::host;

use super::outside::Outside;
use super::sealed;

/// Answers for the host that a cell is on.
pub(super) struct Host {
    pub outside: Outside,
    pub seal: Seal,
}

impl host::Server for Host {
    async fn id(
        self: Rc<Self>,
        _: host::IdParams,
        mut results: host::IdResults,
    ) -> Result<(), capnp::Error> {
        match sealed(&self.seal, async { Ok(self.outside.id()) }).await {
            Ok(id) => results.get().set_ok(&*id)?,
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn addresses(
        self: Rc<Self>,
        _: host::AddressesParams,
        mut results: host::AddressesResults,
    ) -> Result<(), capnp::Error> {
        match sealed(&self.seal, async { Ok(self.outside.addresses()) }).await {
            Ok(addresses) => {
                let mut list = results.get().initn_ok(addresses.len() as u32);
                for (at, address) in (0..).zip(&addresses) {
                    list.set(at, address);
                }
            }
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn peers(
        self: Rc<Self>,
        _: host::PeersParams,
        mut results: host::PeersResults,
    ) -> Result<(), capnp::Error> {
        match sealed(&self.seal, async { Ok(self.outside.peers()) }).await {
            Ok(peers) => {
                let mut list = results.get().initn_ok(peers.len() as u32);
                for (at, peer) in (0..).zip(&peers) {
                    let mut told = list.reborrow().get(at);
                    told.set_id(&*peer.id);
                    let mut addresses = told.init_addresses(peer.addresses.len() as u32);
                    for (at, address) in (0..).zip(&peer.addresses) {
                        addresses.set(at, address);
                    }
                }
            }
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
        match sealed(&self.seal, self.outside.connect(&peer)).await {
            // What a peer exports knows nothing of the session's epoch.
            Ok(exported) => {
                let exported = vesicle_graft::guard(exported, &self.seal);
                let mut ok = results.get().init_ok();
                ok.reborrow()
                    .init_capability()
                    .set_as_capability(exported.hook);
            }
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }
}
