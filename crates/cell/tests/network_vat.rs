//! Capabilities of one host, called from another.
#![allow(clippy::unwrap_used)]

mod nodes;

use std::rc::Rc;

use capnp::capability::{Client, FromClientHook};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use nodes::{TCP, TRANSPORTS, anywhere, node, start, within};
use tokio::task::{LocalSet, spawn_local};
use vesicle_cell::network::vat::{LARGEST, Neighbours, Vat, serve};
use vesicle_cell::network::{Error, Identity, Network};
use vesicle_protocol::cell_capnp::executor;
use vesicle_protocol::outcome_capnp::outcome;

/// Answers echo, with its own name before it; "never" is never answered.
struct Echo(&'static str);

impl executor::Server for Echo {
    async fn echo(
        self: Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), capnp::Error> {
        let text = params.get()?.get_text()?.to_str()?;
        if text == "never" {
            std::future::pending::<()>().await;
        }
        results.get().set_ok(format!("{}: {text}", self.0))
    }

    async fn run_bytes(
        self: Rc<Self>,
        _: executor::RunBytesParams,
        _: executor::RunBytesResults,
    ) -> Result<(), capnp::Error> {
        Err(capnp::Error::unimplemented("it only echoes".into()))
    }
}

fn exported(name: &'static str) -> Option<Client> {
    let client: executor::Client = capnp_rpc::new_client(Echo(name));
    Some(client.client)
}

/// Calls echo.
async fn echo(of: &Client, text: &str) -> Result<String, capnp::Error> {
    let of = executor::Client::new(of.hook.clone());
    let mut request = of.echo_request();
    request.get().set_text(text);
    let answer = request.send().promise.await?;
    match answer.get()?.which()? {
        outcome::Ok(text) => Ok(text?.to_string()?),
        outcome::Error(error) => Err(capnp::Error::failed(error?.get_message()?.to_string()?)),
    }
}

/// Two hosts, of which one knows where the other is. Both serve what they export.
async fn pair(at: &str) -> (Network, Network) {
    let one = start(anywhere(at)).await;
    let other = start(node(&[&one])).await;
    for (network, name) in [(one.clone(), "one"), (other.clone(), "other")] {
        spawn_local(async move { serve(&network, |_| exported(name)).await.unwrap() });
    }
    within(one.connected(&other.id())).await.unwrap();
    (one, other)
}

/// Runs what belongs to one thread.
async fn local<T>(future: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(within(future)).await
}

#[tokio::test]
async fn each_of_two_hosts_calls_what_the_other_exports() {
    local(async {
        for at in TRANSPORTS {
            let (one, other) = pair(at).await;
            let from_one = Neighbours::new(one.clone(), None);
            let from_other = Neighbours::new(other.clone(), None);
            let there = from_one.connect(&other.id()).await.unwrap();
            let here = from_other.connect(&one.id()).await.unwrap();
            let said = futures::join!(echo(&there, "hello"), echo(&here, "hello"));
            assert_eq!(said.0.unwrap(), "other: hello");
            assert_eq!(said.1.unwrap(), "one: hello");
        }
    })
    .await;
}

#[tokio::test]
async fn over_one_stream_both_ends_call() {
    local(async {
        let one = start(anywhere(TCP)).await;
        let other = start(node(&[&one])).await;
        let stream = other.connect(&one.id()).await.unwrap();
        let dialled = Vat::dialled(stream, exported("other"));
        let (_, stream) = one.incoming().unwrap().next().await.unwrap();
        let accepted = Vat::accepted(stream, exported("one"));
        assert_eq!(echo(&dialled.theirs(), "a").await.unwrap(), "one: a");
        assert_eq!(echo(&accepted.theirs(), "b").await.unwrap(), "other: b");
        // Who exports nothing says so.
        let stream = other.connect(&one.id()).await.unwrap();
        let (empty, (_, stream)) = (
            Vat::dialled(stream, None),
            one.incoming().unwrap().next().await.unwrap(),
        );
        let accepted = Vat::accepted(stream, exported("one"));
        assert_eq!(echo(&empty.theirs(), "c").await.unwrap(), "one: c");
        let error = echo(&accepted.theirs(), "d").await.unwrap_err();
        assert!(error.extra.contains("no bootstrap capability"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn many_calls_and_large_ones_go_both_ways_at_once() {
    local(async {
        let (one, other) = pair(TCP).await;
        let from_one = Neighbours::new(one.clone(), None);
        let from_other = Neighbours::new(other.clone(), None);
        let there = from_one.connect(&other.id()).await.unwrap();
        let here = from_other.connect(&one.id()).await.unwrap();
        let large = "x".repeat(8 << 20);
        let calls = (0..64).map(|number| {
            let (there, here, large) = (&there, &here, &large);
            async move {
                let text = if number % 16 == 0 { large } else { "small" };
                let said = futures::join!(echo(there, text), echo(here, text));
                assert!(said.0.unwrap().strip_prefix("other: ").unwrap() == text);
                assert!(said.1.unwrap().strip_prefix("one: ").unwrap() == text);
            }
        });
        futures::future::join_all(calls).await;
    })
    .await;
}

#[tokio::test]
async fn all_who_ask_for_a_peer_share_a_stream_and_a_lost_one_is_opened_again() {
    local(async {
        let one = start(anywhere(TCP)).await;
        let other = start(node(&[&one])).await;
        let mut incoming = one.incoming().unwrap();
        let id = one.id();
        let neighbours = Neighbours::new(other, None);
        let asked = futures::join!(neighbours.connect(&id), neighbours.connect(&id));
        let (first, second) = (asked.0.unwrap(), asked.1.unwrap());
        let accepted = Vat::accepted(incoming.next().await.unwrap().1, exported("one"));
        for client in [&first, &second, &neighbours.connect(&id).await.unwrap()] {
            assert_eq!(echo(client, "hello").await.unwrap(), "one: hello");
        }
        let waiting = echo(&first, "never");
        let end = async {
            // The question has arrived when a later one is answered.
            echo(&second, "later").await.unwrap();
            drop(accepted);
        };
        let error = futures::join!(waiting, end).0.unwrap_err();
        assert_eq!(error.kind, capnp::ErrorKind::Disconnected, "{error}");
        assert!(echo(&first, "again").await.is_err());
        let again = neighbours.connect(&id).await.unwrap();
        let _accepted = Vat::accepted(incoming.next().await.unwrap().1, exported("new"));
        assert_eq!(echo(&again, "hello").await.unwrap(), "new: hello");
        // Who is dropped ends its streams.
        drop(neighbours);
        _accepted.ended().await;
        assert!(echo(&again, "gone").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn calls_end_when_the_network_does() {
    local(async {
        let (one, other) = pair(TCP).await;
        let neighbours = Neighbours::new(other.clone(), None);
        let there = neighbours.connect(&one.id()).await.unwrap();
        assert_eq!(echo(&there, "hello").await.unwrap(), "one: hello");
        let stop = async {
            echo(&there, "later").await.unwrap();
            one.stop().await;
        };
        let error = futures::join!(echo(&there, "never"), stop).0.unwrap_err();
        assert_eq!(error.kind, capnp::ErrorKind::Disconnected, "{error}");
    })
    .await;
}

#[tokio::test]
async fn who_is_not_there_leaves_nothing_behind_and_is_told() {
    local(async {
        let (_one, other) = pair(TCP).await;
        let neighbours = Neighbours::new(other.clone(), None);
        let nobody = Identity::passing().id();
        let error = neighbours.connect(&nobody).await.err().unwrap();
        assert!(matches!(error, Error::NoSuchPeer { peer } if peer == nobody));
        let told = vesicle_cell::Error::from(error).to_string();
        assert!(
            told.starts_with(&format!("there is no peer {nobody}")),
            "{told}"
        );
        let error = serve(&other, |_| None).await.unwrap_err();
        assert!(matches!(error, Error::Taken));
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_sends_what_is_no_message_is_let_go() {
    local(async {
        let one = start(anywhere(TCP)).await;
        let other = start(node(&[&one])).await;
        let mut incoming = one.incoming().unwrap();
        let huge = (LARGEST as u32 / 8 + 1).to_le_bytes();
        let huge = [[0; 4], huge].concat();
        for nonsense in [huge.as_slice(), &[0xff; 64], &[0; 64]] {
            let mut stream = other.connect(&one.id()).await.unwrap();
            stream.write_all(nonsense).await.unwrap();
            stream.flush().await.unwrap();
            let vat = Vat::accepted(incoming.next().await.unwrap().1, exported("one"));
            vat.ended().await;
            assert!(echo(&vat.theirs(), "hello").await.is_err());
            drop(vat);
            // What it said before it was let go.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        let stream = other.connect(&one.id()).await.unwrap();
        let dialled = Vat::dialled(stream, None);
        let _vat = Vat::accepted(incoming.next().await.unwrap().1, exported("one"));
        assert_eq!(
            echo(&dialled.theirs(), "hello").await.unwrap(),
            "one: hello"
        );
    })
    .await;
}
