//! Where a server is.

use std::fmt;
use std::net::SocketAddr;

/// A server: the name it is known by, and the addresses that were found for it
/// when it was granted. Nothing is resolved again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name, as the user wrote it. TLS verifies it.
    pub host: String,
    /// The port, as the user wrote it.
    pub port: u16,
    /// What is dialled, in this order.
    pub addresses: Vec<SocketAddr>,
}

impl Endpoint {
    /// Whether all of it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.addresses.iter().all(is_loopback)
    }
}

/// Whether an address is on this machine.
pub(crate) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}
