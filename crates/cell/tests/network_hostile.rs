//! What peers that mean harm, or mean nothing, can make a host hold.
#![allow(clippy::unwrap_used)]

mod nodes;

use std::rc::Rc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use nodes::{TCP, TRANSPORTS, anywhere, node, start, within};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use vesicle_cell::Quota;
use vesicle_cell::network::vat::{Neighbours, Vat, serve};
use vesicle_cell::network::{Identity, Network, PeerId, Stream};
use vesicle_protocol::cell_capnp::executor;

/// Connects to where a network listens, without a word.
async fn silent(network: &Network) -> TcpStream {
    let address = network.addresses()[0].to_string();
    let port = address.split('/').nth(4).unwrap().parse().unwrap();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Returns when the other side has ended it.
async fn ended(connection: &mut TcpStream) {
    let mut sink = Vec::new();
    let _ = within(connection.read_to_end(&mut sink)).await;
}

/// Returns when the other side has ended a stream, if one was opened at all.
async fn refused(network: &Network, peer: &PeerId) {
    if let Ok(mut stream) = network.connect(peer).await {
        let read = stream.read(&mut [0]).await;
        assert!(matches!(read, Ok(0) | Err(_)), "nobody wrote");
    }
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_let_go_and_keeps_nobody_out_for_long() {
    let mut config = anywhere(TCP);
    config.limits.handshakes = 4;
    config.limits.handshake = Duration::from_millis(500);
    let network = start(config).await;
    let mut quiet = Vec::new();
    for _ in 0..40 {
        quiet.push(silent(&network).await);
    }
    let honest = start(node(&[&network])).await;
    for connection in &mut quiet {
        ended(connection).await;
    }
    within(honest.connected(&network.id())).await.unwrap();
    within(network.connected(&honest.id())).await.unwrap();
    assert_eq!(network.peers().len(), 1);
}

#[tokio::test]
async fn who_talks_nonsense_is_let_go() {
    let mut config = anywhere(TCP);
    config.limits.handshake = Duration::from_millis(500);
    let network = start(config).await;
    for nonsense in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0xff; 4096]] {
        let mut connection = silent(&network).await;
        // It may be gone before all is written.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut connection, nonsense).await;
        ended(&mut connection).await;
    }
    let honest = start(node(&[&network])).await;
    within(honest.connected(&network.id())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_streams_a_peer_keeps_as_many_as_it_may() {
    for at in TRANSPORTS {
        let network = start(anywhere(at)).await;
        let most = 64;
        let hostile = start(node(&[&network])).await;
        let id = network.id();
        let mut all: FuturesUnordered<_> = (0..1000)
            .map(|_| {
                let hostile = hostile.clone();
                tokio::spawn(async move { refused(&hostile, &id).await })
            })
            .collect();
        for _ in 0..1000 - most {
            within(all.next()).await.unwrap().unwrap();
        }
        // Those that are left stay, and others are served beside them.
        let honest = start(node(&[&network])).await;
        let mut stream = within(honest.connect(&id)).await.unwrap();
        stream.write_all(b"please").await.unwrap();
        stream.close().await.unwrap();
        let mut incoming = network.incoming().unwrap();
        let mut kept = Vec::new();
        loop {
            let (peer, mut stream) = within(incoming.next()).await.unwrap();
            if peer == hostile.id() {
                kept.push(stream);
                continue;
            }
            let mut said = String::new();
            within(stream.read_to_string(&mut said)).await.unwrap();
            assert_eq!(said, "please");
            break;
        }
        assert_eq!((kept.len(), all.len()), (most, most));
        // A place is free when a stream is done with.
        within(refused(&hostile, &id)).await;
        kept.pop();
        within(all.next()).await.unwrap().unwrap();
        let _stream = within(hostile.connect(&id)).await.unwrap();
        assert_eq!(within(incoming.next()).await.unwrap().0, hostile.id());
    }
}

#[tokio::test]
async fn streams_that_nobody_takes_are_bounded_over_all_peers() {
    let mut config = anywhere(TCP);
    config.limits.waiting_streams = 2;
    let network = start(config).await;
    let mut open: Vec<(Network, Stream)> = Vec::new();
    for _ in 0..2 {
        let peer = start(node(&[&network])).await;
        let stream = within(peer.connect(&network.id())).await.unwrap();
        open.push((peer, stream));
    }
    let third = start(node(&[&network])).await;
    within(refused(&third, &network.id())).await;
    let mut incoming = network.incoming().unwrap();
    within(incoming.next()).await.unwrap();
    let _stream = within(third.connect(&network.id())).await.unwrap();
    let mut next = [None; 2];
    for peer in &mut next {
        *peer = Some(within(incoming.next()).await.unwrap().0);
    }
    assert!(next.contains(&Some(third.id())));
}

#[tokio::test]
async fn strangers_take_no_more_connections_than_they_may_and_keep_out_no_boot_peer() {
    let friend = Identity::passing();
    let mut config = anywhere(TCP);
    config.limits.connections = 2;
    config.boot = vec![(friend.id(), vec![])];
    let network = start(config).await;
    let strangers = [
        start(node(&[&network])).await,
        start(node(&[&network])).await,
    ];
    for stranger in &strangers {
        within(network.connected(&stranger.id())).await.unwrap();
    }
    let third = start(node(&[&network])).await;
    within(refused(&third, &network.id())).await;
    assert_eq!(network.peers().len(), 2);

    let mut config = node(&[&network]);
    config.identity = friend;
    let friend = start(config).await;
    within(network.connected(&friend.id())).await.unwrap();
    within(friend.connect(&network.id())).await.unwrap();
    // The place of one that leaves is free for the next.
    let [gone, _stays] = strangers;
    within(gone.stop()).await;
    within(network.connected(&third.id())).await.unwrap();
}

#[tokio::test]
async fn one_peer_takes_no_more_connections_than_it_may() {
    let mut config = anywhere(TCP);
    config.limits.connections_per_peer = 2;
    let network = start(config).await;
    let mut config = node(&[&network]);
    config.pauses.longest = Duration::from_millis(50);
    let one = [start(config.clone()).await, start(config.clone()).await];
    for copy in &one {
        within(copy.connect(&network.id())).await.unwrap();
    }
    let third = start(config).await;
    within(refused(&third, &network.id())).await;
    let peers = network.peers();
    assert_eq!((peers.len(), peers[0].1.len()), (1, 2));
}

/// Answers what is short, with as much as nobody wants to hold; "never" it does not
/// answer.
struct Generous;

impl executor::Server for Generous {
    async fn echo(
        self: Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), capnp::Error> {
        match params.get()?.get_text()?.to_str()? {
            "never" => std::future::pending().await,
            "much" => results.get().set_ok(&*"x".repeat(1 << 20)),
            short => results.get().set_ok(short),
        }
    }
}

/// Says something to what a peer exports, and ends when that is answered.
async fn said(there: &capnp::capability::Client, text: &str) -> Result<(), capnp::Error> {
    let there: executor::Client = capnp::capability::FromClientHook::new(there.hook.clone());
    let mut request = there.echo_request();
    request.get().set_text(text);
    request.send().promise.await.map(drop)
}

/// A host that serves it, of which each stream may hold so much.
async fn generous(stream: Quota) -> Network {
    let mut config = anywhere(TCP);
    config.limits.stream = stream;
    let network = start(config).await;
    let served = network.clone();
    tokio::task::spawn_local(async move {
        let exported = |_| {
            let served: executor::Client = capnp_rpc::new_client(Generous);
            Some(served.client)
        };
        serve(&served, exported).await.unwrap();
    });
    network
}

#[tokio::test]
async fn a_peer_that_calls_and_calls_and_is_not_answered_is_hung_up_on_and_others_are_served() {
    let calls = async {
        let network = generous(Quota {
            calls: 100,
            ..Quota::of_peer()
        })
        .await;
        let (hostile, honest) = (
            start(node(&[&network])).await,
            start(node(&[&network])).await,
        );
        let honest = Neighbours::new(honest, None);
        let there = honest.connect(&network.id()).await.unwrap();
        said(&there, "before").await.unwrap();
        let vat = Vat::dialled(hostile.connect(&network.id()).await.unwrap(), None);
        let theirs = vat.theirs();
        let calls = (0..200).map(|_| said(&theirs, "never"));
        for called in futures::future::join_all(calls).await {
            let error = called.unwrap_err();
            assert!(
                error.extra.contains("more than 100 calls are open"),
                "{error}"
            );
        }
        vat.ended().await;
        said(&there, "after").await.unwrap();
        // It may come again, and has as much as before.
        let vat = Vat::dialled(hostile.connect(&network.id()).await.unwrap(), None);
        said(&vat.theirs(), "again").await.unwrap();
    };
    within(tokio::task::LocalSet::new().run_until(calls)).await;
}

#[tokio::test]
async fn a_peer_that_reads_no_answer_is_hung_up_on() {
    let reads_nothing = async {
        let network = generous(Quota {
            bytes: 8 << 20,
            ..Quota::of_peer()
        })
        .await;
        let hostile = start(node(&[&network])).await;
        let mut stream = hostile.connect(&network.id()).await.unwrap();
        stream.write_all(&bootstrap()).await.unwrap();
        // Whatever is on its way, it is hung up on in the end.
        for number in 1.. {
            let asked = async {
                stream.write_all(&call(number, "much")).await?;
                stream.flush().await
            };
            if asked.await.is_err() {
                break;
            }
            assert!(number < 1_000_000);
        }
        let honest = start(node(&[&network])).await;
        let honest = Neighbours::new(honest, None);
        let there = honest.connect(&network.id()).await.unwrap();
        said(&there, "hello").await.unwrap();
    };
    within(tokio::task::LocalSet::new().run_until(reads_nothing)).await;
}

/// Asks for what is exported, as question 0.
fn bootstrap() -> Vec<u8> {
    let mut made = capnp::message::Builder::new_default();
    let root: capnp_rpc::rpc_capnp::message::Builder<'_> = made.init_root();
    root.init_bootstrap().set_question_id(0);
    capnp::serialize::write_message_to_words(&made)
}

/// Says something to what question 0 gave.
fn call(question: u32, text: &str) -> Vec<u8> {
    let mut made = capnp::message::Builder::new_default();
    let root: capnp_rpc::rpc_capnp::message::Builder<'_> = made.init_root();
    let mut call = root.init_call();
    call.set_question_id(question);
    call.set_interface_id(<executor::Client as capnp::traits::HasTypeId>::TYPE_ID);
    call.set_method_id(1);
    let target = call.reborrow().init_target();
    target.init_promised_answer().set_question_id(0);
    let content = call.init_params().init_content();
    content
        .init_as::<executor::echo_params::Builder<'_>>()
        .set_text(text);
    capnp::serialize::write_message_to_words(&made)
}
