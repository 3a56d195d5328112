//! What a cell can learn of other hosts: nothing, unless it was given a network.

use capnp::capability::Client;
#[cfg(feature = "network")]
use {crate::network::vat::Neighbours, std::rc::Rc};

use crate::{Error, Result};

/// The hosts around a cell's own.
#[derive(Clone, Default)]
pub(crate) struct Outside {
    #[cfg(feature = "network")]
    neighbours: Option<Rc<Neighbours>>,
}

/// A host, and where it is.
pub(crate) struct Neighbour {
    pub id: String,
    pub addresses: Vec<String>,
}

#[cfg(feature = "network")]
impl Outside {
    pub fn new(neighbours: Neighbours) -> Self {
        Self {
            neighbours: Some(Rc::new(neighbours)),
        }
    }

    /// What others call this host; nothing without a network.
    pub fn id(&self) -> String {
        let neighbours = self.neighbours.as_ref();
        neighbours.map_or_else(String::new, |it| it.network().id().to_string())
    }

    /// Where it can be reached.
    pub fn addresses(&self) -> Vec<String> {
        let neighbours = self.neighbours.as_ref();
        neighbours.map_or_else(Vec::new, |it| texts(&it.network().addresses()))
    }

    /// Those that there is a connection to.
    pub fn peers(&self) -> Vec<Neighbour> {
        let Some(neighbours) = &self.neighbours else {
            return Vec::new();
        };
        let peers = neighbours.network().peers().into_iter();
        let neighbour = |(id, addresses): (crate::network::PeerId, Vec<_>)| Neighbour {
            id: id.to_string(),
            addresses: texts(&addresses),
        };
        peers.map(neighbour).collect()
    }

    /// What a peer exports.
    pub async fn connect(&self, peer: &str) -> Result<Client> {
        let Some(neighbours) = &self.neighbours else {
            return Err(no_network(peer));
        };
        let id = peer.parse().map_err(|error| {
            Error::Invalid(format!(
                "{peer:?} is no id of a peer, such as 12D3KooW…: {error}"
            ))
        })?;
        Ok(neighbours.connect(&id).await?)
    }
}

#[cfg(feature = "network")]
fn texts(addresses: &[crate::network::Multiaddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[cfg(not(feature = "network"))]
impl Outside {
    pub fn id(&self) -> String {
        String::new()
    }

    pub fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    pub fn peers(&self) -> Vec<Neighbour> {
        Vec::new()
    }

    pub async fn connect(&self, peer: &str) -> Result<Client> {
        Err(no_network(peer))
    }
}

fn no_network(peer: &str) -> Error {
    Error::Unreachable(format!(
        "{peer} cannot be reached: the host has no network; `vesicle run --network` or \
         `--listen ADDRESS` gives it one"
    ))
}
