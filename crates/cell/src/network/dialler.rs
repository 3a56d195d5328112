//! Where boot peers are, and when each is dialled.
//!
//! Invariants: a peer is dialled once at a time; between two attempts that nobody
//! asked for lies a pause, which doubles up to a limit.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::core::transport::TransportError;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::DialError;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::error::Error;

/// How long a host waits before it dials a boot peer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// After the first failure, or the loss of a connection.
    pub first: Duration,
    /// Each is twice the one before, up to this.
    pub longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(60),
        }
    }
}

pub(super) struct Dialler {
    pauses: Pauses,
    peers: BTreeMap<PeerId, Peer>,
}

struct Peer {
    addresses: Vec<Multiaddr>,
    pause: Duration,
    state: State,
}

enum State {
    /// To be dialled then.
    Due(Instant),
    /// Being dialled at some addresses; others have failed.
    Dialling {
        at: Vec<Multiaddr>,
        tried: Vec<(Multiaddr, String)>,
    },
    /// There is a connection since then.
    Connected(Instant),
}

/// What follows from a dial that failed.
pub(super) enum Verdict {
    /// Nothing: nobody waits for it.
    Nothing,
    /// The addresses that are left are to be dialled.
    Again(Vec<Multiaddr>),
    /// All were tried.
    Failed(Vec<(Multiaddr, String)>),
}

impl Dialler {
    /// All peers but `oneself`, each due at once.
    pub(super) fn new(
        oneself: PeerId,
        boot: Vec<(PeerId, Vec<Multiaddr>)>,
        pauses: Pauses,
        now: Instant,
    ) -> Result<Self, Error> {
        let mut peers = BTreeMap::new();
        for (id, addresses) in boot {
            let peer = peers.entry(id).or_insert_with(|| Peer {
                addresses: Vec::new(),
                pause: pauses.first,
                state: State::Due(now),
            });
            for address in addresses {
                let address = of_peer(id, address)?;
                if !peer.addresses.contains(&address) {
                    peer.addresses.push(address);
                }
            }
        }
        peers.remove(&oneself);
        Ok(Self { pauses, peers })
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.peers.keys().copied()
    }

    /// When a peer is to be dialled next, if any is.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |peer: &Peer| match peer.state {
            State::Due(then) if !peer.addresses.is_empty() => Some(then),
            _ => None,
        };
        self.peers.values().filter_map(due).min()
    }

    /// Those that are to be dialled by now.
    pub(super) fn due(&self, now: Instant) -> Vec<PeerId> {
        let is_due = |peer: &Peer| {
            !peer.addresses.is_empty() && matches!(peer.state, State::Due(then) if then <= now)
        };
        let due = self.peers.iter().filter(|(_, peer)| is_due(peer));
        due.map(|(id, _)| *id).collect()
    }

    /// Whether the peer is known at all.
    pub(super) fn knows(&self, id: &PeerId) -> bool {
        self.peers.contains_key(id)
    }

    /// Where to dial a peer; none if that goes on already, or there is a connection.
    pub(super) fn begin(&mut self, id: &PeerId) -> Option<Vec<Multiaddr>> {
        let peer = self.peers.get_mut(id)?;
        let State::Due(_) = peer.state else {
            return None;
        };
        peer.state = State::Dialling {
            at: peer.addresses.clone(),
            tried: Vec::new(),
        };
        Some(peer.addresses.clone())
    }

    /// There is a connection to a peer, whoever made it.
    pub(super) fn connected(&mut self, id: &PeerId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(id)
            && !matches!(peer.state, State::Connected(_))
        {
            peer.state = State::Connected(now);
        }
    }

    /// The last connection to a peer was lost.
    pub(super) fn lost(&mut self, id: &PeerId, now: Instant) {
        let (first, longest) = (self.pauses.first, self.pauses.longest);
        if let Some(peer) = self.peers.get_mut(id)
            && let State::Connected(since) = peer.state
        {
            // Who lets one in only to end it is a failure too.
            if now.duration_since(since) > peer.pause {
                peer.pause = first;
            }
            peer.retry(now, longest);
        }
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, id: &PeerId, error: &DialError, now: Instant) -> Verdict {
        let longest = self.pauses.longest;
        let Some(peer) = self.peers.get_mut(id) else {
            return Verdict::Nothing;
        };
        let State::Dialling { at, tried } = &mut peer.state else {
            return Verdict::Nothing;
        };
        let told = reasons(error, at);
        at.retain(|address| !told.iter().any(|(failed, _)| failed == address));
        tried.extend(told);
        // Who answers under another name has ended the dial at the other addresses.
        if matches!(error, DialError::WrongPeerId { .. }) && !at.is_empty() {
            return Verdict::Again(at.clone());
        }
        let tried = std::mem::take(tried);
        peer.retry(now, longest);
        Verdict::Failed(tried)
    }
}

impl Peer {
    fn retry(&mut self, now: Instant, longest: Duration) {
        self.state = State::Due(now + self.pause);
        self.pause = longest.min(self.pause * 2);
    }
}

/// The address without the peer's name at its end.
fn of_peer(peer: PeerId, mut address: Multiaddr) -> Result<Multiaddr, Error> {
    match address.pop() {
        Some(Protocol::P2p(named)) if named == peer => {}
        Some(Protocol::P2p(named)) => {
            address.push(Protocol::P2p(named));
            return Err(Error::Boot {
                peer,
                address,
                named: Box::new(named),
            });
        }
        Some(other) => address.push(other),
        None => {}
    }
    Ok(address)
}

/// The addresses that failed, as they were dialled, and why.
fn reasons(error: &DialError, at: &[Multiaddr]) -> Vec<(Multiaddr, String)> {
    let plain = |address: &Multiaddr| {
        let mut address = address.clone();
        if let Some(last) = address.pop()
            && !matches!(last, Protocol::P2p(_))
        {
            address.push(last);
        }
        address
    };
    match error {
        DialError::Transport(failures) => failures
            .iter()
            .map(|(address, error)| (plain(address), reason(error)))
            .collect(),
        DialError::WrongPeerId { obtained, address } => {
            vec![(plain(address), format!("there is the peer {obtained}"))]
        }
        other => at
            .iter()
            .map(|address| (address.clone(), other.to_string()))
            .collect(),
    }
}

fn reason(error: &TransportError<std::io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => {
            "neither TCP nor QUIC at an IP address; write /ip4/…/tcp/… or /ip4/…/udp/…/quic-v1"
                .into()
        }
        TransportError::Other(error) => root_of(error),
    }
}

/// The innermost reason: what is around it says only which layer saw it.
pub(super) fn root_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses = Pauses {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(5),
    };

    fn id() -> PeerId {
        super::super::Identity::passing().id()
    }

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[tokio::test]
    async fn pauses_double_up_to_the_longest_and_begin_anew_after_a_connection_that_lasted() {
        let (peer, mut now) = (id(), Instant::now());
        let boot = vec![(peer, vec![address(1)])];
        let mut dialler = Dialler::new(id(), boot, PAUSES, now).unwrap();
        let mut pauses = Vec::new();
        let mut fail = |dialler: &mut Dialler, now: &mut Instant| {
            assert_eq!(dialler.due(*now), [peer]);
            assert_eq!(dialler.begin(&peer).unwrap(), [address(1)]);
            assert!(dialler.begin(&peer).is_none() && dialler.next_due().is_none());
            assert!(matches!(
                dialler.failed(&peer, &DialError::Aborted, *now),
                Verdict::Failed(tried) if tried.len() == 1
            ));
            let due = dialler.next_due().unwrap();
            pauses.push(due.duration_since(*now).as_secs());
            *now = due;
        };
        (0..5).for_each(|_| fail(&mut dialler, &mut now));
        // One that is lost at once is no better than none.
        dialler.begin(&peer).unwrap();
        dialler.connected(&peer, now);
        dialler.lost(&peer, now);
        now = dialler.next_due().unwrap();
        dialler.begin(&peer).unwrap();
        dialler.connected(&peer, now);
        now += Duration::from_secs(6);
        dialler.lost(&peer, now);
        now = dialler.next_due().unwrap();
        fail(&mut dialler, &mut now);
        assert_eq!(pauses, [1, 2, 4, 5, 5, 2]);
    }

    #[tokio::test]
    async fn an_address_where_somebody_else_is_does_not_keep_from_the_others() {
        let (peer, other, now) = (id(), id(), Instant::now());
        let boot = vec![(peer, vec![address(1), address(2)])];
        let mut dialler = Dialler::new(id(), boot, PAUSES, now).unwrap();
        dialler.begin(&peer).unwrap();
        let wrong = |port| DialError::WrongPeerId {
            obtained: other,
            address: address(port).with(Protocol::P2p(peer)),
        };
        let Verdict::Again(left) = dialler.failed(&peer, &wrong(1), now) else {
            panic!("one address is left");
        };
        assert_eq!(left, [address(2)]);
        let Verdict::Failed(tried) = dialler.failed(&peer, &wrong(2), now) else {
            panic!("none is left");
        };
        let said = format!("there is the peer {other}");
        assert_eq!(tried, [(address(1), said.clone()), (address(2), said)]);
    }

    #[test]
    fn an_address_that_names_somebody_else_is_refused() {
        let (peer, other) = (id(), id());
        let named = |id| address(1).with(Protocol::P2p(id));
        assert_eq!(of_peer(peer, named(peer)).unwrap(), address(1));
        let error = of_peer(peer, named(other)).unwrap_err();
        assert!(matches!(error, Error::Boot { named, .. } if *named == other));
    }

    #[tokio::test]
    async fn a_host_that_is_among_its_own_boot_peers_does_not_dial_itself() {
        let (peer, now) = (id(), Instant::now());
        let boot = vec![(peer, vec![address(1)])];
        let dialler = Dialler::new(peer, boot, PAUSES, now).unwrap();
        assert!(dialler.next_due().is_none() && !dialler.knows(&peer));
    }
}
