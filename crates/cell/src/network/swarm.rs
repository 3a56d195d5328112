//! What libp2p is asked for: transports, protocols and bounds.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::transport::{ListenerId, TransportError};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify, noise, ping, tcp, yamux};

use super::Config;
use super::error::Error;
use super::handler::Arrivals;
use super::limits::Limits;
use super::streams::Streams;

/// Streams of one connection that have not said which protocol they speak.
const UNNAMED_STREAMS: usize = 64;
/// What hosts tell each other about themselves is told anew this seldom.
const INTRODUCTION: Duration = Duration::from_secs(60 * 60);

/// All protocols that a host speaks.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) streams: Streams,
    handshakes: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

pub(super) fn build(
    config: &Config,
    boot: HashSet<PeerId>,
    arrivals: Arrivals,
) -> Swarm<Behaviour> {
    let key = config.identity.keypair();
    let limits = config.limits.clone();
    let behaviour = Behaviour {
        handshakes: handshakes(&limits),
        streams: Streams::new(limits, boot, arrivals),
        // No address that a peer tells of is ever dialled.
        identify: identify::Behaviour::new(
            identify::Config::new(super::PROTOCOL.to_string(), key.public())
                .with_agent_version(concat!("vesicle/", env!("CARGO_PKG_VERSION")).into())
                .with_interval(INTRODUCTION)
                .with_cache_size(0),
        ),
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(config.pulse)
                .with_timeout(config.pulse),
        ),
    };
    SwarmBuilder::with_existing_identity(key.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::new().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("an Ed25519 key signs whatever it is given")
        .with_quic()
        .with_behaviour(|_| behaviour)
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|swarm| swarm.with_max_negotiating_inbound_streams(UNNAMED_STREAMS))
        .with_connection_timeout(config.limits.handshake)
        .build()
}

fn handshakes(limits: &Limits) -> connection_limits::Behaviour {
    connection_limits::Behaviour::new(
        ConnectionLimits::default().with_max_pending_incoming(Some(limits.handshakes)),
    )
}

/// Begins to listen on an address.
pub(super) fn listen(
    swarm: &mut Swarm<Behaviour>,
    address: &Multiaddr,
) -> Result<ListenerId, Error> {
    let cannot = |reason| Error::Listen {
        address: address.clone(),
        reason,
    };
    let socket = socket_of(address).ok_or_else(|| {
        cannot(
            "write /ip4/ADDRESS/tcp/PORT or /ip4/ADDRESS/udp/PORT/quic-v1, or the same with \
             /ip6; port 0 is any that is free"
                .into(),
        )
    })?;
    // Two of libp2p's listeners would share one port, each with half of the connections.
    let is_free = match socket {
        (_, socket) if socket.port() == 0 => Ok(()),
        (Carrier::Tcp, socket) => TcpListener::bind(socket).map(drop),
        (Carrier::Quic, socket) => UdpSocket::bind(socket).map(drop),
    };
    is_free.map_err(|error| cannot(advice(&error)))?;
    let listener = swarm.listen_on(address.clone());
    listener.map_err(|error| match error {
        TransportError::Other(error) => cannot(advice(&error)),
        error => cannot(error.to_string()),
    })
}

/// What connections run over.
enum Carrier {
    Tcp,
    Quic,
}

/// What an address stands for, if it can be listened on.
fn socket_of(address: &Multiaddr) -> Option<(Carrier, SocketAddr)> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let (carrier, port) = match (parts.next()?, parts.next()) {
        (Protocol::Tcp(port), None) => (Carrier::Tcp, port),
        (Protocol::Udp(port), Some(Protocol::QuicV1)) => (Carrier::Quic, port),
        _ => return None,
    };
    let is_whole = parts.next().is_none();
    is_whole.then(|| (carrier, SocketAddr::new(ip, port)))
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; choose another port, or 0 for any that is free".into()
        }
        io::ErrorKind::AddrNotAvailable => format!("{error}; this machine has no such address"),
        _ => error.to_string(),
    }
}
