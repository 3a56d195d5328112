//! The store that apps keep values in: in memory, of one app or of several.
//!
//! Invariant: keys and values, with [`ENTRY`] for each, are never more bytes
//! than the store's limit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vesicle_pool::engine::{State, wasmtime};
use vesicle_pool::{Interface, InterfaceName, Provider, Result};
use wasmtime::component::{HasData, Linker};

use crate::bindings::kv;

/// Bytes that an entry counts for beside its key and its value.
const ENTRY: usize = 64;

/// A store. Cloning is cheap and means the same one.
#[derive(Clone)]
pub(crate) struct Store {
    /// What it is called where it is imported.
    interfaces: Vec<Interface>,
    limit: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    values: BTreeMap<String, Vec<u8>>,
    bytes: usize,
}

impl Store {
    /// An empty store for so many bytes.
    pub fn new(interfaces: Vec<Interface>, limit: usize) -> Self {
        Self {
            interfaces,
            limit,
            kept: Arc::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(key: &str, value: &[u8]) -> usize {
    ENTRY + key.len() + value.len()
}

impl kv::Host for Store {
    fn get(&mut self, key: String) -> Option<Vec<u8>> {
        self.kept().values.get(&key).cloned()
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), kv::Refusal> {
        let mut kept = self.kept();
        let before = kept.values.get(&key).map_or(0, |old| size(&key, old));
        let bytes = kept.bytes - before + size(&key, &value);
        if bytes > self.limit {
            return Err(kv::Refusal::Full);
        }
        kept.bytes = bytes;
        kept.values.insert(key, value);
        Ok(())
    }

    fn remove(&mut self, key: String) -> bool {
        let mut kept = self.kept();
        let Some(value) = kept.values.remove(&key) else {
            return false;
        };
        kept.bytes -= size(&key, &value);
        true
    }

    fn keys(&mut self) -> Vec<String> {
        self.kept().values.keys().cloned().collect()
    }
}

/// Where the bindings find the store of the instance that calls.
struct Held;

impl HasData for Held {
    type Data<'a> = Store;
}

fn held(state: &mut State) -> Store {
    let held = state.extensions.get::<Store>().cloned();
    // What is linked to an instance is attached to it before its code runs.
    #[allow(clippy::expect_used)]
    held.expect("a store that is attached")
}

impl Provider for Store {
    fn name(&self) -> &str {
        "the store"
    }

    fn interfaces(&self) -> Vec<Interface> {
        self.interfaces.clone()
    }

    fn link(&self, _: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        kv::add_to_linker::<_, Held>(linker, held)
    }

    fn attach(&self, state: &mut State) -> Result<()> {
        state.extensions.insert(self.clone());
        Ok(())
    }
}
