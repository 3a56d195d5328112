//! Boot peers come, go and come again.
#![allow(clippy::unwrap_used)]

mod nodes;

use std::net::UdpSocket;
use std::time::Duration;

use futures::StreamExt;
use nodes::{TCP, TRANSPORTS, anywhere, node, port, soon, start, within};
use vesicle_cell::network::{Config, Error, Identity, Multiaddr, Network};

/// A host that is known to be somewhere, whether it is there or not.
fn known(at: &str) -> (Config, Multiaddr) {
    let mut config = anywhere(&at.replace("/0", &format!("/{}", port())));
    config.pauses = soon();
    let address = config.listen[0].clone();
    (config, address)
}

/// Returns when nobody listens at a port of UDP. Within one process that is a
/// little after a network has stopped, and nothing tells when.
async fn free(address: &Multiaddr) {
    let port = address
        .to_string()
        .split('/')
        .nth(4)
        .unwrap()
        .parse()
        .unwrap();
    while UdpSocket::bind(("127.0.0.1", port)).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_boot_peer_that_comes_up_later_is_found() {
    for at in TRANSPORTS {
        let (later, address) = known(at);
        let peer = later.identity.id();
        let mut config = node(&[]);
        config.boot = vec![(peer, vec![address])];
        let network = start(config).await;
        if at == TCP {
            let error = within(network.connect(&peer)).await.unwrap_err();
            assert!(matches!(error, Error::Unreachable { tried, .. } if tried.len() == 1));
        }
        assert_eq!(network.peers(), []);
        let _later = start(later).await;
        within(network.connected(&peer)).await.unwrap();
    }
}

#[tokio::test]
async fn a_boot_peer_that_is_lost_is_gone_and_found_again_when_it_is_back() {
    for at in TRANSPORTS {
        let (config, address) = known(at);
        let peer = config.identity.id();
        let mut other = node(&[]);
        other.boot = vec![(peer, vec![address])];
        let other = start(other).await;
        for _ in 0..3 {
            within(free(&config.listen[0])).await;
            let one = start(config.clone()).await;
            within(other.connected(&peer)).await.unwrap();
            within(one.connected(&other.id())).await.unwrap();
            let mut incoming = one.incoming().unwrap();
            let _stream = within(other.connect(&peer)).await.unwrap();
            assert_eq!(within(incoming.next()).await.unwrap().0, other.id());
            within(one.stop()).await;
            within(other.disconnected(&peer)).await.unwrap();
            assert_eq!(other.peers(), []);
        }
    }
}

#[tokio::test]
async fn two_that_are_boot_peers_of_each_other_stay_connected() {
    let (mut one, at_one) = known(TCP);
    let (mut other, at_other) = known(TCP);
    let ids = [one.identity.id(), other.identity.id()];
    one.boot = vec![(ids[1], vec![at_other])];
    other.boot = vec![(ids[0], vec![at_one])];
    let (one, other) = (start(one).await, start(other).await);
    within(one.connected(&ids[1])).await.unwrap();
    within(other.connected(&ids[0])).await.unwrap();
    // Whoever dialled first: streams go both ways.
    let mut incoming = (one.incoming().unwrap(), other.incoming().unwrap());
    let _streams = (
        within(one.connect(&ids[1])).await.unwrap(),
        within(other.connect(&ids[0])).await.unwrap(),
    );
    assert_eq!(within(incoming.0.next()).await.unwrap().0, ids[1]);
    assert_eq!(within(incoming.1.next()).await.unwrap().0, ids[0]);
}

#[tokio::test]
async fn who_answers_under_another_name_is_not_taken_for_a_boot_peer() {
    for at in TRANSPORTS {
        let somebody = start(anywhere(at)).await;
        let peer = Identity::passing().id();
        let mut address = somebody.addresses().remove(0);
        address.pop();
        let mut config = node(&[]);
        config.boot = vec![(peer, vec![address.clone()])];
        let network = start(config).await;
        let error = within(network.connect(&peer)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the peer {peer} cannot be reached: {address}: there is the peer {}",
                somebody.id()
            )
        );
        assert_eq!(network.peers(), []);
        assert_eq!(somebody.peers(), []);
    }
}

#[tokio::test]
async fn a_boot_peer_is_found_behind_an_address_where_somebody_else_is() {
    let (somebody, right) = (start(anywhere(TCP)).await, start(anywhere(TCP)).await);
    let mut addresses = [somebody.addresses(), right.addresses()].concat();
    addresses.iter_mut().for_each(|address| drop(address.pop()));
    for turn in 0..4 {
        addresses.rotate_left(turn % 2);
        let mut config = node(&[]);
        config.boot = vec![(right.id(), addresses.clone())];
        let network = start(config).await;
        within(network.connect(&right.id())).await.unwrap();
    }
}

#[tokio::test]
async fn a_boot_address_that_names_somebody_else_is_refused_at_start() {
    let (somebody, peer) = (start(anywhere(TCP)).await, Identity::passing().id());
    let mut config = node(&[]);
    config.boot = vec![(peer, somebody.addresses())];
    let error = Network::start(config).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is no address of the boot peer {peer}: it names the peer {}",
            somebody.addresses()[0],
            somebody.id()
        )
    );
}
