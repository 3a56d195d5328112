//! Calls whose types are known when the embedder is compiled: of single
//! functions, and by generated bindings.
//!
//! ```no_run
//! # mod bindings {
//! wasmtime::component::bindgen!({
//!     inline: "package a:b@1.0.0;
//!         interface counter { add: func(n: u32) -> u32; }
//!         world counts { export counter; }",
//!     exports: { default: async },
//! });
//! # }
//! # use bindings::Counts;
//! # async fn f(pool: &vesicle_pool::Pool, token: &vesicle_pool::Token) -> vesicle_pool::Result<()> {
//! # use vesicle_pool::Grant;
//! // One function, resolved once.
//! let add = pool.typed::<(u32,), (u32,)>(token, "add").await?;
//! let (sum,) = add.call((5,), Grant::default()).await?;
//!
//! // All of a world.
//! let sum = pool
//!     .with(
//!         token,
//!         Grant::default(),
//!         |store, instance| Counts::new(store, instance),
//!         |store, counts| Box::pin(counts.a_b_counter().call_add(store, 5)),
//!     )
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Resources that such calls give are of the instance's store, and are used and
//! dropped through bindings.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use vesicle_engine::{Purse, State};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, TypedFunc};

use crate::resident::{Alive, Caller, Failure, Function, Inner, Work};
use crate::{Grant, Pool, Result, Token};

/// A function whose types are known, resolved for the instance that is behind
/// it.
pub struct Typed<P, R> {
    function: Function,
    resolved: Arc<Resolved<P, R>>,
}

/// The function in the instance of a life.
struct Resolved<P, R>(Mutex<Option<(u64, TypedFunc<P, R>)>>);

impl<P, R> Resolved<P, R>
where
    P: ComponentNamedList + Lower + 'static,
    R: ComponentNamedList + Lift + 'static,
{
    fn of(&self, slot: usize, alive: &mut Alive) -> Result<TypedFunc<P, R>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((life, function)) if *life == alive.life => Ok(*function),
            _ => {
                let function = alive.typed(slot)?;
                *known = Some((alive.life, function));
                Ok(function)
            }
        }
    }
}

impl Pool {
    /// A function of the interface behind a token, by its types: tuples of
    /// parameters and of results.
    ///
    /// # Errors
    ///
    /// [`Error::NotCallable`], [`Error::NotExported`], [`Error::Poisoned`],
    /// [`Error::Gone`], or [`vesicle_engine::Error::Link`] where the function
    /// has other types.
    pub async fn typed<P, R>(&self, token: &Token, function: &str) -> Result<Typed<P, R>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = token.provider.function(token.interface(), function)?;
        let resolved = Arc::new(Resolved(Mutex::default()));
        let check = Check {
            slot: function.slot(),
            resolved: Arc::clone(&resolved),
        };
        let caller = Caller::host(None);
        let resident = function.resident().clone();
        resident.occupy(function.seals(), caller, check).await?;
        Ok(Typed { function, resolved })
    }

    /// Uses the instance behind a token by bindings that are generated from a
    /// world which it implements. They are made once for an instance, by `bind`,
    /// which calls their `new`.
    ///
    /// # Errors
    ///
    /// [`Error::NotCallable`] where no instance is behind the token,
    /// [`Error::Guarded`] where a membrane is in between, what `bind` says, or
    /// what stopped the call.
    pub async fn with<B, R>(
        &self,
        token: &Token,
        grant: Grant,
        bind: impl FnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<B> + Send + 'static,
        work: impl for<'a> FnOnce(&'a mut Store<State>, &'a B) -> BoxFuture<'a, wasmtime::Result<R>>
        + Send
        + 'static,
    ) -> Result<R>
    where
        B: Send + Sync + 'static,
        R: Send + 'static,
    {
        let resident = token.provider.whole()?.clone();
        let with = With { bind, work };
        let caller = Caller::host(grant.fuel.clone());
        grant.cover(resident.occupy(&[], caller, with)).await
    }
}

impl<P, R> Typed<P, R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    /// Calls it.
    ///
    /// # Errors
    ///
    /// As [`Pool::call`].
    pub async fn call(&self, parameters: P, grant: Grant) -> Result<R> {
        let call = TypedCall {
            slot: self.function.slot(),
            resolved: Arc::clone(&self.resolved),
            parameters,
        };
        let caller = Caller::host(grant.fuel.clone());
        let (resident, seals) = (self.function.resident(), self.function.seals());
        grant.cover(resident.occupy(seals, caller, call)).await
    }
}

/// Looks whether the types are right.
struct Check<P, R> {
    slot: usize,
    resolved: Arc<Resolved<P, R>>,
}

impl<P, R> Work for Check<P, R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    type Output = ();

    fn slot(&self) -> Option<usize> {
        Some(self.slot)
    }

    async fn run(self, _: &Arc<Inner>, alive: &mut Alive, _: Option<Purse>) -> Result<(), Failure> {
        let found = self.resolved.of(self.slot, alive);
        found.map(drop).map_err(Failure::Before)
    }
}

struct TypedCall<P, R> {
    slot: usize,
    resolved: Arc<Resolved<P, R>>,
    parameters: P,
}

impl<P, R> Work for TypedCall<P, R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    type Output = R;

    fn slot(&self) -> Option<usize> {
        Some(self.slot)
    }

    async fn run(
        self,
        of: &Arc<Inner>,
        alive: &mut Alive,
        grant: Option<Purse>,
    ) -> Result<R, Failure> {
        let function = self.resolved.of(self.slot, alive);
        let function = function.map_err(Failure::Before)?;
        let parameters = self.parameters;
        let work =
            async move |store: &mut Store<State>| function.call_async(store, parameters).await;
        let done = alive.run(of.account(), grant, work).await;
        done.map_err(Failure::Within)
    }
}

struct With<F, W> {
    bind: F,
    work: W,
}

impl<F, W, B, R> Work for With<F, W>
where
    F: FnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<B> + Send + 'static,
    W: for<'a> FnOnce(&'a mut Store<State>, &'a B) -> BoxFuture<'a, wasmtime::Result<R>>
        + Send
        + 'static,
    B: Send + Sync + 'static,
    R: Send + 'static,
{
    type Output = R;

    fn slot(&self) -> Option<usize> {
        None
    }

    async fn run(
        self,
        of: &Arc<Inner>,
        alive: &mut Alive,
        grant: Option<Purse>,
    ) -> Result<R, Failure> {
        let bound = alive.bound(self.bind).map_err(Failure::Before)?;
        let work = self.work;
        let work = async move |store: &mut Store<State>| work(store, &bound).await;
        let done = alive.run(of.account(), grant, work).await;
        done.map_err(Failure::Within)
    }
}
