//! Epochs of a program's own: what it serves, and takes back.
//!
//! Invariant: a seal that is broken stays broken.

use std::cell::Cell;
use std::rc::Rc;

use crate::{Error, Result};

/// Where a program hands things out, and takes all of them back at once. Cloning
/// means the same.
#[derive(Clone, Default)]
pub struct Membrane(Rc<Cell<u64>>);

/// Of which epoch something is, for what serves it to look at with each call.
#[derive(Clone)]
pub struct Seal {
    membrane: Membrane,
    issued: u64,
}

impl Membrane {
    /// One in its first epoch, which is 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.get()
    }

    /// A seal of the present epoch.
    #[must_use]
    pub fn seal(&self) -> Seal {
        Seal {
            membrane: self.clone(),
            issued: self.epoch(),
        }
    }

    /// Takes back everything that was handed out up to now.
    pub fn advance(&self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Seal {
    /// The epoch that it is of.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// Whether it is whole.
    ///
    /// # Errors
    ///
    /// [`Error::StaleEpoch`] if it is broken.
    pub fn check(&self) -> Result<()> {
        let (issued, current) = (self.issued, self.membrane.epoch());
        match issued == current {
            true => Ok(()),
            false => Err(Error::StaleEpoch { issued, current }),
        }
    }
}
