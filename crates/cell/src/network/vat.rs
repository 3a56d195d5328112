//! Cap'n Proto between hosts: what one exports, another calls.
//!
//! A [`Vat`] is the two ends of one stream: this host's capability behind it, and
//! the peer's, which calls go to. [`Neighbours`] has one to each peer that was
//! asked for, and [`serve`] one for each stream that a peer opened.
//!
//! All of it belongs to the [`LocalSet`](tokio::task::LocalSet) that it is made on.
//!
//! Invariants: no message is larger than [`LARGEST`], and none takes memory before
//! it has come; a peer can have no more held than [`Quota`](crate::Quota) says; a vat ends with its stream, and its stream with it; once it has
//! ended, what was called through it fails, and so does what is called then.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use capnp::capability::Client;
use capnp::message::ReaderOptions;
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use futures::io::BufReader;
use futures::stream::FuturesUnordered;
use futures::{AsyncReadExt, FutureExt as _, StreamExt};
use libp2p::PeerId;
use tokio::sync::{OnceCell, oneshot, watch};

use super::frames::Frames;
use super::{Error, Network, Stream};
use crate::backlog::Backlog;
use crate::quota::Overrun;
use crate::tally::Tally;
use crate::watched;

/// How large a message from a peer may be, in bytes. What is read of one, counted
/// each time that it is read, is bounded by the same.
pub const LARGEST: usize = 64 << 20;
/// How many bytes of small messages are read at once.
const READ_AT_ONCE: usize = 8 << 10;
/// How long the last answers may take on their way to a peer.
const FAREWELL: Duration = Duration::from_secs(1);

/// Capabilities at the two ends of a stream. Dropped, it ends the stream.
pub struct Vat {
    theirs: Client,
    ended: watch::Receiver<bool>,
    /// Dropped with this, which ends what drives it.
    _held: oneshot::Sender<()>,
}

impl Vat {
    /// One over a stream that this host opened. The peer's first question is
    /// answered with `ours`; without one it finds nothing.
    ///
    /// # Panics
    ///
    /// Outside a [`LocalSet`](tokio::task::LocalSet).
    #[must_use]
    pub fn dialled(stream: Stream, ours: Option<Client>) -> Self {
        Self::over(stream, ours, Side::Client)
    }

    /// The same over a stream that the peer opened.
    ///
    /// # Panics
    ///
    /// Outside a [`LocalSet`](tokio::task::LocalSet).
    #[must_use]
    pub fn accepted(stream: Stream, ours: Option<Client>) -> Self {
        Self::over(stream, ours, Side::Server)
    }

    fn over(stream: Stream, ours: Option<Client>, side: Side) -> Self {
        let peer = stream.peer();
        let (tally, overrun) = Tally::new(stream.quota());
        let (from, to) = stream.split();
        let (frames, is_over) = Frames::new(BufReader::with_capacity(READ_AT_ONCE, from));
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(Some(LARGEST / 8));
        let network = watched::Network::new((frames, to), side, options, Backlog::of_peer(), tally);
        let mut rpc = RpcSystem::new(Box::new(network), ours);
        let theirs = rpc.bootstrap(match side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        });
        let (held, dropped) = oneshot::channel();
        let (to_ended, ended) = watch::channel(false);
        let ends = Ends {
            is_over,
            dropped,
            overrun,
        };
        tokio::task::spawn_local(drive(rpc, peer, ends, to_ended));
        Self {
            theirs,
            ended,
            _held: held,
        }
    }

    /// What the peer exports. Calls wait until the peer has said what that is.
    #[must_use]
    pub fn theirs(&self) -> Client {
        self.theirs.clone()
    }

    /// Whether nothing more comes from the peer.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Waits until nothing more comes from the peer.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // What drives it is gone at the latest when its `LocalSet` is.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// What ends a vat.
struct Ends {
    /// Nothing more comes.
    is_over: oneshot::Receiver<()>,
    dropped: oneshot::Receiver<()>,
    overrun: oneshot::Receiver<Overrun>,
}

/// Answers what comes, until nothing more does, the peer has too much held, or the vat
/// is dropped.
async fn drive(mut rpc: RpcSystem<Side>, peer: PeerId, ends: Ends, ended: watch::Sender<bool>) {
    let disconnector = rpc.get_disconnector();
    let overran = async {
        match ends.overrun.await {
            Ok(overrun) => tracing::warn!(%peer, "a stream is ended: {overrun}"),
            Err(_) => std::future::pending().await,
        }
    };
    let mut overran = std::pin::pin!(overran);
    let done = tokio::select! {
        biased;
        () = &mut overran => None,
        done = &mut rpc => {
            // It may have ended by that.
            let _ = overran.as_mut().now_or_never();
            Some(done)
        }
        _ = ends.is_over => None,
        _ = ends.dropped => None,
    };
    ended.send_replace(true);
    let done = match done {
        Some(done) => done,
        // All questions fail at once. The last words wait for a peer that may not read.
        None => {
            let both = futures::future::join(disconnector, rpc);
            let both = tokio::time::timeout(FAREWELL, both).await;
            both.map_or(Ok(()), |(disconnected, done)| done.and(disconnected))
        }
    };
    if let Err(error) = done {
        tracing::debug!("capabilities of a peer ended: {error}");
    }
}

/// What peers export to one cell, and what it exports to them.
pub struct Neighbours {
    network: Network,
    ours: Option<Client>,
    vats: RefCell<HashMap<PeerId, Rc<OnceCell<Vat>>>>,
}

impl Neighbours {
    /// Nobody yet. Whom it connects to finds `ours`.
    #[must_use]
    pub fn new(network: Network, ours: Option<Client>) -> Self {
        Self {
            network,
            ours,
            vats: RefCell::default(),
        }
    }

    /// What a peer exports. All who ask share one stream to it, which is opened for
    /// the first, and ends when this is dropped; when it was lost, another is
    /// opened for the next who asks.
    ///
    /// # Errors
    ///
    /// Those of [`Network::connect`].
    ///
    /// # Panics
    ///
    /// Outside a [`LocalSet`](tokio::task::LocalSet).
    pub async fn connect(&self, peer: &PeerId) -> Result<Client, Error> {
        let vat = {
            let mut vats = self.vats.borrow_mut();
            vats.retain(|_, vat| !vat.get().is_some_and(Vat::has_ended));
            Rc::clone(vats.entry(*peer).or_default())
        };
        let opened = vat.get_or_try_init(async || {
            let stream = self.network.connect(peer).await?;
            Ok(Vat::dialled(stream, self.ours.clone()))
        });
        let theirs = opened.await.map(Vat::theirs);
        if theirs.is_err() {
            // Unless others still wait for it.
            drop(vat);
            let mut vats = self.vats.borrow_mut();
            vats.retain(|_, vat| vat.initialized() || Rc::strong_count(vat) > 1);
        }
        theirs
    }

    /// The network that it connects over.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }
}

/// Answers peers that open streams, each with what `export` gives for it, until the
/// network stops. Dropped, it ends their streams.
///
/// # Errors
///
/// [`Error::Taken`] if somebody else takes the streams of this network.
///
/// # Panics
///
/// Outside a [`LocalSet`](tokio::task::LocalSet).
pub async fn serve(
    network: &Network,
    mut export: impl FnMut(PeerId) -> Option<Client>,
) -> Result<(), Error> {
    let mut incoming = network.incoming().ok_or(Error::Taken)?;
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            arrived = incoming.next() => {
                let Some((peer, stream)) = arrived else {
                    return Ok(());
                };
                let vat = Vat::accepted(stream, export(peer));
                open.push(async move { vat.ended().await });
            }
            Some(()) = open.next() => {}
        }
    }
}
