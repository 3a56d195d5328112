//! What a process may use, with all that it starts.
//!
//! Invariant: what a child has is drawn from what its parent has, and comes back
//! when the child and all of its own are gone; so a tree of processes uses no more
//! than its root was given.

use std::time::Duration;

use tokio::time::Instant;
use vesicle_engine::{Budget, Purse};
use vesicle_protocol::outcome_capnp::Resource;

use crate::compiling::Row;
use crate::{Error, Quota};

/// How much of everything; zero is as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes of memories and tables.
    pub memory: u64,
    /// How long it may live, waiting included.
    pub time: Option<Duration>,
    /// How many processes at a time, over all that they start in turn.
    pub processes: u32,
}

/// What a tree of processes may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units of fuel; without any limit on it none is counted, and code is faster.
    pub fuel: Option<u64>,
    /// Bytes of memories and tables of all of them together.
    pub memory: u64,
    /// Bytes of memories and tables of each one.
    pub memory_each: u64,
    /// How long the first, and so all, may live.
    pub time: Option<Duration>,
    /// How many there may be at a time.
    pub processes: u32,
    /// What each one can make the host hold over its link.
    pub link: Quota,
    /// Bytes of the largest component that is compiled for them.
    pub component: u64,
}

impl Default for Limits {
    /// No limit on time and fuel; 1 GiB in all and 64 MiB each, 1,000 processes, the
    /// [`Quota`] of a process, and components of 48 MiB.
    fn default() -> Self {
        Self {
            fuel: None,
            memory: 1 << 30,
            memory_each: 64 << 20,
            time: None,
            processes: 1_000,
            link: Quota::default(),
            component: 48 << 20,
        }
    }
}

/// What an account has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Units of fuel, where it is counted.
    pub fuel: Option<u64>,
    /// Bytes of memories and tables.
    pub memory: u64,
    /// Processes.
    pub processes: u64,
}

/// What one process has, or several together. Cloning means the same.
#[derive(Clone)]
pub struct Account {
    fuel: Option<Purse>,
    bytes: Purse,
    bytes_each: u64,
    processes: Purse,
    until: Option<Instant>,
    link: Quota,
    component: u64,
    /// What is compiled for all of them, one after another.
    compiling: Row,
    /// Its own place among the processes.
    _place: Option<Purse>,
}

impl Account {
    /// What one or several trees of processes have.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            fuel: limits.fuel.map(Purse::new),
            bytes: Purse::new(limits.memory),
            bytes_each: limits.memory_each,
            processes: Purse::new(u64::from(limits.processes)),
            until: limits.time.map(|time| Instant::now() + time),
            link: limits.link,
            component: limits.component,
            compiling: Row::default(),
            _place: None,
        }
    }

    /// What a child has, out of this.
    ///
    /// # Errors
    ///
    /// [`Error::Exhausted`] where there may be no more processes, or nothing is left
    /// of what every process needs.
    pub(crate) fn grant(&self, share: Share) -> Result<Self, Error> {
        let place = self.processes.grant(1);
        let exhausted = |what, reason: &str| Error::Exhausted {
            what,
            reason: reason.to_owned(),
        };
        if place.amounts().left == 0 {
            let reason = "its parent may have no more processes at a time; wait for one to end";
            return Err(exhausted(Resource::Processes, reason));
        }
        let fuel = match (&self.fuel, share.fuel) {
            (Some(fuel), 0) => Some(fuel.clone()),
            (Some(fuel), some) => Some(fuel.grant(some)),
            (None, 0) => None,
            (None, some) => Some(Purse::new(some)),
        };
        if fuel.as_ref().is_some_and(|fuel| fuel.amounts().left == 0) {
            return Err(exhausted(Resource::Fuel, "its parent has none left"));
        }
        let bytes = match share.memory {
            0 => self.bytes.clone(),
            some => self.bytes.grant(some),
        };
        let processes = match share.processes {
            0 => self.processes.clone(),
            some => self.processes.grant(u64::from(some - 1)),
        };
        let until = share.time.map(|time| Instant::now() + time);
        Ok(Self {
            fuel,
            bytes,
            bytes_each: match share.memory {
                0 => self.bytes_each,
                some => some.min(self.bytes_each),
            },
            processes,
            until: [self.until, until].into_iter().flatten().min(),
            link: self.link,
            component: self.component,
            compiling: self.compiling.clone(),
            _place: Some(place),
        })
    }

    /// What is left. What processes have comes back when they have ended.
    #[must_use]
    pub fn left(&self) -> Left {
        let left = |purse: &Purse| purse.amounts().left;
        Left {
            fuel: self.fuel.as_ref().map(left),
            memory: left(&self.bytes),
            processes: left(&self.processes),
        }
    }

    pub(crate) fn fuel(&self) -> Option<&Purse> {
        self.fuel.as_ref()
    }

    pub(crate) fn bytes(&self) -> &Purse {
        &self.bytes
    }

    /// When its time is over.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// What its link may have the host hold.
    pub(crate) fn link(&self) -> Quota {
        self.link
    }

    /// Bytes of the largest component that is compiled for it.
    pub(crate) fn component(&self) -> u64 {
        self.component
    }

    /// Where it waits for the compiler.
    pub(crate) fn compiling(&self) -> &Row {
        &self.compiling
    }

    /// What its own store may use. Time is looked after by who runs it.
    pub(crate) fn budget(&self) -> Budget {
        Budget::default()
            .with_deadline(None)
            .with_memory(self.bytes_each)
            .with_fuel(self.fuel.as_ref().map(|_| 0))
    }
}
