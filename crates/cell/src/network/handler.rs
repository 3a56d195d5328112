//! The streams of one connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::FullyNegotiatedOutbound;
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::error::Error;
use super::stream::Stream;
use crate::Quota;

/// Who waits for a stream.
pub(super) type Reply = oneshot::Sender<Result<Stream, Error>>;
/// Where streams go that peers open.
pub(super) type Arrivals = mpsc::Sender<(PeerId, Stream)>;

/// Opens streams that were asked for, and lets in those of the peer for which
/// there is a place. All others end at once.
pub(super) struct Handler {
    pub(super) peer: PeerId,
    /// How many streams the peer may still open, over all its connections.
    pub(super) places: Arc<Semaphore>,
    /// What each stream can have this host hold.
    pub(super) quota: Quota,
    pub(super) arrivals: Arrivals,
    pub(super) asked: VecDeque<Reply>,
}

impl Handler {
    fn arrived(&self, stream: libp2p::Stream) {
        let peer = self.peer;
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::debug!(%peer, "has as many streams open as it may");
            return;
        };
        let stream = Stream::new(stream, peer, self.quota, Some(place));
        if let Err(error) = self.arrivals.try_send((peer, stream)) {
            tracing::debug!(%peer, "no stream can be taken: {error}");
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Reply;
    type ToBehaviour = std::convert::Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(super::PROTOCOL), ())
    }

    // The other side may have dialled a boot peer, to which a connection stays up.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, reply: Reply) {
        self.asked.push_back(reply);
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        // Nobody has to be woken: what asks for a stream has this polled afterwards.
        match self.asked.pop_front() {
            Some(reply) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(super::PROTOCOL), reply),
            }),
            None => Poll::Pending,
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        let peer = self.peer;
        // Whoever no longer waits for a stream has dropped it.
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.arrived(protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info: reply,
            }) => {
                let _ = reply.send(Ok(Stream::new(protocol, peer, self.quota, None)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                let _ = reply.send(Err(match error {
                    StreamUpgradeError::NegotiationFailed => Error::NotSpoken { peer },
                    StreamUpgradeError::Timeout => Error::Lost {
                        peer,
                        reason: "it did not answer in time".into(),
                    },
                    StreamUpgradeError::Io(error) => Error::Lost {
                        peer,
                        reason: error.to_string(),
                    },
                    StreamUpgradeError::Apply(never) => match never {},
                }));
            }
            _ => {}
        }
    }
}
