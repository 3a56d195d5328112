//! Epochs: what was handed out, and how all of it is taken back at once.
//!
//! Whatever goes through a [`Membrane`] gets a [`Seal`] of the epoch in which it
//! does. Advancing the epoch breaks the seals of all epochs before, wherever
//! they are by then; who waits behind one learns of it at once.
//!
//! ```
//! use vesicle_membrane::Membrane;
//!
//! let membrane = Membrane::new("visitors");
//! let before = membrane.seal();
//! membrane.advance();
//! assert_eq!(
//!     before.check().unwrap_err().to_string(),
//!     "what came through the membrane \"visitors\" in epoch 0 was taken back"
//! );
//! assert!(membrane.seal().check().is_ok());
//! ```
//!
//! Invariants: a seal that is broken stays broken; a seal outlives its membrane,
//! and is broken then.
#![deny(missing_docs)]

use std::sync::Arc;

use tokio::sync::watch;

/// Where things are handed out, and taken back.
pub struct Membrane {
    name: Arc<str>,
    epoch: watch::Sender<u64>,
}

/// Of which epoch something is. Cloning gives another of the same epoch.
#[derive(Clone)]
pub struct Seal {
    name: Arc<str>,
    epoch: watch::Receiver<u64>,
    issued: u64,
}

/// Something was taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what came through the membrane {membrane:?} in epoch {epoch} was taken back")]
pub struct Revoked {
    /// What the membrane is called.
    pub membrane: String,
    /// When it was handed out.
    pub epoch: u64,
}

impl Membrane {
    /// A membrane in its first epoch, under a name for errors.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            epoch: watch::Sender::new(0),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        *self.epoch.borrow()
    }

    /// A seal of the present epoch.
    #[must_use]
    pub fn seal(&self) -> Seal {
        let epoch = self.epoch.subscribe();
        let issued = *epoch.borrow();
        Seal {
            name: Arc::clone(&self.name),
            epoch,
            issued,
        }
    }

    /// Takes back everything that was handed out up to now.
    pub fn advance(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }
}

impl Seal {
    /// Whether it is whole.
    ///
    /// # Errors
    ///
    /// [`Revoked`] if it is broken.
    pub fn check(&self) -> Result<(), Revoked> {
        // Without its membrane nobody could take back what it stands for.
        let is_whole = *self.epoch.borrow() == self.issued && self.epoch.has_changed().is_ok();
        match is_whole {
            true => Ok(()),
            false => Err(self.revoked()),
        }
    }

    /// The epoch that it is of.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// The epoch that there is now, or was when its membrane went away.
    #[must_use]
    pub fn current(&self) -> u64 {
        *self.epoch.borrow()
    }

    /// Returns once it is broken.
    pub async fn broken(&self) -> Revoked {
        let mut epoch = self.epoch.clone();
        // Fails when the membrane is gone, which breaks it too.
        let _ = epoch.wait_for(|epoch| *epoch != self.issued).await;
        self.revoked()
    }

    fn revoked(&self) -> Revoked {
        Revoked {
            membrane: self.name.to_string(),
            epoch: self.issued,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_breaks_what_was_handed_out_before_and_nothing_else() {
        let membrane = Membrane::new("m");
        let one = membrane.seal();
        let other = one.clone();
        membrane.advance();
        let two = membrane.seal();
        assert!(one.check().is_err() && other.check().is_err());
        assert!(two.check().is_ok());
        membrane.advance();
        let epoch = |seal: &Seal| seal.check().unwrap_err().epoch;
        assert_eq!((epoch(&one), epoch(&two)), (0, 1));
    }

    #[test]
    fn a_seal_without_its_membrane_is_broken() {
        let seal = Membrane::new("m").seal();
        assert!(seal.check().is_err());
    }

    #[tokio::test]
    async fn who_waits_behind_a_seal_learns_that_it_is_broken() {
        let membrane = Membrane::new("m");
        let seal = membrane.seal();
        let (revoked, ()) = tokio::join!(seal.broken(), async { membrane.advance() });
        assert_eq!(revoked.membrane, "m");
        // And at once if it was before.
        seal.broken().await;
        drop(membrane);
        seal.broken().await;
    }
}
