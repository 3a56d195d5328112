//! How components are compiled and run.

/// Which kind of contract a component has.
///
/// The choice follows from what the component imports and exports: any async
/// function, stream or future means [`Profile::Task`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Profile {
    /// Synchronous functions only. Calls are cheap.
    Call,
    /// The component model's async functions, streams and futures.
    Task,
}

/// Where the memory of instances comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Allocation {
    /// A pool of slots with small reservations, for thousands of small
    /// instances.
    Dense,
    /// Memory mapped when it is needed, with the engine's default reservation,
    /// for a few large instances.
    OnDemand,
}

/// One way to configure the engine. Each one in use is one lazily built
/// `wasmtime::Engine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// The kind of contract.
    pub profile: Profile,
    /// Where memory comes from.
    pub allocation: Allocation,
    /// Whether fuel is metered.
    pub metered: bool,
}

impl Kind {
    /// For connectors: async, memory on demand, not metered.
    pub const TASK: Self = Self {
        profile: Profile::Task,
        allocation: Allocation::OnDemand,
        metered: false,
    };
    /// For small components with synchronous contracts, from the dense pool.
    pub const CALL: Self = Self {
        profile: Profile::Call,
        allocation: Allocation::Dense,
        metered: false,
    };

    /// The same kind with or without fuel.
    #[must_use]
    pub fn metered(self, metered: bool) -> Self {
        Self { metered, ..self }
    }
}
