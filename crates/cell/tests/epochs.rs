//! An epoch ends in the middle of whatever goes on: nothing that came with its
//! sessions goes on, and what comes with the next ones does.

#![allow(clippy::unwrap_used)]

mod common;
mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use capnp::capability::{Client, FromClientHook as _};
use common::{cells, finish};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tree::{Ended, Told, With, acts, deeper, echo, graft, grown, lender, ok, start, with};
use vesicle_cell::{Account, Command, Limits};
use vesicle_graft::{EpochFile, Epochs, Graft, Sessions, Signers};
use vesicle_membrane::{Membrane, Seal};
use vesicle_protocol::cell_capnp::{executor, host, session};
use vesicle_protocol::membrane_capnp::{membrane, signer};

fn stale(issued: u64) -> Told {
    Told::Stale {
        issued,
        current: issued + 1,
    }
}

/// What came with a session tells the epoch as data, what came through what a child
/// serves by an exception.
fn assert_over<T: std::fmt::Debug>(answer: Result<T, Told>, epoch: u64) {
    match answer {
        Err(Told::Stale { issued, .. }) => assert_eq!(issued, epoch),
        Err(Told::Disconnected(message)) => {
            assert!(message.contains(&format!("of epoch {epoch}")), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

/// A lender, its membrane, and its account.
fn lending() -> (Command, Arc<Membrane>, Account) {
    let (membrane, account) = (
        Arc::new(Membrane::new("the test")),
        Account::new(&Limits::default()),
    );
    let command = Command {
        membrane: Arc::clone(&membrane),
        account: Some(account.clone()),
        ..lender()
    };
    (command, membrane, account)
}

async fn status(handed: &Client) -> Result<u64, Told> {
    let membrane: membrane::Client<session::Owned> = handed.clone().cast_to();
    let answer = membrane.status_request().send().promise.await?;
    Ok(answer.get()?.get_epoch())
}

/// Waits for what should come soon, without which a test would fail.
async fn soon(mut is_so: impl FnMut() -> bool) {
    let looked = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looked)
        .await
        .expect("it has not come");
}

#[tokio::test]
async fn calls_under_way_end_with_the_epoch_and_tell_it() {
    let (command, membrane, account) = lending();
    let cells = cells();
    let running = cells.start(command).await.unwrap();
    let told = with(&running, async move |handed| {
        let before = account.left();
        for depth in 0..3 {
            let epoch = membrane.epoch();
            let session = graft(&handed).await?;
            assert_eq!(session.epoch, epoch);
            let (inner, way) = deeper(&session, depth).await?;
            let arguments = ["child", "sleep", "3600000"];
            let child = start(&inner.executor, &acts(), &arguments, With::default()).await?;
            let (stdin, stdout) = (child.stdin().await?, child.stdout().await?);
            // More than there is room for.
            let full = vec![1; 1 << 20];
            let advance = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                membrane.advance();
            };
            let (waited, late, first, read, written, ()) = tokio::join!(
                child.wait(),
                child.wait_within(3_600_000),
                // One that goes on: the first of the way, or none.
                async {
                    match way.first() {
                        Some(first) => first.wait().await,
                        None => Err(stale(epoch)),
                    }
                },
                stdout.read(0),
                stdin.write(&full),
                advance,
            );
            assert_eq!(first, Err(stale(epoch)));
            assert_over(waited, epoch);
            assert_over(late, epoch);
            assert_over(read, epoch);
            assert_over(written, epoch);
            // And so does whatever else came with it.
            assert_over(child.wait().await, epoch);
            assert_over(child.kill().await, epoch);
            assert_over(child.stdin().await.map(drop), epoch);
            assert_over(child.exported().await.map(drop), epoch);
            assert_over(stdout.read(1).await, epoch);
            assert_over(stdin.close().await, epoch);
            assert_eq!(echo(&session.executor, "?").await, Err(stale(epoch)));
            let started = start(&session.executor, &acts(), &["x"], With::default()).await;
            assert_eq!(started.map(drop), Err(stale(epoch)));
            let id = session.host.id_request().send().promise.await?;
            assert_eq!(ok(id.get()?).map(drop), Err(stale(epoch)));
            // Nothing of it runs any more.
            soon(|| account.left() == before).await;
            // A new session is as good as the one before.
            assert_eq!(status(&handed).await?, epoch + 1);
            let session = graft(&handed).await?;
            let arguments = ["child", "code", "0"];
            let child = start(&session.executor, &acts(), &arguments, With::default()).await?;
            assert_eq!(child.wait().await?, Ended::Code(0));
        }
        Ok(())
    });
    told.await.unwrap();
    running.kill().await;
}

#[tokio::test]
async fn what_a_child_serves_ends_with_the_epoch_also_in_the_middle_of_a_call() {
    let (command, membrane, account) = lending();
    let cells = cells();
    let running = cells.start(command).await.unwrap();
    let told = with(&running, async move |handed| {
        let before = account.left();
        for depth in 0..3 {
            let epoch = membrane.epoch();
            let session = graft(&handed).await?;
            let (inner, way) = deeper(&session, depth).await?;
            let serves = ["child", "serve-echo", "waiting"];
            let child = start(&inner.executor, &acts(), &serves, With::default()).await?;
            let served: executor::Client = child.exported().await?.cast_to();
            assert_eq!(echo(&served, "?").await?, "Served: ?");
            let blocks = ["child", "serve-echo", "blocking"];
            let blocking = start(&inner.executor, &acts(), &blocks, With::default()).await?;
            let blocked: executor::Client = blocking.exported().await?.cast_to();
            blocking.stdout().await?.until("blocks").await?;
            let mut lent = Vec::new();
            for child in &way {
                lent.push(child.exported().await?);
            }
            let (called, ()) = tokio::join!(echo(&blocked, "?"), async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                membrane.advance();
            });
            for called in [called, echo(&served, "?").await, echo(&blocked, "?").await] {
                let Err(Told::Disconnected(message)) = called else {
                    panic!("{called:?}");
                };
                assert!(message.contains(&format!("epoch {epoch}")), "{message}");
            }
            // Membranes of children give nothing, and were those of one epoch.
            for lent in &lent {
                assert!(graft(lent).await.is_err());
            }
            assert_eq!(status(&handed).await?, epoch + 1);
            soon(|| account.left() == before).await;
        }
        Ok(())
    });
    told.await.unwrap();
    running.kill().await;
}

#[tokio::test]
async fn a_membrane_that_a_child_was_given_gives_sessions_of_its_own_epoch_only() {
    let told = grown(lender(), async |session| {
        // Served by the test, as a parent would: its epochs are its own.
        let membrane = Arc::new(Membrane::new("the parent's own"));
        let own = Graft::new(
            Arc::clone(&membrane),
            Own {
                host: session.host.clone(),
                executor: session.executor.clone(),
            },
        );
        let with = With {
            hand: Some(own.behind(membrane.seal()).serve().client),
            ..With::default()
        };
        let child = start(&session.executor, &acts(), &["child", "lend"], with).await?;
        let handed = child.exported().await?;
        let inner = graft(&handed).await?;
        assert_eq!(echo(&inner.executor, "?").await?, "Echo: ?");
        membrane.advance();
        let told = echo(&inner.executor, "?").await;
        assert!(matches!(told, Err(Told::Disconnected(_))), "{told:?}");
        assert_eq!(graft(&handed).await.map(|it| it.epoch), Err(stale(0)));
        assert_eq!(status(&handed).await?, 1);
        // Of the host's own epochs nothing is over.
        assert_eq!(echo(&session.executor, "?").await?, "Echo: ?");
        Ok(())
    });
    told.await.unwrap();
}

/// Sessions of somebody who knows no seals: they stand behind a guard.
struct Own {
    host: host::Client,
    executor: executor::Client,
}

impl Sessions for Own {
    type Session = session::Owned;

    fn fill(&self, seal: Seal, mut session: session::Builder<'_>) -> capnp::Result<()> {
        session.set_host(vesicle_graft::guard(self.host.clone(), &seal));
        session.set_executor(vesicle_graft::guard(self.executor.clone(), &seal));
        Ok(())
    }
}

#[tokio::test]
async fn epochs_that_end_again_and_again_while_processes_start_leave_nothing() {
    let (command, membrane, account) = lending();
    let cells = cells();
    let running = cells.start(command).await.unwrap();
    let counted = account.clone();
    let told = with(&running, async move |handed| {
        let before = counted.left();
        let spawning = async {
            let (mut started, mut refused) = (0, 0);
            while started < 60 || refused < 10 {
                let session = graft(&handed).await?;
                let arguments = ["child", "lend"];
                let children = (0..4).map(|_| async {
                    let child =
                        start(&session.executor, &acts(), &arguments, With::default()).await?;
                    let inner = graft(&child.exported().await?).await?;
                    let sleeps = ["child", "sleep", "3600000"];
                    start(&inner.executor, &acts(), &sleeps, With::default()).await
                });
                for child in futures::future::join_all(children).await {
                    match child {
                        Ok(_) => started += 1,
                        Err(Told::Stale { .. } | Told::Disconnected(_) | Told::Gone(_)) => {
                            refused += 1;
                        }
                        Err(told) => return Err(told),
                    }
                }
            }
            Ok(())
        };
        let advancing = async {
            loop {
                tokio::time::sleep(Duration::from_millis(7)).await;
                membrane.advance();
            }
        };
        tokio::select! {
            spawned = spawning => spawned?,
            () = advancing => unreachable!(),
        }
        membrane.advance();
        soon(|| counted.left() == before).await;
        Ok(())
    });
    told.await.unwrap();
    running.kill().await;
}

#[tokio::test]
async fn an_epoch_that_ends_while_the_first_of_a_tree_starts_leaves_nothing_of_it() {
    let (command, membrane, account) = lending();
    let all = account.left();
    let cells = cells();
    let (running, ()) = tokio::join!(cells.start(command), async { membrane.advance() });
    let running = running.unwrap();
    running.kill().await;
    let _ = finish(&running).await;
    assert_eq!(account.left(), all);
}

#[tokio::test]
async fn a_file_tells_the_epoch_by_another_content_another_file_and_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("epoch");
    let membrane = Arc::new(Membrane::new("of a file"));
    std::fs::write(&file, "1").unwrap();
    let _watched = EpochFile::watch(&file, Arc::clone(&membrane)).unwrap();
    let reached = async |epoch| soon(|| membrane.epoch() >= epoch).await;
    std::fs::write(&file, "2").unwrap();
    reached(1).await;
    // A write may be seen in two steps: emptied, and written.
    let seal = membrane.seal();
    let other = folder.path().join("other");
    std::fs::write(&other, "3").unwrap();
    std::fs::rename(&other, &file).unwrap();
    seal.broken().await;
    let seal = membrane.seal();
    std::fs::remove_file(&file).unwrap();
    tokio::time::timeout(Duration::from_secs(10), seal.broken())
        .await
        .unwrap();
    // What says nothing new ends nothing.
    let epoch = membrane.epoch();
    std::fs::write(folder.path().join("beside"), "x").unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(membrane.epoch(), epoch);
    std::fs::write(&other, "4").unwrap();
    std::fs::rename(&other, &file).unwrap();
    reached(epoch + 1).await;
}

#[tokio::test]
async fn a_call_tells_the_epoch_to_whoever_holds_the_capability_for_it() {
    let (command, membrane, _) = lending();
    let cells = cells();
    let running = cells.start(command).await.unwrap();
    let told = with(&running, async move |handed| {
        let session = graft(&handed).await?;
        let epochs = Epochs::of(membrane);
        let answer = epochs.current_request().send().promise.await?;
        assert_eq!(answer.get()?.get_epoch(), 0);
        let (advanced, told) = tokio::join!(epochs.advance_request().send().promise, async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            echo(&session.executor, "?").await
        });
        assert_eq!(advanced?.get()?.get_epoch(), 1);
        assert_eq!(told, Err(stale(0)));
        assert_eq!(graft(&handed).await?.epoch, 1);
        Ok(())
    });
    told.await.unwrap();
    running.kill().await;
}

/// Sessions of nothing.
struct Nobody;

impl Sessions for Nobody {
    type Session = session::Owned;

    fn fill(&self, _: Seal, _: session::Builder<'_>) -> capnp::Result<()> {
        Ok(())
    }
}

/// Signs as a key says, or as it should not.
struct Signing {
    pair: Ed25519KeyPair,
    how: How,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Rightly,
    AnotherText,
    NoSignature,
    NotAtAll,
}

impl signer::Server for Signing {
    async fn sign(
        self: std::rc::Rc<Self>,
        params: signer::SignParams,
        mut results: signer::SignResults,
    ) -> Result<(), capnp::Error> {
        let challenge = params.get()?.get_challenge()?;
        let signature = match self.how {
            How::Rightly => self.pair.sign(challenge).as_ref().to_vec(),
            How::AnotherText => self.pair.sign(&challenge[1..]).as_ref().to_vec(),
            How::NoSignature => Vec::new(),
            How::NotAtAll => return Err(capnp::Error::failed("no".into())),
        };
        results.get().set_key(self.pair.public_key().as_ref());
        results.get().set_signature(&signature);
        Ok(())
    }
}

fn key() -> Ed25519KeyPair {
    let random = ring::rand::SystemRandom::new();
    let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()
}

#[tokio::test]
async fn who_is_asked_for_a_signature_gets_a_session_for_the_right_one_only() {
    let local = tokio::task::LocalSet::new();
    let asked = local.run_until(async {
        let known = key();
        let public: [u8; 32] = known.public_key().as_ref().try_into().unwrap();
        let membrane = Arc::new(Membrane::new("of the known"));
        let graft = Graft::new(membrane, Nobody);
        let served = graft
            .with_signers(Signers::Only(BTreeSet::from([public])))
            .serve();
        let ask = async |signer: Option<Signing>| {
            let mut request = served.graft_request();
            if let Some(signer) = signer {
                request.get().set_signer(capnp_rpc::new_client(signer));
            }
            let answer = request.send().promise.await?;
            Ok::<_, Told>(ok(answer.get()?)?.get_epoch())
        };
        let status = served.status_request().send().promise.await.unwrap();
        assert!(status.get().unwrap().get_asks_for_signer());
        let denied = |told| match told {
            Err(Told::Denied(message)) => message,
            other => panic!("{other:?}"),
        };
        let by = |pair, how| Some(Signing { pair, how });
        let none = denied(ask(None).await);
        assert!(none.contains("none was given"), "{none}");
        let unknown = denied(ask(by(key(), How::Rightly)).await);
        assert!(unknown.contains("does not know"), "{unknown}");
        let same = || Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let seven: [u8; 32] = same().public_key().as_ref().try_into().unwrap();
        assert_ne!(seven, public);
        assert_eq!(ask(by(known, How::Rightly)).await, Ok(0));
        let graft = Graft::new(Arc::new(Membrane::new("of seven")), Nobody);
        let served = graft
            .with_signers(Signers::Only(BTreeSet::from([seven])))
            .serve();
        for (how, says) in [
            (How::AnotherText, "not that of the challenge"),
            (How::NoSignature, "not that of the challenge"),
            (How::NotAtAll, "did not answer"),
        ] {
            let mut request = served.graft_request();
            let signing = Signing { pair: same(), how };
            request.get().set_signer(capnp_rpc::new_client(signing));
            let answer = request.send().promise.await.unwrap();
            let told = denied(ok(answer.get().unwrap()).map(drop).map(|()| 0));
            assert!(told.contains(says), "{told}");
        }
    });
    asked.await;
}
