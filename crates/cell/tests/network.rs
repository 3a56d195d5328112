//! Hosts find each other, and speak over streams.
#![allow(clippy::unwrap_used)]

mod nodes;

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use nodes::{TCP, anywhere, node, port, start, within};
use vesicle_cell::network::{Config, Error, Identity, Network, Stream};

/// Writes and reads so much at once over a stream, and returns what was read.
async fn exchange(stream: Stream, own: Vec<u8>) -> Vec<u8> {
    let (mut from, mut to) = stream.split();
    let write = async {
        to.write_all(&own).await.unwrap();
        to.close().await.unwrap();
    };
    let read = async {
        let mut read = Vec::new();
        from.read_to_end(&mut read).await.unwrap();
        read
    };
    futures::join!(write, read).1
}

/// Two hosts, of which one dials the other, and a stream between them.
async fn pair(at: &str) -> (Network, Network, Stream, Stream) {
    let one = start(anywhere(at)).await;
    let other = start(node(&[&one])).await;
    let to = within(other.connect(&one.id())).await.unwrap();
    let (peer, from) = within(one.incoming().unwrap().next()).await.unwrap();
    assert_eq!(
        (peer, from.peer(), to.peer()),
        (other.id(), other.id(), one.id())
    );
    (one, other, to, from)
}

#[tokio::test]
async fn a_boot_peer_is_found_by_itself_and_each_sees_the_other() {
    for at in nodes::TRANSPORTS {
        let one = start(anywhere(at)).await;
        let other = start(node(&[&one])).await;
        within(other.connected(&one.id())).await.unwrap();
        within(one.connected(&other.id())).await.unwrap();
        let peers = other.peers();
        let [(id, addresses)] = peers.as_slice() else {
            panic!("one peer");
        };
        assert_eq!(*id, one.id());
        let name = format!("/p2p/{id}");
        let listens: Vec<_> = one.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(listens, [format!("{}{name}", addresses[0])]);
        assert_eq!(one.peers()[0].0, other.id());
        assert_eq!(other.addresses(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_carries_8_mib_both_ways_at_once() {
    for at in nodes::TRANSPORTS {
        let (_one, _other, to, from) = pair(at).await;
        let pattern = |salt: u32| -> Vec<u8> {
            let words = (0..2u32 << 20).flat_map(|word| (word ^ salt).to_le_bytes());
            words.collect()
        };
        let (here, there) = (pattern(1), pattern(2));
        let both = futures::future::join(
            tokio::spawn(exchange(to, here.clone())),
            tokio::spawn(exchange(from, there.clone())),
        );
        let (at_here, at_there) = within(both).await;
        assert!(at_here.unwrap() == there && at_there.unwrap() == here);
    }
}

#[tokio::test]
async fn one_way_of_a_stream_ends_without_the_other() {
    let (_one, _other, mut to, mut from) = pair(TCP).await;
    to.close().await.unwrap();
    assert_eq!(within(from.read(&mut [0; 8])).await.unwrap(), 0);
    from.write_all(b"still here").await.unwrap();
    from.close().await.unwrap();
    let mut read = String::new();
    within(to.read_to_string(&mut read)).await.unwrap();
    assert_eq!(read, "still here");
}

#[tokio::test]
async fn streams_that_are_opened_at_once_all_arrive() {
    let one = start(anywhere(TCP)).await;
    let other = start(node(&[&one])).await;
    let open = (0..60u8).map(|number| {
        let (other, peer) = (other.clone(), one.id());
        async move {
            let mut stream = other.connect(&peer).await.unwrap();
            stream.write_all(&[number]).await.unwrap();
            stream.flush().await.unwrap();
            stream
        }
    });
    let _open = within(futures::future::join_all(open)).await;
    let mut numbers = Vec::new();
    let mut incoming = one.incoming().unwrap();
    for _ in 0..60 {
        let (_, mut stream) = within(incoming.next()).await.unwrap();
        let mut number = [0];
        within(stream.read_exact(&mut number)).await.unwrap();
        numbers.push(number[0]);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn either_side_of_a_connection_opens_streams() {
    let one = start(anywhere(TCP)).await;
    let other = start(node(&[&one])).await;
    within(one.connected(&other.id())).await.unwrap();
    // `one` knows no address of `other`, only the connection.
    let mut to = within(one.connect(&other.id())).await.unwrap();
    to.write_all(b"hello").await.unwrap();
    to.close().await.unwrap();
    let (peer, mut from) = within(other.incoming().unwrap().next()).await.unwrap();
    let mut read = String::new();
    within(from.read_to_string(&mut read)).await.unwrap();
    assert_eq!((peer, read.as_str()), (one.id(), "hello"));
}

#[tokio::test]
async fn who_cannot_be_had_is_told_apart() {
    let gone = port();
    let nobody = Identity::passing().id();
    let mut config = Config::new(Identity::passing());
    let address = format!("/ip4/127.0.0.1/tcp/{gone}").parse().unwrap();
    let foreign = "/dns4/example.org/tcp/1".parse().unwrap();
    config.boot = vec![(nobody, vec![address, foreign])];
    let network = start(config).await;

    let error = within(network.connect(&nobody)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the peer {nobody} cannot be reached: /dns4/example.org/tcp/1: neither TCP nor QUIC \
             at an IP address; write /ip4/…/tcp/… or /ip4/…/udp/…/quic-v1; \
             /ip4/127.0.0.1/tcp/{gone}: Connection refused (os error 111)"
        )
    );
    let stranger = Identity::passing().id();
    let error = within(network.connect(&stranger)).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchPeer { peer } if peer == stranger));
    let error = within(network.connect(&network.id())).await.unwrap_err();
    assert!(matches!(error, Error::Oneself { .. }));
    network.stop().await;
    let error = within(network.connect(&nobody)).await.unwrap_err();
    assert!(matches!(error, Error::Stopped));
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_with_its_address() {
    for at in nodes::TRANSPORTS {
        let one = start(anywhere(at)).await;
        let mut taken = one.addresses().remove(0);
        taken.pop();
        let mut config = Config::new(Identity::passing());
        config.listen = vec![taken.clone()];
        let error = within(Network::start(config)).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {taken}: another program listens there; choose another port, \
                 or 0 for any that is free"
            )
        );
    }
}

#[tokio::test]
async fn a_network_that_stops_ends_its_streams_and_its_port_is_free() {
    let (one, other, mut to, _from) = pair(TCP).await;
    let mut at = one.addresses().remove(0);
    at.pop();
    within(one.stop()).await;
    assert!(one.peers().is_empty() && one.addresses().is_empty());
    let mut read = [0; 8];
    assert!(matches!(within(to.read(&mut read)).await, Ok(0) | Err(_)));
    within(other.disconnected(&one.id())).await.unwrap();
    let mut config = Config::new(Identity::passing());
    config.listen = vec![at];
    drop(start(config).await);
}

#[tokio::test]
async fn a_network_stops_with_its_last_handle() {
    let one = start(anywhere(TCP)).await;
    let other = start(node(&[&one])).await;
    within(one.connected(&other.id())).await.unwrap();
    let (id, clone) = (one.id(), one.clone());
    drop(one);
    assert_eq!(clone.peers().len(), 1);
    drop(clone);
    within(other.disconnected(&id)).await.unwrap();
}

#[tokio::test]
async fn only_one_takes_what_comes_in_and_another_may_after_it() {
    let network = start(anywhere(TCP)).await;
    let incoming = network.incoming().unwrap();
    assert!(network.clone().incoming().is_none());
    drop(incoming);
    let mut incoming = network.incoming().unwrap();
    within(network.stop()).await;
    assert!(within(incoming.next()).await.is_none());
}

#[tokio::test]
async fn an_idle_network_computes_next_to_nothing() {
    let one = start(anywhere(TCP)).await;
    let other = start(node(&[&one])).await;
    within(other.connected(&one.id())).await.unwrap();
    within(one.connected(&other.id())).await.unwrap();
    let before = nodes::cpu_of_this_thread();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let used = nodes::cpu_of_this_thread() - before;
    assert!(used < Duration::from_millis(50), "{used:?} in a second");
}
