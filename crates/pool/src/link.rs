//! Imports that are answered by an instance in another store.
//!
//! Invariant: a function is linked only if all it takes and gives can cross
//! between stores ([`Structure::stuck`]).

use std::sync::Arc;

use futures::future::{FutureExt as _, TryFutureExt as _, ready};
use vesicle_engine::{Raised, State};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower};

use crate::canonical::{FLAT_PARAMETERS, FLAT_RESULTS, Flat, InMemory, Passed, parameters};
use crate::kinds::Kinds;
use crate::resident::{Begun, Caller, Function};
use crate::structure::Room;
use crate::{InterfaceName, Result, Structure, Value, resource};

type Slot<'a> = LinkerInstance<'a, State>;

/// Links an interface: its resources, and each of its functions by what answers
/// it.
///
/// # Errors
///
/// What the linker says.
pub(crate) fn interface(
    slot: &mut Slot<'_>,
    interface: &InterfaceName,
    structure: &Structure,
    kinds: &Kinds,
    answers: impl Fn(&str) -> Result<Function>,
) -> wasmtime::Result<()> {
    for (name, definition) in structure.resources() {
        let (from, original) = definition.of(interface, name);
        let kind = kinds.resource_type(&from, original);
        slot.resource_async(name, kind, |store, index| Box::new(dropped(store, index)))?;
    }
    for name in structure.functions() {
        function(slot, name, structure, answers(name)?)?;
    }
    Ok(())
}

/// A guest has dropped a resource of another.
async fn dropped(mut store: StoreContextMut<'_, State>, index: u32) -> wasmtime::Result<()> {
    let home = resource::dropped(store.data_mut(), index);
    if let Some(home) = home {
        home.sweep(Caller::of(store.data())).await;
    }
    Ok(())
}

fn function(
    slot: &mut Slot<'_>,
    name: &str,
    structure: &Structure,
    answer: Function,
) -> wasmtime::Result<()> {
    let link = Link {
        answer,
        room: structure.room(name),
    };
    let counts = structure.counts(name);
    match counts.results {
        0 => by_parameters::<Flat<0>>(slot, name, counts.parameters, link),
        1 => by_parameters::<Flat<1>>(slot, name, counts.parameters, link),
        _ => by_parameters::<InMemory<FLAT_RESULTS>>(slot, name, counts.parameters, link),
    }
}

fn by_parameters<R>(
    slot: &mut Slot<'_>,
    name: &str,
    parameters: usize,
    link: Link,
) -> wasmtime::Result<()>
where
    R: Passed + ComponentNamedList + Lower + 'static,
{
    parameters!(parameters, N => wrap::<Flat<N>, R>(slot, name, link), _ => {
        wrap::<InMemory<FLAT_PARAMETERS>, R>(slot, name, link)
    })
}

fn wrap<P, R>(slot: &mut Slot<'_>, name: &str, link: Link) -> wasmtime::Result<()>
where
    P: Passed + ComponentNamedList + Lift + 'static,
    R: Passed + ComponentNamedList + Lower + 'static,
{
    let link = Arc::new(link);
    slot.func_wrap_async(name, move |store, arguments: P| {
        let link = Arc::clone(&link);
        if link.answer.has_handles() {
            return Box::new(call(link, store, arguments.into()).map_ok(R::from));
        }
        let caller = Caller::of(store.data());
        match link.answer.begin(&caller, arguments.into()) {
            Err(error) => Box::new(ready(link.room.hold(error).map(R::from))),
            Ok(Begun::Later(arguments)) => Box::new(call(link, store, arguments).map_ok(R::from)),
            Ok(Begun::Now(wait, answer)) => Box::new(answer.map(move |answer| {
                drop(wait);
                let results = answer.or_else(|error| link.room.hold(error));
                results.map(R::from)
            })),
        }
    })
}

/// What stands behind an import.
struct Link {
    answer: Function,
    room: Room,
}

/// Where the callee fails and the function gives a `result` that has room for
/// it, the caller gets an error and lives; otherwise it fails too.
async fn call(
    link: Arc<Link>,
    mut store: StoreContextMut<'_, State>,
    mut arguments: Vec<Value>,
) -> wasmtime::Result<Vec<Value>> {
    let state = store.data_mut();
    let caller = Caller::of(state);
    let has_handles = link.answer.has_handles();
    if has_handles && let Err(error) = resource::out_of_caller(state, &mut arguments) {
        return link.room.hold(error);
    }
    let mut answered = link.answer.call(caller, arguments).await;
    if has_handles && let Ok(results) = &mut answered {
        let moved = resource::into_caller(store.data_mut(), results);
        answered = moved.and(answered);
    }
    match answered {
        Ok(results) => Ok(results),
        Err(error) => link.room.hold(error),
    }
}

impl Room {
    /// An error as the results of a function, or as one of the caller.
    fn hold(self, error: crate::Error) -> wasmtime::Result<Vec<Value>> {
        match self {
            Self::None => Err(Raised::new(error).into()),
            Self::Bare => Ok(vec![Value::error(None)]),
            Self::Text => Ok(vec![Value::error(Some(error.to_string().into()))]),
        }
    }
}
