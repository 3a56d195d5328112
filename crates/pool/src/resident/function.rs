//! A function of a resident, and on whose behalf it is called.
//!
//! Invariant: a call whose turn has not come when whoever asked gives up is
//! never carried out; one whose turn has come always is.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use vesicle_engine::{Error as EngineError, Purse, State};
use vesicle_membrane::{Revoked, Seal};

use super::Resident;
use super::alive::{self, Call};
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

    /// Whether it takes or gives resources.
    pub(crate) fn has_handles(&self) -> bool {
        self.resident.inner.signatures[self.slot].has_handles
    }

    /// Calls it, and waits for its turn and its answer no longer than
    /// `patience`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Cycle`], [`crate::Error::Poisoned`],
    /// [`crate::Error::Gone`], [`crate::Error::Failed`],
    /// [`crate::Error::Revoked`], or [`EngineError::Deadline`].
    pub(crate) async fn call(
        self,
        caller: Caller,
        arguments: Vec<Value>,
        patience: Option<Duration>,
    ) -> Result<Vec<Value>> {
        let Some(limit) = patience else {
            return self.ask(caller, arguments).await;
        };
        match tokio::time::timeout(limit, self.ask(caller, arguments)).await {
            Ok(answer) => answer,
            Err(_) => Err(EngineError::Deadline { limit }.into()),
        }
    }

    async fn ask(self, caller: Caller, arguments: Vec<Value>) -> Result<Vec<Value>> {
        let Self {
            resident,
            slot,
            seals,
        } = self;
        seals.iter().try_for_each(Seal::check)?;
        let inner = resident.inner;
        let waits = caller.id.map(|caller| inner.waits.begin(caller, inner.id));
        // Until the answer is there.
        let _wait = waits
            .transpose()
            .map_err(|circle| Residents::cycle(&inner.pool, &circle))?;
        let call = Call {
            slot,
            arguments,
            grant: caller.grant,
            seals: seals.clone(),
        };
        let answer = async move {
            let mut life = Arc::clone(&inner.turn).lock_owned().await;
            outlive(async move { inner.carry_out(&mut life, call).await }).await
        };
        match seals.as_slice() {
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
