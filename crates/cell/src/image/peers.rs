//! `boot/`: where peers are.
//!
//! A file has a peer's id for its name, in base58btc, and an address of that peer
//! on each line. Blank lines and what follows a `#` at a line's beginning say
//! nothing. Names that begin with a dot are left out.

use std::io::Read as _;

use libp2p_identity::PeerId;
use multiaddr::{Multiaddr, Protocol};
use vesicle_pool::wasi::TreeKind;

use super::error::ImageError;
use super::union::Union;

/// Peers of an image.
const MAX_PEERS: usize = 1024;
/// Bytes of one peer's file.
const MAX_BYTES: u64 = 64 << 10;

/// A peer, and where it is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who it is.
    pub id: PeerId,
    /// Where, in the order of the file.
    pub addresses: Vec<Multiaddr>,
}

/// The peers of an image, in the order of their files' names.
pub(super) fn read(union: &Union, place: &str) -> Result<Vec<Peer>, ImageError> {
    let entries = match union.entries("boot") {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ImageError::unreadable(place)(error)),
    };
    let files = entries
        .into_iter()
        .filter(|entry| !entry.name.starts_with('.'));
    let mut peers = Vec::new();
    for entry in files {
        if peers.len() == MAX_PEERS {
            return Err(ImageError::TooMany {
                place: place.to_owned(),
                reason: format!("boot/ has more than {MAX_PEERS} peers"),
            });
        }
        let misplaced = |reason: String| ImageError::Misplaced {
            place: place.to_owned(),
            path: format!("boot/{}", entry.name.escape_debug()),
            reason,
        };
        let id: PeerId = entry.name.parse().map_err(|error| {
            misplaced(format!(
                "is not named after a peer: {error}; an id looks like \
                 12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
            ))
        })?;
        if entry.kind == TreeKind::Folder {
            return Err(misplaced("is a folder, and should be a file".to_owned()));
        }
        let text = text(union, &entry.name, place)?;
        let addresses = addresses(&text, &entry.name, &id, place)?;
        peers.push(Peer { id, addresses });
    }
    Ok(peers)
}

fn text(union: &Union, name: &str, place: &str) -> Result<String, ImageError> {
    let path = format!("boot/{name}");
    let file = union.open(&path).map_err(ImageError::unreadable(place))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(ImageError::unreadable(place))?;
    let misplaced = |reason: String| ImageError::Misplaced {
        place: place.to_owned(),
        path: path.clone(),
        reason,
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(misplaced(format!("has more than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| misplaced("is not UTF-8".to_owned()))
}

fn addresses(
    text: &str,
    name: &str,
    id: &PeerId,
    place: &str,
) -> Result<Vec<Multiaddr>, ImageError> {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(number, line)| (number + 1, line.trim()));
    let mut addresses = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let bad = |reason: String| ImageError::BadAddress {
            place: place.to_owned(),
            file: name.to_owned(),
            line: number,
            reason,
        };
        let shown: String = line
            .chars()
            .take(200)
            .flat_map(char::escape_debug)
            .collect();
        let address: Multiaddr = line.parse().map_err(|error| {
            bad(format!(
                "\"{shown}\" is no address: {error}; one looks like /ip4/192.0.2.7/tcp/4001"
            ))
        })?;
        let other = address.iter().find_map(|part| match part {
            Protocol::P2p(other) if other != *id => Some(other),
            _ => None,
        });
        if let Some(other) = other {
            return Err(bad(format!("\"{shown}\" leads to another peer, {other}")));
        }
        addresses.push(address);
    }
    Ok(addresses)
}
