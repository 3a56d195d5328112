//! The residents of a pool: how they come, are called, are replaced and go.
//!
//! Invariant: what another resident is wired to is there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::kinds::Kinds;
use crate::outlive::outlive;
use crate::resident::Caller;
use crate::waits::{Circle, Id, Waits};
use crate::{Account, App, Error, Grant, Pool, Resident, Result, Token, Value};

/// All residents of a pool.
#[derive(Default)]
pub(crate) struct Residents {
    next: AtomicU64,
    all: Mutex<BTreeMap<Id, Resident>>,
    pub waits: Arc<Waits>,
    pub kinds: Arc<Kinds>,
}

impl Residents {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Id, Resident>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that rests on some residents, while all of them are there.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] with one that has been torn down.
    pub fn while_there<T>(
        &self,
        mut needed: impl Iterator<Item = Resident>,
        work: impl FnOnce(&mut BTreeMap<Id, Resident>) -> T,
    ) -> Result<T> {
        let mut all = self.all();
        match needed.find(|it| !all.contains_key(&it.id())) {
            None => Ok(work(&mut all)),
            Some(gone) => Err(gone.gone()),
        }
    }

    /// A circle, by name: from the caller over the one that it calls to itself.
    pub fn cycle(residents: &Weak<Self>, Circle(ids): &Circle) -> Error {
        let residents = residents.upgrade();
        let all = residents.as_ref().map(|it| it.all());
        let name = |id: &Id| match all.as_ref().and_then(|all| all.get(id)) {
            Some(resident) => resident.name().to_owned(),
            None => format!("instance {id}"),
        };
        Error::Cycle {
            chain: ids.last().into_iter().chain(ids).map(name).collect(),
        }
    }
}

impl Pool {
    /// Makes an instance of an app that others can call, wired to what its
    /// tokens stand for. It lives until it is torn down.
    ///
    /// # Errors
    ///
    /// As of [`Pool::wire`], or what stopped its start.
    pub async fn keep(
        &self,
        name: &str,
        app: &App,
        tokens: &[Token],
        account: Account,
    ) -> Result<Resident> {
        let wired = Arc::new(self.wire(app, tokens)?);
        let id = self.residents.next.fetch_add(1, Ordering::Relaxed);
        let resident = Resident::new(name, id, wired, account, &self.residents).await?;
        // Something may have been torn down since it was wired.
        let needed = resident.relies_on();
        self.residents
            .while_there(needed, |all| all.insert(id, resident.clone()))?;
        Ok(resident)
    }

    /// Calls a function of the interface behind a token.
    ///
    /// # Errors
    ///
    /// [`Error::NotCallable`], [`Error::NotExported`], [`Error::Arguments`] for
    /// arguments that are not of its types, or what stopped the call.
    pub async fn call(
        &self,
        token: &Token,
        function: &str,
        arguments: &[Value],
        grant: Grant,
    ) -> Result<Vec<Value>> {
        let callee = token.provider.function(token.interface(), function)?;
        let structure = token.interface.structure.as_ref();
        let taken = structure.map_or(Ok(()), |it| it.takes(function, arguments));
        taken.map_err(|difference| Error::Arguments {
            instance: token.provider.name().to_owned(),
            difference: Box::new(difference),
        })?;
        let caller = Caller::host(grant.fuel.clone());
        grant.cover(callee.call(caller, arguments.to_vec())).await
    }

    /// Puts a new instance in the place of a resident's, behind the same
    /// tokens. A call in flight ends first.
    ///
    /// # Errors
    ///
    /// [`Error::NotExported`] where it lacks what the resident exports,
    /// [`Error::Gone`] where the resident was torn down, or what it is to be
    /// wired to; as of [`Pool::keep`]. Then nothing has changed.
    pub async fn replace(&self, resident: &Resident, app: &App, tokens: &[Token]) -> Result<()> {
        let wired = Arc::new(self.wire(app, tokens)?);
        resident.replace(&self.residents, wired).await
    }

    /// Ends a resident and frees all it has: the store with its memory, and what
    /// it was wired to. Tokens and resources of it that somebody still has are
    /// worth nothing from then on, and cost a few bytes.
    ///
    /// A call in flight ends first, well or badly, within the budget of the
    /// resident's account; one that has neither a deadline nor fuel may keep the
    /// resident for ever. That is so also where whoever made it has given up or
    /// had its token taken back. Calls that wait for their turn, and later ones,
    /// get [`Error::Gone`], and so does a replacement that is under way.
    /// It ends also if whoever asked gives up meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Needed`] with those that are wired to it.
    pub async fn tear_down(&self, resident: &Resident) -> Result<()> {
        {
            let mut all = self.residents.all();
            let needs = |other: &&Resident| {
                other.id() != resident.id() && other.relies_on().any(|it| it.id() == resident.id())
            };
            let dependants = all.values().filter(needs);
            let dependants: Vec<_> = dependants.map(|it| it.name().to_owned()).collect();
            if !dependants.is_empty() {
                return Err(Error::Needed {
                    instance: resident.name().to_owned(),
                    dependants,
                });
            }
            all.remove(&resident.id());
        }
        let resident = resident.clone();
        outlive(Box::pin(async move { resident.tear_down().await })).await;
        Ok(())
    }

    /// How many residents there are.
    #[must_use]
    pub fn resident_count(&self) -> usize {
        self.residents.all().len()
    }
}
