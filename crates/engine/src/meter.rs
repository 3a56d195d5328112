//! How a metered store comes by its fuel.
//!
//! The engine stops a guest when its fuel is used up, and a guest that has
//! stopped cannot be gone on with. So it is given far more than it may use,
//! [`FLOAT`], and made to give way each time that the little which was drawn for
//! it is used up; there it gets more, waits, or ends. What it uses in total does
//! not depend on how often it gave way.
//!
//! Invariant: the guest's fuel above [`FLOAT`] is what was drawn last and is not
//! used yet.

use wasmtime::{
    AsContext as _, AsContextMut as _, CallHook, CallHookHandler, StoreContextMut, Trap,
};

use crate::{Purse, State};

/// What a store has beyond what it may use.
const FLOAT: u64 = 1 << 62;

/// How much is drawn at once: giving way that often costs a few per cent.
const CHUNK: u64 = 100_000;

/// What a metered store draws on.
#[derive(Clone)]
pub struct Fuel {
    /// What the call under way was granted; used first.
    pub grant: Option<Purse>,
    /// What the instance has of its own.
    pub own: Purse,
    /// What happens when there is no more.
    pub when_empty: WhenEmpty,
}

/// What happens to a call when all fuel is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenEmpty {
    /// It ends, and the instance with it.
    #[default]
    Trap,
    /// It waits until there is more, and goes on where it stood.
    Wait,
}

/// The fuel of a store, and what was drawn last.
pub(crate) struct Meter {
    fuel: Fuel,
    last: Option<(Purse, u64)>,
}

impl Meter {
    pub fn new(fuel: Fuel) -> Self {
        Self { fuel, last: None }
    }

    /// Notes that what was drawn last is used up, but for this much.
    fn settle(&mut self, unused: u64) {
        if let Some((purse, drawn)) = self.last.take() {
            purse.settle(drawn, drawn.saturating_sub(unused));
        }
    }
}

/// Draws fuel before a call, if there is any: a call that computes nothing
/// needs none.
pub(crate) async fn begin(store: &mut wasmtime::Store<State>) -> wasmtime::Result<()> {
    let Some(meter) = &store.data().meter else {
        return Ok(());
    };
    let Fuel { grant, own, .. } = meter.fuel.clone();
    let is_some = grant
        .iter()
        .chain([&own])
        .any(|purse| purse.amounts().left > 0);
    store.fuel_async_yield_interval(Some(1))?;
    store.set_fuel(FLOAT)?;
    match is_some {
        true => refill(store.as_context_mut()).await,
        false => Ok(()),
    }
}

/// Gives back what a call has not used. What it used beyond what was drawn, up
/// to a basic block, is paid too.
pub(crate) fn end(store: &mut wasmtime::Store<State>) {
    let Ok(fuel) = store.as_context().get_fuel() else {
        return;
    };
    let Some(meter) = &mut store.data_mut().meter else {
        return;
    };
    let beyond = FLOAT.saturating_sub(fuel);
    if let (Some((purse, drawn)), true) = (&mut meter.last, beyond > 0) {
        *drawn += purse.draw(beyond);
    }
    meter.settle(fuel.saturating_sub(FLOAT));
}

async fn refill(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<()> {
    loop {
        let fuel = store.get_fuel()?;
        let Some(meter) = &mut store.data_mut().meter else {
            return Ok(());
        };
        if fuel > FLOAT {
            return Ok(());
        }
        meter.settle(0);
        let wanted = CHUNK + (FLOAT - fuel);
        let sources = meter.fuel.clone();
        let mut drawn = (0, sources.own.clone());
        if let Some(grant) = sources.grant {
            drawn = (grant.draw(wanted), grant);
        }
        if drawn.0 == 0 {
            drawn = match sources.when_empty {
                WhenEmpty::Trap => (sources.own.draw(wanted), sources.own),
                WhenEmpty::Wait => (sources.own.draw_some(wanted).await, sources.own),
            };
        }
        let (amount, purse) = drawn;
        if amount == 0 {
            return Err(Trap::OutOfFuel.into());
        }
        if let Some(meter) = &mut store.data_mut().meter {
            meter.last = Some((purse, amount));
        }
        let until = (fuel + amount).saturating_sub(FLOAT);
        store.fuel_async_yield_interval(Some(until.max(1)))?;
        store.set_fuel(fuel + amount)?;
    }
}

/// Refills where a guest gives way.
pub(crate) struct Refill;

#[async_trait::async_trait]
impl CallHookHandler<State> for Refill {
    async fn handle_call_event(
        &self,
        store: StoreContextMut<'_, State>,
        hook: CallHook,
    ) -> wasmtime::Result<()> {
        match hook {
            CallHook::CallingHost => refill(store).await,
            _ => Ok(()),
        }
    }
}
