//! Who may have a session, where not everybody may.
//!
//! Invariant: what is signed is drawn for one graft of one membrane, and never
//! again.

use std::collections::BTreeSet;

use capnp::Error;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, UnparsedPublicKey};
use vesicle_protocol::membrane_capnp::signer;

/// An Ed25519 public key.
pub type Key = [u8; 32];

/// What each challenge begins with, so that no signature is good elsewhere.
const PREFIX: &[u8] = b"vesicle graft\0";
/// Random bytes of a challenge.
const NONCE: usize = 32;

/// Those who may have a session.
#[derive(Debug, Clone, Default)]
pub enum Signers {
    /// Everybody, unasked.
    #[default]
    Anybody,
    /// Whoever has one of these keys.
    Only(BTreeSet<Key>),
}

impl Signers {
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Self::Only(_))
    }

    /// Asks who it is.
    ///
    /// # Errors
    ///
    /// Why it may not have a session, for people.
    pub(crate) async fn ask(
        &self,
        membrane: &str,
        signer: Option<signer::Client>,
    ) -> Result<(), String> {
        let Self::Only(keys) = self else {
            return Ok(());
        };
        let Some(signer) = signer else {
            return Err(format!(
                "{membrane} gives sessions to known signers, and none was given"
            ));
        };
        let challenge = challenge(membrane).map_err(|error| error.to_string())?;
        let mut request = signer.sign_request();
        request.get().set_challenge(&challenge);
        let signed = request.send().promise.await;
        let signed = signed.map_err(|error| format!("the signer did not answer: {error}"))?;
        let (key, signature) = (|| {
            let signed = signed.get()?;
            Ok::<_, Error>((signed.get_key()?, signed.get_signature()?))
        })()
        .map_err(|error| format!("the signer's answer cannot be read: {error}"))?;
        let is_known = Key::try_from(key).is_ok_and(|key| keys.contains(&key));
        if !is_known {
            return Err(format!("{membrane} does not know the signer's key"));
        }
        let verified = UnparsedPublicKey::new(&ED25519, key).verify(&challenge, signature);
        verified.map_err(|_| "the signature is not that of the challenge".to_owned())
    }
}

fn challenge(membrane: &str) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE];
    let drawn = SystemRandom::new().fill(&mut nonce);
    drawn.map_err(|_| Error::failed("there are no random bytes".into()))?;
    Ok([PREFIX, membrane.as_bytes(), b"\0", &nonce].concat())
}
