//! Exported functions, ready to be called: one shape of code for each number of
//! core values.
//!
//! Invariant: the engine has checked that a function takes and gives just what
//! the code for it passes.

use vesicle_engine::State;
use wasmtime::component::{ComponentNamedList, Func, Lift, Lower, TypedFunc};
use wasmtime::{Result, Store};

use crate::Value;
use crate::canonical::{FLAT_PARAMETERS, FLAT_RESULTS, Flat, InMemory, Passed, Placed, parameters};
use crate::outlive::Work;
use crate::resident::{Call, Entered, Turn};

/// How many core values the parameters of a function have, and its results.
/// More than may ever be passed as such count as one more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub parameters: usize,
    pub results: usize,
    /// Whether it is an async function.
    pub waits: bool,
}

/// A function that can be called.
pub(crate) trait Entry: Send + Sync {
    /// What calls it, in one piece.
    fn work(&self, turn: Turn, call: Call) -> Work<crate::Result<Vec<Value>>>;
}

impl<P, R> Entry for TypedFunc<P, R>
where
    P: Passed + ComponentNamedList + Lower + 'static,
    R: Passed + ComponentNamedList + Lift + 'static,
{
    fn work(&self, turn: Turn, call: Call) -> Work<crate::Result<Vec<Value>>> {
        let function = *self;
        Box::pin(turn.carry_out(Entered { function, call }))
    }
}

/// A function as what can be called.
///
/// # Errors
///
/// It does not take or give as many core values.
pub(crate) fn entry(
    function: Func,
    store: &Store<State>,
    counts: Counts,
) -> Result<Box<dyn Entry>> {
    if counts.waits && (FLAT_RESULTS + 1..=FLAT_PARAMETERS).contains(&counts.results) {
        let told = "an async function that gives more than one core value is called by bindings";
        return Err(wasmtime::Error::msg(told));
    }
    match counts.results {
        0 => by_parameters::<Flat<0>>(function, store, counts),
        1 => by_parameters::<Flat<1>>(function, store, counts),
        _ => by_parameters::<InMemory<FLAT_RESULTS>>(function, store, counts),
    }
}

fn by_parameters<R>(function: Func, store: &Store<State>, counts: Counts) -> Result<Box<dyn Entry>>
where
    R: Passed + ComponentNamedList + Lift + 'static,
{
    parameters!(counts.parameters, N => Ok(Box::new(function.typed::<Flat<N>, R>(store)?)), _ => {
        Ok(Box::new(function.typed::<Placed, R>(store)?))
    })
}
