//! Sessions are of the epoch in which they are given, and who cannot show who it is
//! gets none.

#![allow(clippy::unwrap_used)]

mod link;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use capnp::Error;
use link::{Desks, Grafted, across, graft, local, name};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use vesicle_graft::{Epochs, Graft, Key, Signers};
use vesicle_membrane::Membrane;
use vesicle_protocol::membrane_capnp::signer;

#[tokio::test]
async fn a_session_is_of_the_epoch_there_is_and_whoever_has_the_membrane_gets_the_next() {
    local(async {
        let membrane = Arc::new(Membrane::new("m"));
        let there = across(Graft::new(Arc::clone(&membrane), Desks).serve());
        for expected in 0..3 {
            let status = there.status_request().send().promise.await.unwrap();
            let status = status.get().unwrap();
            assert_eq!(status.get_epoch(), expected);
            assert!(!status.get_asks_for_signer());
            let (epoch, host) = graft(&there, None).await.unwrap().session();
            let (_, other) = graft(&there, None).await.unwrap().session();
            assert_eq!(epoch, expected);
            assert_eq!(name(&host).await.unwrap(), "the desk");
            membrane.advance();
            assert!(name(&host).await.is_err());
            assert!(name(&other).await.is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn a_membrane_behind_a_seal_gives_sessions_of_its_epoch_and_then_says_that_it_is_stale() {
    local(async {
        let membrane = Arc::new(Membrane::new("m"));
        membrane.advance();
        let behind = Graft::new(Arc::clone(&membrane), Desks).behind(membrane.seal());
        let there = across(behind.serve());
        let (epoch, _) = graft(&there, None).await.unwrap().session();
        assert_eq!(epoch, 1);
        membrane.advance();
        membrane.advance();
        let Grafted::Stale {
            issued,
            current,
            message,
        } = graft(&there, None).await.unwrap()
        else {
            panic!("it is stale");
        };
        assert_eq!((issued, current), (1, 3));
        assert_eq!(
            message,
            "the session was of epoch 1, and this is epoch 3; graft again to go on"
        );
    })
    .await;
}

#[tokio::test]
async fn who_holds_the_epochs_ends_one_by_a_call() {
    local(async {
        let membrane = Arc::new(Membrane::new("m"));
        let there = across(Graft::new(Arc::clone(&membrane), Desks).serve());
        let epochs = across(Epochs::of(Arc::clone(&membrane)));
        let current = epochs.current_request().send().promise.await.unwrap();
        assert_eq!(current.get().unwrap().get_epoch(), 0);
        let (_, host) = graft(&there, None).await.unwrap().session();
        let waiting = host.peers_request().send().promise;
        let advancing = async {
            // The call is under way when a later one has been answered.
            name(&host).await.unwrap();
            let next = epochs.advance_request().send().promise.await.unwrap();
            assert_eq!(next.get().unwrap().get_epoch(), 1);
        };
        let (waited, ()) = tokio::join!(waiting, advancing);
        let error = waited.err().unwrap();
        assert_eq!(error.kind, capnp::ErrorKind::Disconnected, "{error}");
        assert!(name(&host).await.is_err());
        assert_eq!(membrane.epoch(), 1);
    })
    .await;
}

/// How somebody signs.
enum Hand {
    Truly,
    /// Something else than what it is given.
    Another,
    /// With the first signature that it ever made.
    Again,
    /// Under somebody else's name.
    As(Key),
    Never,
}

struct Signing {
    pair: Ed25519KeyPair,
    hand: Hand,
    asked: Rc<RefCell<Vec<Vec<u8>>>>,
    first: RefCell<Option<Vec<u8>>>,
}

impl signer::Server for Signing {
    async fn sign(
        self: Rc<Self>,
        params: signer::SignParams,
        mut results: signer::SignResults,
    ) -> Result<(), Error> {
        let challenge = params.get()?.get_challenge()?;
        self.asked.borrow_mut().push(challenge.to_vec());
        let truly = self.pair.sign(challenge).as_ref().to_vec();
        let first = self.first.borrow_mut().get_or_insert(truly.clone()).clone();
        let (key, signature) = match &self.hand {
            Hand::Truly => (public(&self.pair), truly),
            Hand::Another => (public(&self.pair), self.pair.sign(b"?").as_ref().to_vec()),
            Hand::Again => (public(&self.pair), first),
            Hand::As(key) => (*key, truly),
            Hand::Never => return Err(Error::failed("no pen".to_owned())),
        };
        results.get().set_key(&key);
        results.get().set_signature(&signature);
        Ok(())
    }
}

fn public(pair: &Ed25519KeyPair) -> Key {
    pair.public_key().as_ref().try_into().unwrap()
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

/// A signer, and what it was asked to sign.
fn signing(seed: u8, hand: Hand) -> (signer::Client, Rc<RefCell<Vec<Vec<u8>>>>) {
    let asked = Rc::default();
    let signing = Signing {
        pair: pair(seed),
        hand,
        asked: Rc::clone(&asked),
        first: RefCell::default(),
    };
    (capnp_rpc::new_client(signing), asked)
}

fn only(seed: u8) -> Signers {
    Signers::Only(BTreeSet::from([public(&pair(seed))]))
}

#[tokio::test]
async fn who_has_a_known_key_gets_a_session_and_signs_something_new_each_time() {
    local(async {
        let membrane = Arc::new(Membrane::new("visitors"));
        let graft_of = Graft::new(membrane, Desks).with_signers(only(1));
        let there = across(graft_of.serve());
        let status = there.status_request().send().promise.await.unwrap();
        let status = status.get().unwrap();
        assert!(status.get_asks_for_signer());
        let (signer, asked) = signing(1, Hand::Truly);
        for _ in 0..3 {
            let signer = Some(signer.clone());
            let (_, host) = graft(&there, signer).await.unwrap().session();
            assert_eq!(name(&host).await.unwrap(), "the desk");
        }
        let asked = asked.borrow();
        let different: BTreeSet<_> = asked.iter().collect();
        assert_eq!((asked.len(), different.len()), (3, 3));
        // What it says names what it is for.
        let says = b"vesicle graft\0visitors\0";
        assert!(asked.iter().all(|challenge| challenge.starts_with(says)));
        assert!(
            asked
                .iter()
                .all(|challenge| challenge.len() == says.len() + 32)
        );
    })
    .await;
}

#[tokio::test]
async fn who_cannot_show_who_it_is_gets_no_session() {
    local(async {
        let membrane = Arc::new(Membrane::new("visitors"));
        let graft_of = Graft::new(membrane, Desks).with_signers(only(1));
        let there = across(graft_of.serve());
        let denied = graft(&there, None).await.unwrap().denied();
        assert_eq!(
            denied,
            "visitors gives sessions to known signers, and none was given"
        );
        for (seed, hand, expected) in [
            (2, Hand::Truly, "visitors does not know the signer's key"),
            (
                1,
                Hand::Another,
                "the signature is not that of the challenge",
            ),
            (
                2,
                Hand::As(public(&pair(1))),
                "the signature is not that of the challenge",
            ),
            (1, Hand::Never, "the signer did not answer: "),
        ] {
            let (signer, _) = signing(seed, hand);
            let denied = graft(&there, Some(signer)).await.unwrap().denied();
            assert!(denied.starts_with(expected), "{denied}");
        }
        // A signature is good once.
        let (signer, _) = signing(1, Hand::Again);
        graft(&there, Some(signer.clone())).await.unwrap().session();
        let denied = graft(&there, Some(signer)).await.unwrap().denied();
        assert_eq!(denied, "the signature is not that of the challenge");
    })
    .await;
}

#[tokio::test]
async fn an_epoch_that_ends_while_the_signer_signs_gives_a_session_of_the_next() {
    local(async {
        let membrane = Arc::new(Membrane::new("visitors"));
        let graft_of = Graft::new(Arc::clone(&membrane), Desks).with_signers(only(1));
        let there = across(graft_of.serve());
        let (inner, _) = signing(1, Hand::Truly);
        let slow: signer::Client = capnp_rpc::new_client(Slow {
            inner,
            membrane: Arc::clone(&membrane),
        });
        let (epoch, host) = graft(&there, Some(slow)).await.unwrap().session();
        assert_eq!(epoch, 1);
        assert_eq!(name(&host).await.unwrap(), "the desk");
    })
    .await;
}

/// Signs when an epoch is over.
struct Slow {
    inner: signer::Client,
    membrane: Arc<Membrane>,
}

impl signer::Server for Slow {
    async fn sign(
        self: Rc<Self>,
        params: signer::SignParams,
        mut results: signer::SignResults,
    ) -> Result<(), Error> {
        self.membrane.advance();
        let mut request = self.inner.sign_request();
        request.get().set_challenge(params.get()?.get_challenge()?);
        let signed = request.send().promise.await?;
        let signed = signed.get()?;
        results.get().set_key(signed.get_key()?);
        results.get().set_signature(signed.get_signature()?);
        Ok(())
    }
}
