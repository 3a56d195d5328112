//! A function of a resident, and on whose behalf it is called.
//!
//! Invariant: a call whose turn has not come when whoever asked gives up is
//! never carried out; one whose turn has come always is.

use std::sync::Arc;

use futures::future::select_all;
use vesicle_engine::{Purse, State};
use vesicle_membrane::{Revoked, Seal};

use super::Resident;
use super::alive::{self, Call, Work};
use crate::outlive::outlive;
use crate::residents::Residents;
use crate::waits::Id;
use crate::{Result, Value};

/// A function of a resident, to be called.
#[derive(Clone)]
pub struct Function {
    resident: Resident,
    slot: usize,
    /// Of the membranes that it is behind.
    seals: Vec<Seal>,
}

/// On whose behalf a function is called.
pub(crate) struct Caller {
    /// The resident; none for the host, and for instances that nobody calls.
    pub id: Option<Id>,
    /// The fuel that it was granted itself.
    pub grant: Option<Purse>,
}

impl Caller {
    /// The host, with what it grants.
    pub fn host(grant: Option<Purse>) -> Self {
        Self { id: None, grant }
    }

    /// Whoever a store belongs to, with what its call under way was granted.
    pub fn of(state: &State) -> Self {
        let (id, grant) = alive::caller(state);
        Self { id, grant }
    }
}

impl Function {
    pub(super) fn new(resident: &Resident, slot: usize) -> Self {
        Self {
            resident: resident.clone(),
            slot,
            seals: Vec::new(),
        }
    }

    /// The same behind one more membrane.
    pub(crate) fn behind(mut self, seal: Seal) -> Self {
        self.seals.push(seal);
        self
    }

    pub(crate) fn resident(&self) -> &Resident {
        &self.resident
    }

    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    pub(crate) fn seals(&self) -> &[Seal] {
        &self.seals
    }

    /// Whether it takes or gives resources.
    pub(crate) fn has_handles(&self) -> bool {
        self.resident.inner.signatures[self.slot].has_handles
    }

    /// Calls it.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Cycle`], [`crate::Error::Poisoned`],
    /// [`crate::Error::Gone`], [`crate::Error::Failed`], or
    /// [`crate::Error::Revoked`].
    pub(crate) async fn call(self, caller: Caller, arguments: Vec<Value>) -> Result<Vec<Value>> {
        let call = Call {
            slot: self.slot,
            arguments,
            grant: caller.grant.clone(),
            seals: self.seals.clone(),
        };
        self.resident.occupy(&self.seals, caller, call).await
    }
}

impl Resident {
    /// Waits for the resident's turn and has it do some work, to its end.
    pub(crate) async fn occupy<W: Work>(
        &self,
        seals: &[Seal],
        caller: Caller,
        work: W,
    ) -> Result<W::Output> {
        seals.iter().try_for_each(Seal::check)?;
        let inner = Arc::clone(&self.inner);
        let waits = caller.id.map(|caller| inner.waits.begin(caller, inner.id));
        // Until the answer is there.
        let _wait = waits
            .transpose()
            .map_err(|circle| Residents::cycle(&inner.pool, &circle))?;
        let answer = async move {
            let mut life = Arc::clone(&inner.turn).lock_owned().await;
            let done = async move { inner.carry_out(&mut life, caller.grant, work).await };
            outlive(done).await
        };
        match seals {
            [] => answer.await,
            seals => tokio::select! {
                biased;
                revoked = first_broken(seals) => Err(revoked.into()),
                answer = answer => answer,
            },
        }
    }
}

/// Returns once one of some seals, of which there is one at least, is broken.
async fn first_broken(seals: &[Seal]) -> Revoked {
    let all = seals.iter().map(|seal| Box::pin(seal.broken()));
    select_all(all).await.0
}
