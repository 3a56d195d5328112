//! What can go wrong between hosts.

use std::fmt;
use std::path::PathBuf;

use libp2p::{Multiaddr, PeerId};

/// An error of the network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key that this host is known by cannot be had.
    #[error("the identity in {} cannot be used: {reason}", file.display())]
    Identity {
        /// Where it is, or was to be.
        file: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// Nobody can be listened to at an address.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address that was asked for.
        address: Multiaddr,
        /// Why not, and what to do.
        reason: String,
    },
    /// An address of a boot peer can never be one of that peer's.
    #[error("{address} is no address of the boot peer {peer}: it names the peer {named}")]
    Boot {
        /// The boot peer.
        peer: PeerId,
        /// The address that was given for it.
        address: Multiaddr,
        /// Whom the address names.
        named: Box<PeerId>,
    },
    /// Nobody knows where the peer is.
    #[error(
        "there is no peer {peer}: it is not connected, and no boot peer; give its addresses as \
         those of a boot peer, or let it dial this host"
    )]
    NoSuchPeer {
        /// Who was asked for.
        peer: PeerId,
    },
    /// Who was asked for is who asks.
    #[error("{peer} is this host itself, which has no connection to itself")]
    Oneself {
        /// Who was asked for.
        peer: PeerId,
    },
    /// The peer was at none of its addresses.
    #[error("the peer {peer} cannot be reached: {}", Tried(tried))]
    Unreachable {
        /// Who was asked for.
        peer: PeerId,
        /// All addresses that were tried, and why each failed.
        tried: Vec<(Multiaddr, String)>,
    },
    /// The peer is connected, and no host of cells.
    #[error(
        "the peer {peer} does not speak {}: it serves no cells",
        super::PROTOCOL
    )]
    NotSpoken {
        /// Who was asked for.
        peer: PeerId,
    },
    /// The connection ended before there was a stream.
    #[error("the connection to the peer {peer} was lost: {reason}; ask again")]
    Lost {
        /// Who was asked for.
        peer: PeerId,
        /// What ended it.
        reason: String,
    },
    /// The streams that peers open go to somebody else.
    #[error("what peers open on this network is taken already, by another part of this program")]
    Taken,
    /// The network of this host has been stopped.
    #[error("the network of this host has been stopped")]
    Stopped,
}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::NoSuchPeer { .. }
            | Error::Oneself { .. }
            | Error::Unreachable { .. }
            | Error::NotSpoken { .. }
            | Error::Lost { .. }
            | Error::Listen { .. }
            | Error::Stopped => Self::Unreachable(said),
            Error::Boot { .. } => Self::Invalid(said),
            Error::Identity { .. } | Error::Taken => Self::Other(said),
        }
    }
}

/// Addresses with reasons, for people.
struct Tried<'a>(&'a [(Multiaddr, String)]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return to.write_str("no address of it is known");
        }
        for (index, (address, reason)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(to, "{separator}{address}: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_reached_is_named_with_all_that_was_tried() {
        let peer = PeerId::from_bytes(
            &[0x12, 0x20]
                .iter()
                .chain(&[7; 32])
                .copied()
                .collect::<Vec<_>>(),
        );
        let peer = peer.unwrap();
        let address = |text: &str| text.parse::<Multiaddr>().unwrap();
        let error = Error::Unreachable {
            peer,
            tried: vec![
                (address("/ip4/10.0.0.1/tcp/1"), "connection refused".into()),
                (address("/ip4/10.0.0.2/udp/1/quic-v1"), "no answer".into()),
            ],
        };
        assert_eq!(
            error.to_string(),
            format!(
                "the peer {peer} cannot be reached: /ip4/10.0.0.1/tcp/1: connection refused; \
                 /ip4/10.0.0.2/udp/1/quic-v1: no answer"
            )
        );
    }
}
