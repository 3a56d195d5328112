//! Imports that are answered by an instance in another store.
//!
//! Invariant: a function is linked only if all it takes and gives can cross
//! between stores ([`Structure::stuck`](crate::Structure::stuck)).

use vesicle_engine::{Raised, State};
use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{LinkerInstance, Type, Val};

use crate::resident::{Caller, Function};

/// Links a function with values whose types are looked at as they come.
///
/// Where the callee fails and the function gives a `result` that has room for
/// it, the caller gets an error and lives; otherwise it fails too.
///
/// # Errors
///
/// What the linker says.
pub(crate) fn dynamic(
    slot: &mut LinkerInstance<'_, State>,
    name: &str,
    function: Function,
) -> wasmtime::Result<()> {
    slot.func_new_async(name, move |store, kind, arguments, results| {
        let called = function
            .clone()
            .call(Caller::of(store.data()), arguments.to_vec(), None);
        Box::new(async move {
            match called.await {
                Ok(answer) => {
                    for (place, value) in results.iter_mut().zip(answer) {
                        *place = value;
                    }
                    Ok(())
                }
                Err(error) => match (as_result(&kind, &error.to_string()), results) {
                    (Some(value), [place]) => {
                        *place = value;
                        Ok(())
                    }
                    _ => Err(Raised::new(error).into()),
                },
            }
        })
    })
}

/// The error as what the function gives, if that is a `result` whose error is
/// nothing or a string.
fn as_result(kind: &ComponentFunc, message: &str) -> Option<Val> {
    let Some(Type::Result(result)) = kind.results().next() else {
        return None;
    };
    match result.err() {
        None => Some(Val::Result(Err(None))),
        Some(Type::String) => {
            let message = Val::String(message.to_owned());
            Some(Val::Result(Err(Some(Box::new(message)))))
        }
        Some(_) => None,
    }
}
