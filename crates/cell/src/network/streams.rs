//! The streams of all connections, and how many of both a peer may have.
//!
//! Invariants: nothing is kept of a peer without a connection; a boot peer finds
//! room however many strangers there are.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::Semaphore;

use super::Limits;
use super::handler::{Arrivals, Handler, Reply};

/// What libp2p asks about connections and their streams.
pub(super) struct Streams {
    limits: Limits,
    boot: HashSet<PeerId>,
    arrivals: Arrivals,
    /// How many connections there are to each peer.
    connections: HashMap<PeerId, usize>,
    /// Those that were made by peers who are no boot peers.
    strangers: HashSet<ConnectionId>,
    /// How many streams each peer may still open.
    places: HashMap<PeerId, Weak<Semaphore>>,
    asked: VecDeque<(PeerId, ConnectionId, Reply)>,
    waker: Option<Waker>,
}

/// Why a connection is not taken.
#[derive(Debug, thiserror::Error)]
enum Full {
    #[error("there are as many connections as may be")]
    InAll,
    #[error("there are as many connections of this peer as may be")]
    OfPeer,
}

impl Streams {
    pub(super) fn new(limits: Limits, boot: HashSet<PeerId>, arrivals: Arrivals) -> Self {
        Self {
            limits,
            boot,
            arrivals,
            connections: HashMap::new(),
            strangers: HashSet::new(),
            places: HashMap::new(),
            asked: VecDeque::new(),
            waker: None,
        }
    }

    /// Asks for a stream over a connection. The reply is dropped if that has ended.
    pub(super) fn open(&mut self, peer: PeerId, connection: ConnectionId, reply: Reply) {
        self.asked.push_back((peer, connection, reply));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&mut self, peer: PeerId) -> Handler {
        let known = self.places.get(&peer).and_then(Weak::upgrade);
        let places =
            known.unwrap_or_else(|| Arc::new(Semaphore::new(self.limits.streams_per_peer)));
        self.places.insert(peer, Arc::downgrade(&places));
        Handler {
            peer,
            places,
            quota: self.limits.stream,
            arrivals: self.arrivals.clone(),
            asked: VecDeque::new(),
        }
    }

    fn look_for_room(&self, peer: &PeerId) -> Result<(), Full> {
        let of_peer = self.connections.get(peer).copied().unwrap_or_default();
        if of_peer >= self.limits.connections_per_peer {
            return Err(Full::OfPeer);
        }
        if self.strangers.len() >= self.limits.connections && !self.boot.contains(peer) {
            return Err(Full::InAll);
        }
        Ok(())
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.look_for_room(&peer).map_err(ConnectionDenied::new)?;
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(made) => {
                *self.connections.entry(made.peer_id).or_default() += 1;
                if made.endpoint.is_listener() && !self.boot.contains(&made.peer_id) {
                    self.strangers.insert(made.connection_id);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.strangers.remove(&closed.connection_id);
                if let Some(count) = self.connections.get_mut(&closed.peer_id) {
                    *count -= 1;
                }
                self.connections.retain(|_, count| *count > 0);
                // A stream that somebody still holds counts further on.
                self.places.retain(|_, places| places.strong_count() > 0);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.asked.pop_front() {
            Some((peer_id, connection, event)) => Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event,
            }),
            None => {
                self.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
