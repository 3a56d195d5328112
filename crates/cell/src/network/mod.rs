//! Cells of other hosts: who is there, and streams to them.
//!
//! A [`Network`] listens where it is told, dials its boot peers, and dials them
//! again when they are lost. Over each connection go any number of streams of
//! [`PROTOCOL`], which either side opens; what they carry is Cap'n Proto.
//!
//! ```no_run
//! # async fn example() -> Result<(), vesicle_cell::network::Error> {
//! use vesicle_cell::network::{Config, Identity, Network};
//!
//! let file = Identity::default_file().expect("a home");
//! let mut config = Config::new(Identity::open(&file)?);
//! let peer = "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq".parse().expect("an id");
//! let address = "/ip4/192.0.2.7/tcp/4747".parse().expect("an address");
//! config.boot.push((peer, vec![address]));
//! let network = Network::start(config).await?;
//! let stream = network.connect(&peer).await?;
//! # drop(stream);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: nothing of it runs, listens or dials before [`Network::start`];
//! nobody is dialled but boot peers, and whoever answers there has to have the
//! key that the boot peer is named after; what peers can make a host hold is
//! bounded ([`Limits`]).

mod dialler;
mod error;
mod frames;
mod handler;
mod identity;
mod limits;
mod node;
mod stream;
mod streams;
mod swarm;
pub mod vat;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::swarm::StreamProtocol;
pub use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use dialler::Pauses;
pub use error::Error;
pub use identity::Identity;
pub use limits::Limits;
pub use stream::Stream;

use dialler::Dialler;
use node::{Asked, Node, Status};

/// What the streams between hosts speak.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/vesicle/cell/1");

/// How long it may take until a listener has an address. One on all interfaces
/// has none while none is up.
const LISTENING: Duration = Duration::from_secs(2);
/// Those who wait for streams to be asked for.
const ASKED: usize = 64;

/// Where streams come from that peers opened.
type Arrivals = mpsc::Receiver<(PeerId, Stream)>;

/// What a network is to be like.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who this host is.
    pub identity: Identity,
    /// Where it listens; nowhere if empty.
    pub listen: Vec<Multiaddr>,
    /// Whom it dials, each with the addresses to try.
    pub boot: Vec<(PeerId, Vec<Multiaddr>)>,
    /// When lost boot peers are dialled again.
    pub pauses: Pauses,
    /// What peers can make it hold.
    pub limits: Limits,
    /// How often a connection is looked after. A peer that falls silent is no longer
    /// connected after three times as long, and 10 s, at the latest.
    pub pulse: Duration,
}

impl Config {
    /// One that listens nowhere and dials nobody.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            listen: Vec::new(),
            boot: Vec::new(),
            pauses: Pauses::default(),
            limits: Limits::default(),
            pulse: Duration::from_secs(15),
        }
    }
}

/// This host among others. Cloning gives another handle to the same; the network
/// stops with the last.
#[derive(Clone)]
pub struct Network {
    id: PeerId,
    asked: mpsc::Sender<Asked>,
    status: watch::Receiver<Status>,
    arrivals: Arc<Mutex<Option<Arrivals>>>,
    stop: CancellationToken,
}

impl Network {
    /// Starts a network on the runtime that this is called on. It returns when the
    /// host listens; boot peers are dialled then.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if it cannot listen at an address, [`Error::Boot`] if an
    /// address of a boot peer names somebody else.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let id = config.identity.id();
        let now = tokio::time::Instant::now();
        let dialler = Dialler::new(id, config.boot.clone(), config.pauses, now)?;
        let (to_arrivals, arrivals) = mpsc::channel(config.limits.waiting_streams);
        let mut swarm = swarm::build(&config, dialler.ids().collect(), to_arrivals);
        let mut listeners = HashMap::new();
        for address in &config.listen {
            listeners.insert(swarm::listen(&mut swarm, address)?, address.clone());
        }
        let (to_asked, asked) = mpsc::channel(ASKED);
        let (to_status, status) = watch::channel(Status::default());
        let stop = CancellationToken::new();
        let mut node = Node {
            swarm,
            dialler,
            asked,
            status: to_status,
            stop: stop.clone(),
            connections: HashMap::new(),
            waiting: HashMap::new(),
        };
        let listening = tokio::time::timeout(LISTENING, node.listening(listeners));
        listening.await.unwrap_or(Ok(()))?;
        tokio::spawn(node.run());
        Ok(Self {
            id,
            asked: to_asked,
            status,
            arrivals: Arc::new(Mutex::new(Some(arrivals))),
            stop,
        })
    }

    /// What peers call this host.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// Where it listens now, each address with its id at the end.
    #[must_use]
    pub fn addresses(&self) -> Vec<Multiaddr> {
        self.status.borrow().listening.clone()
    }

    /// Those to whom there is a connection now, and the address at the other end of
    /// each connection.
    #[must_use]
    pub fn peers(&self) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let status = self.status.borrow();
        let peers = status.peers.iter();
        peers.map(|(id, at)| (*id, at.clone())).collect()
    }

    /// Waits until there is a connection to a peer.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if the network stops before.
    pub async fn connected(&self, peer: &PeerId) -> Result<(), Error> {
        self.wait(|status| status.peers.contains_key(peer)).await
    }

    /// Waits until there is no connection to a peer.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if the network stops before.
    pub async fn disconnected(&self, peer: &PeerId) -> Result<(), Error> {
        self.wait(|status| !status.peers.contains_key(peer)).await
    }

    /// Opens a stream to a peer. A boot peer that is not connected is dialled first.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPeer`] if nobody knows where it is, [`Error::Unreachable`] if
    /// it is at none of its addresses, [`Error::NotSpoken`] if it is there and
    /// serves no cells, [`Error::Lost`] if the connection ends meanwhile,
    /// [`Error::Oneself`] and [`Error::Stopped`].
    pub async fn connect(&self, peer: &PeerId) -> Result<Stream, Error> {
        let peer = *peer;
        if peer == self.id {
            return Err(Error::Oneself { peer });
        }
        let (reply, answer) = oneshot::channel();
        let asked = self.asked.send(Asked { peer, reply }).await;
        asked.map_err(|_| Error::Stopped)?;
        answer.await.unwrap_or_else(|_| match self.has_stopped() {
            true => Err(Error::Stopped),
            false => Err(Error::Lost {
                peer,
                reason: "it ended before the stream was open".into(),
            }),
        })
    }

    /// The streams that peers open. Who has it is the only one; none while somebody
    /// else does. Streams that come while nobody does wait, up to a bound.
    #[must_use]
    pub fn incoming(&self) -> Option<Incoming> {
        let mut home = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        home.take().map(|arrivals| Incoming {
            arrivals: Some(arrivals),
            home: Arc::clone(&self.arrivals),
        })
    }

    /// Ends all connections, and stops listening. Returns when that is done; streams
    /// fail from then on, also those that somebody holds. A port of QUIC is free a
    /// moment later, when what peers still sent has been answered.
    pub async fn stop(&self) {
        self.stop.cancel();
        let mut status = self.status.clone();
        while status.changed().await.is_ok() {}
    }

    fn has_stopped(&self) -> bool {
        self.stop.is_cancelled() || self.asked.is_closed()
    }

    async fn wait(&self, holds: impl FnMut(&Status) -> bool) -> Result<(), Error> {
        let mut status = self.status.clone();
        let held = status.wait_for(holds).await;
        held.map(drop).map_err(|_| Error::Stopped)
    }
}

/// The streams that peers open, each with who did. It ends with the network.
pub struct Incoming {
    /// There until this is dropped.
    arrivals: Option<Arrivals>,
    home: Arc<Mutex<Option<Arrivals>>>,
}

impl futures::Stream for Incoming {
    type Item = (PeerId, Stream);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.arrivals {
            Some(arrivals) => arrivals.poll_recv(context),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        *home = self.arrivals.take();
    }
}
