//! What drives the network: one future that owns all of it.
//!
//! Invariants: who asks for a stream is answered, or learns that the network has
//! stopped; what is published of peers is what there are connections to.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, ping};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dialler::{Dialler, Verdict};
use super::error::Error;
use super::handler::Reply;
use super::swarm::{Behaviour, BehaviourEvent};

/// How long the last words to peers may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a network is like now.
#[derive(Debug, Default, Clone)]
pub(super) struct Status {
    pub(super) listening: Vec<Multiaddr>,
    pub(super) peers: BTreeMap<PeerId, Vec<Multiaddr>>,
}

/// Somebody asks for a stream to a peer.
pub(super) struct Asked {
    pub(super) peer: PeerId,
    pub(super) reply: Reply,
}

pub(super) struct Node {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) dialler: Dialler,
    pub(super) asked: mpsc::Receiver<Asked>,
    pub(super) status: watch::Sender<Status>,
    pub(super) stop: CancellationToken,
    /// All connections to each peer, the newest last.
    pub(super) connections: HashMap<PeerId, Vec<(ConnectionId, Multiaddr)>>,
    /// Those who wait until a peer is connected.
    pub(super) waiting: HashMap<PeerId, Vec<Reply>>,
}

impl Node {
    /// Runs until it is stopped, or nobody holds the network.
    pub(super) async fn run(mut self) {
        loop {
            let due = self.dialler.next_due();
            tokio::select! {
                () = self.stop.cancelled() => break,
                asked = self.asked.recv() => match asked {
                    Some(asked) => self.open(asked),
                    None => break,
                },
                event = self.swarm.select_next_some() => self.on(event),
                () = until(due) => {
                    for peer in self.dialler.due(Instant::now()) {
                        self.dial(peer);
                    }
                }
            }
        }
        self.part().await;
    }

    /// Waits until each listener has an address.
    pub(super) async fn listening(
        &mut self,
        mut listeners: HashMap<ListenerId, Multiaddr>,
    ) -> Result<(), Error> {
        while !listeners.is_empty() {
            let event = self.swarm.select_next_some().await;
            match &event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    listeners.remove(listener_id);
                }
                SwarmEvent::ListenerClosed {
                    listener_id,
                    reason: Err(error),
                    ..
                } if listeners.contains_key(listener_id) => {
                    return Err(Error::Listen {
                        address: listeners[listener_id].clone(),
                        reason: error.to_string(),
                    });
                }
                _ => {}
            }
            self.on(event);
        }
        Ok(())
    }

    fn open(&mut self, Asked { peer, reply }: Asked) {
        if let Some((connection, _)) = self.connections.get(&peer).and_then(|all| all.last()) {
            let streams = &mut self.swarm.behaviour_mut().streams;
            streams.open(peer, *connection, reply);
        } else if self.dialler.knows(&peer) {
            let waiting = self.waiting.entry(peer).or_default();
            waiting.retain(|other| !other.is_closed());
            waiting.push(reply);
            self.dial(peer);
        } else {
            let _ = reply.send(Err(Error::NoSuchPeer { peer }));
        }
    }

    fn dial(&mut self, peer: PeerId) {
        if let Some(at) = self.dialler.begin(&peer) {
            self.dial_at(peer, at);
        }
    }

    fn dial_at(&mut self, peer: PeerId, at: Vec<Multiaddr>) {
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .allocate_new_port()
            .addresses(at)
            .build();
        if let Err(error) = self.swarm.dial(options) {
            self.failed(peer, &error);
        }
    }

    fn failed(&mut self, peer: PeerId, error: &DialError) {
        match self.dialler.failed(&peer, error, Instant::now()) {
            Verdict::Nothing => {}
            Verdict::Again(at) => self.dial_at(peer, at),
            Verdict::Failed(tried) => {
                tracing::debug!(%peer, ?tried, "cannot be reached");
                for reply in self.waiting.remove(&peer).unwrap_or_default() {
                    let tried = tried.clone();
                    let _ = reply.send(Err(Error::Unreachable { peer, tried }));
                }
            }
        }
    }

    fn on(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id: peer,
                connection_id,
                endpoint,
                ..
            } => self.connected(peer, connection_id, &endpoint),
            SwarmEvent::ConnectionClosed {
                peer_id: peer,
                connection_id,
                cause,
                ..
            } => {
                tracing::debug!(%peer, ?cause, "connection closed");
                self.closed(peer, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => self.failed(peer, &error),
            // A peer that is silent is gone, whatever the connection says.
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(error),
                ..
            })) if !matches!(error, ping::Failure::Unsupported) => {
                self.swarm.close_connection(connection);
            }
            SwarmEvent::NewListenAddr { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ListenerClosed { .. } => self.listeners_changed(),
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!("a listener of the network failed to accept: {error}");
            }
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let address = plain(endpoint.get_remote_address().clone());
        let connections = self.connections.entry(peer).or_default();
        connections.push((connection, address));
        self.dialler.connected(&peer, Instant::now());
        let streams = &mut self.swarm.behaviour_mut().streams;
        for reply in self.waiting.remove(&peer).unwrap_or_default() {
            streams.open(peer, connection, reply);
        }
        self.peer_changed(peer);
    }

    fn closed(&mut self, peer: PeerId, connection: ConnectionId) {
        if let Some(connections) = self.connections.get_mut(&peer) {
            connections.retain(|(known, _)| *known != connection);
            if connections.is_empty() {
                self.connections.remove(&peer);
                self.dialler.lost(&peer, Instant::now());
            }
        }
        self.peer_changed(peer);
    }

    fn peer_changed(&self, peer: PeerId) {
        self.status.send_modify(|status| {
            match self.connections.get(&peer) {
                None => drop(status.peers.remove(&peer)),
                Some(connections) => {
                    let mut addresses: Vec<_> = connections
                        .iter()
                        .map(|(_, address)| address.clone())
                        .collect();
                    addresses.dedup();
                    status.peers.insert(peer, addresses);
                }
            };
        });
    }

    fn listeners_changed(&self) {
        let own = *self.swarm.local_peer_id();
        let listening = self.swarm.listeners().cloned();
        let listening = listening.map(|address| address.with(Protocol::P2p(own)));
        let mut listening: Vec<_> = listening.collect();
        listening.sort();
        self.status
            .send_modify(|status| status.listening = listening);
    }

    /// Ends all connections, so that peers need not find out by themselves.
    async fn part(mut self) {
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let gone = async {
            while !self.connections.is_empty() {
                let event = self.swarm.select_next_some().await;
                self.on(event);
            }
        };
        let _ = tokio::time::timeout(FAREWELL, gone).await;
        self.status.send_replace(Status::default());
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// An address without the name of who is there.
fn plain(mut address: Multiaddr) -> Multiaddr {
    match address.pop() {
        Some(Protocol::P2p(_)) | None => {}
        Some(other) => address.push(other),
    }
    address
}
