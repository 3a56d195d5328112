//! A function of a resident, and on whose behalf it is called.
//!
//! Invariant: a call whose turn has not come when whoever asked gives up is
//! never carried out; one whose turn has come always is.

use std::pin::pin;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _, select_all};
use vesicle_engine::{Purse, State};
use vesicle_membrane::{Revoked, Seal};

use super::{Call, Resident, Turn, Work, alive};
use crate::outlive::Outliving;
use crate::residents::Residents;
use crate::waits::{Wait, Waiter};
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
    pub waiter: Option<Arc<Waiter>>,
    /// The fuel that it was granted itself.
    pub grant: Option<Purse>,
}

impl Caller {
    /// The host, with what it grants.
    pub fn host(grant: Option<Purse>) -> Self {
        Self {
            waiter: None,
            grant,
        }
    }

    /// Whoever a store belongs to, with what its call under way was granted.
    pub fn of(state: &State) -> Self {
        let (waiter, grant) = alive::caller(state);
        Self { waiter, grant }
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
    pub(crate) async fn call(&self, caller: Caller, arguments: Vec<Value>) -> Result<Vec<Value>> {
        let call = self.call_with(arguments);
        let (_wait, turn) = self.resident.turn(&self.seals, caller).await?;
        unless_broken(&self.seals, turn.call(call)?).await?
    }

    /// Begins to call it, if that can be done at once.
    ///
    /// # Errors
    ///
    /// As [`Function::call`].
    pub(crate) fn begin(&self, caller: &Caller, arguments: Vec<Value>) -> Result<Begun> {
        if !self.seals.is_empty() {
            return Ok(Begun::Later(arguments));
        }
        let inner = &self.resident.inner;
        let Some(turn) = Turn::at_once(inner, caller.grant.clone()) else {
            return Ok(Begun::Later(arguments));
        };
        let wait = self.resident.wait(caller)?;
        Ok(Begun::Now(wait, turn.call(self.call_with(arguments))?))
    }

    fn call_with(&self, arguments: Vec<Value>) -> Call {
        Call {
            slot: self.slot,
            arguments,
            seals: self.seals.clone(),
        }
    }
}

/// A call that was to begin at once.
pub(crate) enum Begun {
    /// It has, and its caller waits for it.
    Now(Option<Wait>, Outliving<Result<Vec<Value>>>),
    /// It must wait, with its arguments.
    Later(Vec<Value>),
}

impl Resident {
    /// Waits for the resident's turn and has it do some work, to its end.
    pub(crate) async fn occupy<W: Work>(
        &self,
        seals: &[Seal],
        caller: Caller,
        work: W,
    ) -> Result<W::Output> {
        let (_wait, turn) = self.turn(seals, caller).await?;
        unless_broken(seals, turn.spend(work)).await?
    }

    /// Waits for the resident's turn. Its caller is said to wait until the
    /// answer is there.
    async fn turn(&self, seals: &[Seal], caller: Caller) -> Result<(Option<Wait>, Turn)> {
        seals.iter().try_for_each(Seal::check)?;
        let wait = self.wait(&caller)?;
        let turn = Turn::wait_for(&self.inner, caller.grant);
        Ok((wait, unless_broken(seals, turn).await?))
    }

    pub(super) fn wait(&self, caller: &Caller) -> Result<Option<Wait>> {
        let inner = &self.inner;
        let Some(waiter) = &caller.waiter else {
            return Ok(None);
        };
        let wait = waiter.wait_for(&inner.waiter);
        let circle = wait.map_err(|circle| Residents::cycle(&inner.pool, &circle));
        circle.map(Some)
    }
}

/// Waits for something, or until one of some seals is broken.
async fn unless_broken<T>(seals: &[Seal], answer: impl Future<Output = T>) -> Result<T> {
    let mut answer = pin!(answer);
    if seals.is_empty() {
        return Ok(answer.await);
    }
    tokio::select! {
        biased;
        revoked = first_broken(seals) => Err(revoked.into()),
        answer = &mut answer => Ok(answer),
    }
}

/// Returns once one of some seals, of which there is one at least, is broken.
fn first_broken(seals: &[Seal]) -> BoxFuture<'_, Revoked> {
    let all = seals.iter().map(|seal| Box::pin(seal.broken()));
    Box::pin(select_all(all).map(|(revoked, ..)| revoked))
}
