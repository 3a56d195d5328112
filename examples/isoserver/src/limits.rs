//! What apps may have, and what may be asked of them.

use std::time::Duration;

use vesicle_pool::engine::{Budget, Purse};
use vesicle_pool::{Account, Admission};

/// The limits of a server, as its command line takes them.
#[derive(Debug, Clone, clap::Args)]
pub struct Limits {
    /// How many apps there can be
    #[arg(long, value_name = "N", default_value_t = Self::DEFAULT.apps)]
    pub apps: usize,
    /// Bytes that the component of an app may have
    #[arg(long, value_name = "BYTES", default_value_t = Self::DEFAULT.component)]
    pub component: usize,
    /// Bytes that the body of a request may have
    #[arg(long, value_name = "BYTES", default_value_t = Self::DEFAULT.body)]
    pub body: usize,
    /// How many requests may wait for an app while it answers another
    #[arg(long, value_name = "N", default_value_t = Self::DEFAULT.waiting)]
    pub waiting: usize,
    /// Milliseconds that a request may take, waiting for its turn included
    #[arg(long, value_name = "MS", default_value_t = Self::DEFAULT.deadline)]
    pub deadline: u64,
    /// Fuel that a request may use, about one unit an instruction
    #[arg(long, value_name = "UNITS", default_value_t = Self::DEFAULT.fuel)]
    pub fuel: u64,
    /// Bytes of memory that an app may have
    #[arg(long, value_name = "BYTES", default_value_t = Self::DEFAULT.memory)]
    pub memory: u64,
    /// Bytes of keys and values that a store may hold
    #[arg(long, value_name = "BYTES", default_value_t = Self::DEFAULT.store)]
    pub store: usize,
}

impl Limits {
    /// Small apps, and many of them.
    pub const DEFAULT: Self = Self {
        apps: 256,
        component: 8 << 20,
        body: 1 << 20,
        waiting: 16,
        deadline: 1_000,
        fuel: 500_000_000,
        memory: 32 << 20,
        store: 1 << 20,
    };

    /// Fuel that an app has of its own: what it starts with, and finishes with
    /// what others asked of it and can no longer pay for.
    pub(crate) const RESERVE: u64 = 20_000_000;

    /// Apps use fuel, and are many and small.
    pub(crate) const ADMISSION: Admission = Admission {
        metered: true,
        dense: true,
    };

    /// How long a request may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline)
    }

    /// What a new app has of its own.
    pub(crate) fn account(&self) -> Account {
        let budget = Budget::default()
            .with_memory(self.memory)
            .with_deadline(Some(self.deadline()));
        Account {
            budget,
            fuel: Purse::new(Self::RESERVE),
            ..Account::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
