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

use super::Inner;
use super::exports::Signature;
use crate::canonical::Passed;
use crate::entry::{Entry, entry};
use crate::kinds::Kinds;
use crate::pool::track;
use crate::structure::Definition;
use crate::waits::Waiter;
use crate::{Account, App, Error, Instance, Result, Value, Wired, resource};

/// Which resident a store belongs to.
pub(super) struct Owner(pub Arc<Waiter>);

/// What the call under way in a store was granted.
pub(super) struct Granted(pub Option<Purse>);

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
pub(crate) struct Call {
    pub slot: usize,
    pub arguments: Vec<Value>,
    pub seals: Vec<Seal>,
}

/// What a resident does while it is its turn.
pub(crate) trait Work: Send + 'static {
    type Output: Send + 'static;

    /// The function that is called, if it is one.
    fn slot(&self) -> Option<usize>;

    /// Does it; a grant pays first.
    fn run(
        self,
        of: &Arc<Inner>,
        alive: &mut Alive,
        grant: Option<Purse>,
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

/// A call of a function that has been looked up.
pub(crate) struct Entered<P, R> {
    pub function: TypedFunc<P, R>,
    pub call: Call,
}

impl<P, R> Work for Entered<P, R>
where
    P: Passed + ComponentNamedList + Lower + 'static,
    R: Passed + ComponentNamedList + Lift + 'static,
{
    type Output = Vec<Value>;

    fn slot(&self) -> Option<usize> {
        Some(self.call.slot)
    }

    async fn run(
        self,
        of: &Arc<Inner>,
        alive: &mut Alive,
        grant: Option<Purse>,
    ) -> Result<Vec<Value>, Failure> {
        let Self { function, mut call } = self;
        let has_handles = of.signatures[call.slot].has_handles;
        let mut lent = Vec::new();
        if has_handles {
            let (life, state) = (alive.life, alive.instance.store.state_mut());
            lent = resource::into_callee(&of.into(), life, state, &mut call.arguments)
                .map_err(Failure::Before)?;
        }
        let arguments = P::from(call.arguments);
        let work =
            async |store: &mut wasmtime::Store<State>| function.call_async(store, arguments).await;
        let done = alive.run(&of.account, grant, work).await;
        let mut results: Vec<_> = done.map_err(Failure::Within)?.into();
        if has_handles {
            let left = alive.take_out(of, lent, &call.seals, &mut results);
            left.map_err(Failure::Before)?;
        }
        Ok(results)
    }
}

impl Alive {
    /// Makes an instance with some exported functions.
    pub async fn new(
        wired: &Wired,
        waiter: Arc<Waiter>,
        life: u64,
        account: &Account,
        places: Vec<ComponentExportIndex>,
    ) -> Result<Self> {
        let prepare = |store: &mut Store| {
            store.state_mut().extensions.insert(Owner(waiter));
            store.state_mut().extensions.insert(Granted(None));
            store.draw_on(account.with(None));
            if let Some(bytes) = &account.bytes {
                store.hold_from(bytes.clone());
            }
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

    /// Takes the results out of the store, and back what was lent to it.
    fn take_out(
        &mut self,
        of: &Arc<Inner>,
        lent: Vec<u32>,
        seals: &[Seal],
        results: &mut [Value],
    ) -> Result<()> {
        self.know_kinds(&of.kinds);
        let (state, kinds) = (self.instance.store.state_mut(), &self.kinds);
        resource::give_back(state, lent);
        let kind = |any: &ResourceAny| {
            let mut kinds = kinds.iter().flatten();
            kinds.find(|(ty, _)| *ty == any.ty()).map(|(_, kind)| *kind)
        };
        resource::out_of_callee(&of.into(), self.life, state, kind, seals, results)
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

    /// A function that can be called.
    ///
    /// # Errors
    ///
    /// [`vesicle_engine::Error::Link`].
    pub(super) fn entry(&mut self, slot: usize, signature: &Signature) -> Result<Arc<dyn Entry>> {
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
pub(super) fn caller(state: &State) -> (Option<Arc<Waiter>>, Option<Purse>) {
    let owner = state.extensions.get::<Owner>();
    let granted = state.extensions.get::<Granted>();
    (
        owner.map(|owner| Arc::clone(&owner.0)),
        granted.and_then(|granted| granted.0.clone()),
    )
}
