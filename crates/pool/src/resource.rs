//! Resources of instances, wherever they are: with the embedder, or as a proxy
//! with another instance.
//!
//! A guest's handle of another instance's resource is an entry in its store's
//! table, which says where the resource is at home. So one that comes home is
//! itself again, and no proxy ever stands for a proxy.
//!
//! Invariants: a resource is dropped at home, once, after nobody holds it any
//! more; one of an instance that was replaced or torn down is never used again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use vesicle_engine::{Error as EngineError, State};
use vesicle_membrane::Seal;
use wasmtime::component::{Resource as Entry, ResourceAny};

use crate::{Error, Resident, Result, Value};

/// A resource of an instance. Cloning gives another holder of the same one; it
/// is dropped when the last one is gone.
#[derive(Clone)]
pub struct Resource(Place);

#[derive(Clone)]
enum Place {
    /// In a store that is being called, or that calls.
    Store(Handle),
    Held(Proxy),
}

/// What a store knows a resource by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Handle {
    /// One of the guest's own.
    Exported(ResourceAny),
    /// One of another instance.
    Imported {
        /// The entry in the store's table.
        index: u32,
        /// Of which interface and name it is: [`Kinds`](crate::kinds::Kinds).
        kind: u32,
    },
}

/// A resource and the membranes that it came through.
#[derive(Clone)]
struct Proxy {
    held: Arc<Held>,
    seals: Vec<Seal>,
}

/// A resource outside of the store where it is at home.
struct Held {
    home: Resident,
    /// Which of the instances that have been behind the resident it is of.
    life: u64,
    kind: u32,
    /// Gone once it was handed over to its home.
    any: Mutex<Option<ResourceAny>>,
}

impl Held {
    fn any(&self) -> std::sync::MutexGuard<'_, Option<ResourceAny>> {
        self.any.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(any) = self.any().take() {
            self.home.leave_behind(self.life, any);
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Store(handle) => write!(f, "resource {handle:?}"),
            Place::Held(proxy) => write!(f, "resource of {}", proxy.held.home.name()),
        }
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Place::Store(one), Place::Store(other)) => one == other,
            (Place::Held(one), Place::Held(other)) => Arc::ptr_eq(&one.held, &other.held),
            _ => false,
        }
    }
}

impl Resource {
    pub(crate) fn exported(any: ResourceAny) -> Self {
        Self(Place::Store(Handle::Exported(any)))
    }

    pub(crate) fn imported(index: u32, kind: u32) -> Self {
        Self(Place::Store(Handle::Imported { index, kind }))
    }

    /// What the store that is called knows it by.
    pub(crate) fn handle(&self) -> wasmtime::Result<Handle> {
        match &self.0 {
            Place::Store(handle) => Ok(*handle),
            Place::Held(_) => Err(wasmtime::Error::msg("a resource that has not come over")),
        }
    }

    fn proxy(&self) -> Result<&Proxy> {
        match &self.0 {
            Place::Held(proxy) => Ok(proxy),
            Place::Store(_) => Err(Error::Astray),
        }
    }
}

/// Does something to each handle among some values.
fn each(values: &mut [Value], act: &mut impl FnMut(&mut Value) -> Result<()>) -> Result<()> {
    values.iter_mut().try_for_each(|value| match value {
        Value::Own(_) | Value::Borrow(_) => act(value),
        Value::List(items) | Value::Record(items) => each(items, act),
        Value::Variant(_, Some(item))
        | Value::Option(Some(item))
        | Value::Result(Ok(Some(item)) | Err(Some(item))) => {
            each(std::slice::from_mut(&mut **item), act)
        }
        _ => Ok(()),
    })
}

/// Takes the arguments of a call out of the store that makes it.
///
/// # Errors
///
/// [`Error::Astray`], which no guest brings about.
pub(crate) fn out_of_caller(state: &mut State, arguments: &mut [Value]) -> Result<()> {
    each(arguments, &mut |value| {
        match value {
            Value::Own(resource) => {
                let entry = Entry::<Proxy>::new_own(imported(resource)?);
                let proxy = state.table.delete(entry).map_err(|_| Error::Astray)?;
                *resource = Resource(Place::Held(proxy));
            }
            Value::Borrow(resource) => {
                let entry = Entry::<Proxy>::new_borrow(imported(resource)?);
                let proxy = state.table.get(&entry).map_err(|_| Error::Astray)?;
                *resource = Resource(Place::Held(proxy.clone()));
            }
            _ => {}
        }
        Ok(())
    })
}

/// Puts the results of a call into the store that made it.
///
/// # Errors
///
/// [`EngineError::Handles`] where that has too many already.
pub(crate) fn into_caller(state: &mut State, results: &mut [Value]) -> Result<()> {
    each(results, &mut |value| match value {
        Value::Own(resource) => {
            let proxy = resource.proxy()?.clone();
            *resource = moved_in(state, proxy)?;
            Ok(())
        }
        _ => Err(Error::Astray),
    })
}

/// Puts arguments into the store that is called, and gives the entries that
/// were made for what is only lent.
///
/// # Errors
///
/// [`Error::Revoked`], [`Error::HandedOver`], [`Error::Left`],
/// [`EngineError::Handles`].
pub(crate) fn into_callee(
    callee: &Resident,
    life: u64,
    state: &mut State,
    arguments: &mut [Value],
) -> Result<Vec<u32>> {
    // Nothing is handed over before everything is known to be right.
    each(arguments, &mut |value| match value {
        Value::Own(resource) | Value::Borrow(resource) => {
            let Proxy { held, seals } = resource.proxy()?;
            seals.iter().try_for_each(Seal::check)?;
            let home = held.home.name();
            if held.any().is_none() {
                return Err(Error::HandedOver { home: home.into() });
            }
            match held.home.is(callee) && held.life != life {
                true => Err(Error::Left { home: home.into() }),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    })?;
    let mut entered = Entered::default();
    let done = each(arguments, &mut |value| {
        let (resource, is_lent) = match value {
            Value::Own(resource) => (resource, false),
            Value::Borrow(resource) => (resource, true),
            _ => return Ok(()),
        };
        let proxy = resource.proxy()?.clone();
        if !proxy.held.home.is(callee) {
            *resource = moved_in(state, proxy)?;
            let entries = match is_lent {
                true => &mut entered.lent,
                false => &mut entered.given,
            };
            entries.push(imported(resource)?);
            return Ok(());
        }
        let mut any = proxy.held.any();
        let found = match is_lent {
            true => *any,
            false => any.take(),
        };
        let home = proxy.held.home.name();
        let found = found.ok_or_else(|| Error::HandedOver {
            home: home.to_owned(),
        })?;
        if !is_lent {
            entered.home.push(found);
        }
        *resource = Resource::exported(found);
        Ok(())
    });
    match done {
        Ok(()) => Ok(entered.lent),
        Err(error) => {
            // The guest never learns of those that came over before.
            let Entered { lent, given, home } = entered;
            give_back(state, lent);
            give_back(state, given);
            home.into_iter()
                .for_each(|any| callee.leave_behind(life, any));
            Err(error)
        }
    }
}

/// What has come into a store for a call.
#[derive(Default)]
struct Entered {
    /// The entries of what is lent, and of what is given.
    lent: Vec<u32>,
    given: Vec<u32>,
    /// What has come home.
    home: Vec<ResourceAny>,
}

/// Takes the results of a call out of the store that was called.
///
/// # Errors
///
/// [`Error::Astray`], which no guest brings about.
pub(crate) fn out_of_callee(
    callee: &Resident,
    life: u64,
    state: &mut State,
    kind: impl Fn(&ResourceAny) -> Option<u32>,
    seals: &[Seal],
    results: &mut [Value],
) -> Result<()> {
    each(results, &mut |value| {
        let Value::Own(resource) = value else {
            return Err(Error::Astray);
        };
        let mut proxy = match resource.handle().map_err(|_| Error::Astray)? {
            Handle::Imported { index, .. } => {
                let entry = Entry::<Proxy>::new_own(index);
                state.table.delete(entry).map_err(|_| Error::Astray)?
            }
            Handle::Exported(any) => Proxy {
                held: Arc::new(Held {
                    home: callee.clone(),
                    life,
                    kind: kind(&any).ok_or(Error::Astray)?,
                    any: Mutex::new(Some(any)),
                }),
                seals: Vec::new(),
            },
        };
        proxy.seals.extend_from_slice(seals);
        *resource = Resource(Place::Held(proxy));
        Ok(())
    })
}

/// Removes what was lent for a call.
pub(crate) fn give_back(state: &mut State, lent: Vec<u32>) {
    for index in lent {
        // The guest cannot have removed what it does not own.
        let _ = state.table.delete(Entry::<Proxy>::new_own(index));
    }
}

/// Removes what a guest has dropped, and says where it was at home if nobody
/// else holds it.
pub(crate) fn dropped(state: &mut State, index: u32) -> Option<Resident> {
    let proxy = state.table.delete(Entry::<Proxy>::new_own(index)).ok()?;
    let home = proxy.held.home.clone();
    drop(proxy);
    home.has_left_behind().then_some(home)
}

fn moved_in(state: &mut State, proxy: Proxy) -> Result<Resource> {
    let kind = proxy.held.kind;
    let entry = state.table.push(proxy).map_err(|_| EngineError::Handles)?;
    Ok(Resource::imported(entry.rep(), kind))
}

fn imported(resource: &Resource) -> Result<u32> {
    match resource.handle() {
        Ok(Handle::Imported { index, .. }) => Ok(index),
        _ => Err(Error::Astray),
    }
}
