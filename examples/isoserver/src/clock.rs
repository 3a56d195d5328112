//! The clock that apps may ask.

use std::time::{SystemTime, UNIX_EPOCH};

use vesicle_pool::engine::{State, wasmtime};
use vesicle_pool::{Interface, InterfaceName, Provider, Result};
use wasmtime::component::{HasData, Linker};

use crate::bindings::clock;

/// The machine's own clock.
pub(crate) struct Clock {
    /// What it is called where it is imported.
    pub interfaces: Vec<Interface>,
}

/// What answers a call: a clock has no state.
struct Now;

impl clock::Host for Now {
    fn now(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| now.as_millis() as u64)
    }
}

impl HasData for Now {
    type Data<'a> = Self;
}

impl Provider for Clock {
    fn name(&self) -> &str {
        "the clock"
    }

    fn interfaces(&self) -> Vec<Interface> {
        self.interfaces.clone()
    }

    fn link(&self, _: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        clock::add_to_linker::<_, Now>(linker, |_| Now)
    }

    fn attach(&self, _: &mut State) -> Result<()> {
        Ok(())
    }
}
