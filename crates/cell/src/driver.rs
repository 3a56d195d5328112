//! The host's end of a cell's link.
//!
//! Until the guest says something, or somebody asks what it serves, there is nothing
//! to be driven.
//!
//! Invariants: the link is driven for as long as the guest runs, and until all is
//! heard that it has written; after that nothing is held of what was served, and
//! calls into what the guest served fail.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use capnp::capability::Client;
use capnp::message::ReaderOptions;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp};
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use vesicle_protocol::outcome_capnp::Side;

use crate::backlog::Backlog;
use crate::link::Link;
use crate::pipe::Gauge;
use crate::tally::Tally;
use crate::waits;
use crate::watched::Network;

/// Words of eight bytes that a message may have: 64 MiB.
const LARGEST_MESSAGE: usize = (64 << 20) / 8;
/// How long hearing what is in the link may take: far longer than it does.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Those who ask what a guest serves.
pub(crate) type Asks = mpsc::UnboundedReceiver<oneshot::Sender<Client>>;

/// What drives a link, on a task of its own.
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    /// Answers what comes over a link with what its guest is given, for as long as the
    /// tally has no more of it than it may.
    pub fn start(link: Link, name: String, bootstrap: Client, asks: Asks, tally: Tally) -> Self {
        let driven = drive(link, name, bootstrap, asks, tally);
        Self(tokio::task::spawn_local(driven))
    }

    /// Ends when all was heard that its guest has written, which is gone. Whoever
    /// still calls what it served is told so.
    pub async fn end(mut self) {
        let ended = tokio::time::timeout(LAST_WORDS, &mut self.0).await;
        if ended.is_err() {
            self.0.abort();
            // Fails since it was aborted.
            let _ = (&mut self.0).await;
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn drive(link: Link, name: String, bootstrap: Client, mut asks: Asks, tally: Tally) {
    let said = link.input.gauge();
    let first = tokio::select! {
        () = link.input.has_bytes() => None,
        Some(ask) = asks.recv() => Some(ask),
    };
    if first.is_none() && said.progress().unread() == 0 {
        // It has ended without a word, as one does that needs no link.
        return;
    }
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(LARGEST_MESSAGE));
    let network = Network::new(
        (link.input, link.output),
        rpc_twoparty_capnp::Side::Server,
        options,
        Backlog::of_guest(),
        tally,
    );
    let mut rpc = RpcSystem::new(Box::new(network), Some(bootstrap));
    let ask = |rpc: &mut RpcSystem<_>, answer: oneshot::Sender<Client>| {
        // Whoever has asked may wait no more.
        let _ = answer.send(rpc.bootstrap(rpc_twoparty_capnp::Side::Client));
    };
    if let Some(answer) = first {
        ask(&mut rpc, answer);
    }
    let name = Rc::from(name);
    loop {
        let driven = poll_fn(|context| waits::driving(&name, || rpc.poll_unpin(context)));
        tokio::select! {
            ended = driven => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a cell's link has ended");
                }
                return;
            }
            Some(answer) = asks.recv() => ask(&mut rpc, answer),
        }
    }
}

/// Both ways of a link.
pub(crate) struct Gauges {
    to_guest: Gauge,
    from_guest: Gauge,
}

impl Gauges {
    pub fn of(link: &Link) -> Self {
        Self {
            to_guest: link.output.gauge(),
            from_guest: link.input.gauge(),
        }
    }

    /// Which end of the link does not go on, and what can be seen of that.
    pub fn stuck(&self, name: &str) -> (Side, String) {
        let unread = |gauge: &Gauge| gauge.progress().unread();
        match (unread(&self.from_guest), unread(&self.to_guest)) {
            (0, 0) => {
                let seen = format!("{name} has read all that was written for it");
                (Side::Guest, seen)
            }
            (0, unread) => {
                let seen = format!("{name} does not read its link: {unread} bytes wait");
                (Side::Guest, seen)
            }
            (unread, _) => (Side::Host, format!("{unread} bytes that {name} wrote wait")),
        }
    }
}
