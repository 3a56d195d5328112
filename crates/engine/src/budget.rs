//! What a store may use.

use std::time::Duration;

/// The limits of one store.
///
/// Every limit has a default; there is no way to say "unlimited" by silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes over all linear memories and tables together.
    pub memory: u64,
    /// Wall-clock time from the start of a call to its end, waiting included.
    /// `None` leaves the call without a deadline of its own; use it where
    /// something else watches for progress.
    pub deadline: Option<Duration>,
    /// How many handles: of resources, its own and those of others, over all of
    /// its tables together. Each costs the host some 200 bytes.
    pub handles: usize,
    /// Units of fuel, where the engine meters fuel. `None` means not metered.
    pub fuel: Option<u64>,
}

impl Budget {
    /// Bytes a store may hold unless told otherwise: 256 MiB.
    pub const DEFAULT_MEMORY: u64 = 256 << 20;
    /// Handles a store may have unless told otherwise.
    pub const DEFAULT_HANDLES: usize = 100_000;
    /// How long a call may take unless told otherwise: 30 seconds.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

    /// The same budget with another limit on memory, in bytes.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self {
            memory: bytes,
            ..self
        }
    }

    /// The same budget with another deadline.
    #[must_use]
    pub fn with_deadline(self, deadline: Option<Duration>) -> Self {
        Self { deadline, ..self }
    }

    /// The same budget with another limit on handles.
    #[must_use]
    pub fn with_handles(self, handles: usize) -> Self {
        Self { handles, ..self }
    }

    /// How many bytes the host holds of what one call passes: as many as the
    /// guest may have itself, between 1 and 128 MiB.
    pub(crate) fn passing(&self) -> usize {
        let bytes = self.memory.clamp(1 << 20, 128 << 20);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// The same budget with fuel metered.
    #[must_use]
    pub fn with_fuel(self, fuel: Option<u64>) -> Self {
        Self { fuel, ..self }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            memory: Self::DEFAULT_MEMORY,
            deadline: Some(Self::DEFAULT_DEADLINE),
            handles: Self::DEFAULT_HANDLES,
            fuel: None,
        }
    }
}
