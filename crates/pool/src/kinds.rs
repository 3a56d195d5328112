//! Numbers of resource types, by which stores tell each other's apart.
//!
//! Invariant: the same resource of the same interface has the same number in
//! all stores of a pool, and no other has it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wasmtime::component::ResourceType;

/// The resource types that have been linked in a pool.
#[derive(Default)]
pub(crate) struct Kinds(Mutex<HashMap<(String, String), u32>>);

impl Kinds {
    /// The number of a resource of an interface, given by its track.
    pub fn number(&self, interface: &str, resource: &str) -> u32 {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As many as that are never linked.
        let next = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
        let key = (interface.to_owned(), resource.to_owned());
        *kinds.entry(key).or_insert(next)
    }

    /// The type that stands for it in the stores of others.
    pub fn resource_type(&self, interface: &str, resource: &str) -> ResourceType {
        ResourceType::host_dynamic(self.number(interface, resource))
    }
}
