//! How much of this host others may take.

use std::time::Duration;

use crate::Quota;

/// Bounds on what peers, and whoever pretends to be one, can make a host hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that peers have made, boot peers not counted.
    pub connections: usize,
    /// Connections to one peer beyond which it may make no more.
    pub connections_per_peer: usize,
    /// Connections at a time of which nobody knows yet whose they are.
    pub handshakes: u32,
    /// How long it may take to say who one is.
    pub handshake: Duration,
    /// Streams that one peer has opened and that are open, over all its
    /// connections. Those beyond end at once.
    pub streams_per_peer: usize,
    /// Streams over all peers that nobody has taken. Those beyond end at once.
    pub waiting_streams: usize,
    /// What each stream can have this host hold. One that asks for more is ended.
    pub stream: Quota,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_peer: 8,
            handshakes: 64,
            handshake: Duration::from_secs(10),
            streams_per_peer: 64,
            waiting_streams: 1024,
            stream: Quota::of_peer(),
        }
    }
}
