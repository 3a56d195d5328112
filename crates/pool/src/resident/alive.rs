//! The instance behind a resident, while it can be called.
//!
//! Invariant: what a call was granted is with the store for as long as the call
//! lasts, and no longer.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use vesicle_engine::{Purse, State, Store};
use vesicle_membrane::Seal;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Func, Lift, Lower, ResourceAny, ResourceType,
    TypedFunc,
};

use super::{Inner, Resident};
use crate::entry::{Counts, Entry, entry};
use crate::kinds::Kinds;
use crate::pool::track;
use crate::structure::Definition;
use crate::waits::Id;
use crate::{Account, App, Error, Instance, Result, Value, Wired, resource};

/// Which resident a store belongs to.
pub(super) struct Owner(pub Id);

/// What the call under way in a store was granted.
pub(super) struct Granted(pub Option<Purse>);

/// A function that is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// The track of the interface, and the function.
    pub name: String,
    pub counts: Counts,
    pub has_handles: bool,
}

/// What is behind the tokens.
pub(crate) struct Alive {
    pub(super) instance: Instance,
    /// Of the instances behind the resident, which one it is.
    pub life: u64,
    app: App,
    /// By slot.
    places: Vec<ComponentExportIndex>,
    /// By slot, once it was called.
    entries: Vec<Option<Arc<dyn Entry>>>,
    /// The types of the resources that it exports, once they were needed.
    kinds: Option<Vec<(ResourceType, u32)>>,
    /// Bindings to it, by their type.
    bindings: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

/// A call, as its turn comes.
pub(super) struct Call {
    pub slot: usize,
    pub arguments: Vec<Value>,
    pub grant: Option<Purse>,
    pub seals: Vec<Seal>,
}

/// What a resident does while it is its turn.
pub(crate) trait Work: Send + 'static {
    type Output: Send + 'static;

    /// The function that is called, if it is one.
    fn slot(&self) -> Option<usize>;

    /// Does it.
    fn run(
        self,
        of: &Arc<Inner>,
        alive: &mut Alive,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// Why some work was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guest has not run.
    Before(Error),
    /// The guest has stopped in the middle.
    Within(Error),
}

impl Work for Call {
    type Output = Vec<Value>;

    fn slot(&self) -> Option<usize> {
        Some(self.slot)
    }

    async fn run(self, of: &Arc<Inner>, alive: &mut Alive) -> Result<Vec<Value>, Failure> {
        alive.call(of, self).await
    }
}

impl Alive {
    /// Makes an instance with some exported functions.
    pub async fn new(
        wired: &Wired,
        id: Id,
        life: u64,
        account: &Account,
        places: Vec<ComponentExportIndex>,
    ) -> Result<Self> {
        let prepare = |store: &mut Store| {
            store.state_mut().extensions.insert(Owner(id));
            store.state_mut().extensions.insert(Granted(None));
            store.draw_on(account.with(None));
        };
        let instance = wired.instantiate_with(account.budget, prepare).await?;
        Ok(Self {
            instance,
            life,
            app: wired.app().clone(),
            entries: places.iter().map(|_| None).collect(),
            places,
            kinds: None,
            bindings: HashMap::new(),
        })
    }

    /// Calls a function.
    async fn call(&mut self, of: &Arc<Inner>, call: Call) -> Result<Vec<Value>, Failure> {
        let Call {
            slot,
            mut arguments,
            grant,
            seals,
        } = call;
        let signature = &of.signatures[slot];
        let entry = self.entry(slot, signature).map_err(Failure::Before)?;
        let resident = Resident::from(of);
        let mut lent = Vec::new();
        if signature.has_handles {
            let state = self.instance.store.state_mut();
            lent = resource::into_callee(&resident, self.life, state, &mut arguments)
                .map_err(Failure::Before)?;
        }
        let work = async |store: &mut wasmtime::Store<State>| entry.call(store, arguments).await;
        let done = self.run(&of.account, grant, work).await;
        let mut results = done.map_err(Failure::Within)?;
        if signature.has_handles {
            self.know_kinds(&of.kinds);
            let (state, kinds) = (self.instance.store.state_mut(), &self.kinds);
            resource::give_back(state, lent);
            let kind = |any: &ResourceAny| {
                let mut kinds = kinds.iter().flatten();
                kinds.find(|(ty, _)| *ty == any.ty()).map(|(_, kind)| *kind)
            };
            resource::out_of_callee(&resident, self.life, state, kind, &seals, &mut results)
                .map_err(Failure::Before)?;
        }
        Ok(results)
    }

    /// Drops a resource of the guest's own.
    pub async fn release(
        &mut self,
        account: &Account,
        grant: Option<Purse>,
        any: ResourceAny,
    ) -> Result<()> {
        let work = async |store: &mut wasmtime::Store<State>| any.resource_drop_async(store).await;
        self.run(account, grant, work).await
    }

    /// Runs the guest, which a grant pays first.
    pub(crate) async fn run<R>(
        &mut self,
        account: &Account,
        grant: Option<Purse>,
        work: impl AsyncFnOnce(&mut wasmtime::Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R> {
        self.pay(account, grant);
        let done = self.instance.store.run(work).await;
        // The grant is over when nobody holds it.
        self.pay(account, None);
        Ok(done?)
    }

    /// Says who pays for what comes next.
    fn pay(&mut self, account: &Account, grant: Option<Purse>) {
        if !self.app.is_metered() {
            return;
        }
        let store = &mut self.instance.store;
        store.draw_on(account.with(grant.clone()));
        store.state_mut().extensions.insert(Granted(grant));
    }

    fn entry(&mut self, slot: usize, signature: &Signature) -> Result<Arc<dyn Entry>> {
        if let Some(entry) = &self.entries[slot] {
            return Ok(Arc::clone(entry));
        }
        let made = self.export(slot, |function, store| {
            entry(function, store, signature.counts)
        });
        let made: Arc<dyn Entry> = made?.into();
        self.entries[slot] = Some(Arc::clone(&made));
        Ok(made)
    }

    /// A function by its types.
    ///
    /// # Errors
    ///
    /// It has others.
    pub fn typed<P, R>(&mut self, slot: usize) -> Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.export(slot, |function, store| function.typed(store))
    }

    fn export<T>(
        &mut self,
        slot: usize,
        take: impl FnOnce(Func, &wasmtime::Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T> {
        let (exports, place) = (self.instance.exports, self.places[slot]);
        let taken = self.instance.store.with(|store| {
            let function = exports.get_func(&mut *store, place);
            let none = || wasmtime::Error::msg("an export is no function");
            take(function.ok_or_else(none)?, store)
        });
        taken.map_err(link_error)
    }

    /// The bindings of a type, made once.
    ///
    /// # Errors
    ///
    /// What makes them says.
    pub fn bound<B: Send + Sync + 'static>(
        &mut self,
        bind: impl FnOnce(
            &mut wasmtime::Store<State>,
            &wasmtime::component::Instance,
        ) -> wasmtime::Result<B>,
    ) -> Result<Arc<B>> {
        let known = self.bindings.get(&TypeId::of::<B>()).cloned();
        if let Some(Ok(known)) = known.map(Arc::downcast) {
            return Ok(known);
        }
        let exports = self.instance.exports;
        let made = self.instance.store.with(|store| bind(store, &exports));
        let made = Arc::new(made.map_err(link_error)?);
        let kept: Arc<dyn Any + Send + Sync> = made.clone();
        self.bindings.insert(TypeId::of::<B>(), kept);
        Ok(made)
    }

    /// Finds the types of the resources that it exports.
    fn know_kinds(&mut self, kinds: &Kinds) {
        if self.kinds.is_some() {
            return;
        }
        let mut found = Vec::new();
        let (component, exports) = (self.app.component().clone(), self.instance.exports);
        for (interface, structure) in &self.app.surface().exports {
            let place = component
                .get_export(None, interface)
                .map(|(_, place)| place);
            for (name, definition) in structure.resources() {
                let place = component.get_export(place.as_ref(), name);
                let (Definition::Here, Some((_, place))) = (definition, place) else {
                    continue;
                };
                let ty = self
                    .instance
                    .store
                    .with(|store| exports.get_resource(store, place));
                if let Some(ty) = ty {
                    found.push((ty, kinds.number(&track(interface), name)));
                }
            }
        }
        self.kinds = Some(found);
    }
}

fn link_error(error: wasmtime::Error) -> Error {
    vesicle_engine::Error::Link(format!("{error:#}")).into()
}

/// Whoever calls from a store: which resident, and what it was granted itself.
pub(super) fn caller(state: &State) -> (Option<Id>, Option<Purse>) {
    let owner = state.extensions.get::<Owner>();
    let granted = state.extensions.get::<Granted>();
    (
        owner.map(|owner| owner.0),
        granted.and_then(|granted| granted.0.clone()),
    )
}
