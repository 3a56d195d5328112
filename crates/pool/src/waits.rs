//! Who waits for whom: calls between instances that would never end.
//!
//! An instance answers one call at a time. So A that calls B while B, directly
//! or over others, waits for A, would wait for ever; this is found before it
//! begins, also where two calls close the circle together.
//!
//! Invariants: an instance waits for one other at most, from before it asks for
//! that one's turn until it has its answer; no circle is ever entered. Whoever
//! is in a circle stays in it, so a circle that is found twice is one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The number of an instance, which no other ever has.
pub(crate) type Id = u64;

/// Waits for nobody.
const NOBODY: Id = Id::MAX;

/// The instances of a pool.
#[derive(Default)]
pub(crate) struct Waits(Mutex<HashMap<Id, Weak<Waiter>>>);

/// An instance as one that waits for others.
pub(crate) struct Waiter {
    id: Id,
    /// Whom it waits for at this moment.
    on: AtomicU64,
    all: Arc<Waits>,
}

/// A circle of calls: who would be called, whom that one waits for, and so on
/// to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle(pub Vec<Id>);

/// A wait, until it is dropped.
pub(crate) struct Wait(Arc<Waiter>);

impl Waits {
    /// One more instance.
    pub fn waiter(self: &Arc<Self>, id: Id) -> Arc<Waiter> {
        let waiter = Arc::new(Waiter {
            id,
            on: AtomicU64::new(NOBODY),
            all: Arc::clone(self),
        });
        self.lock().insert(id, Arc::downgrade(&waiter));
        waiter
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Weak<Waiter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many instances there are.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.lock().len()
    }
}

impl Waiter {
    /// Notes that this instance waits for another.
    ///
    /// # Errors
    ///
    /// The circle that this would close.
    pub fn wait_for(self: &Arc<Self>, callee: &Self) -> Result<Wait, Circle> {
        // Of two that close a circle together, one at least sees the other.
        self.on.store(callee.id, Ordering::SeqCst);
        let wait = Wait(Arc::clone(self));
        let is_idle = callee.on.load(Ordering::SeqCst) == NOBODY && callee.id != self.id;
        if is_idle {
            return Ok(wait);
        }
        match (self.circle(callee.id), self.circle(callee.id)) {
            (Some(once), Some(twice)) if once == twice => Err(once),
            _ => Ok(wait),
        }
    }

    /// The chain from an instance to this one, if there is one.
    fn circle(&self, from: Id) -> Option<Circle> {
        let all = self.all.lock();
        let mut chain = vec![from];
        let mut at = from;
        while at != self.id {
            at = all.get(&at)?.upgrade()?.on.load(Ordering::SeqCst);
            // A chain that others change meanwhile may seem to go round.
            if at == NOBODY || chain.contains(&at) && at != self.id {
                return None;
            }
            if at != self.id {
                chain.push(at);
            }
        }
        if chain.last() != Some(&self.id) {
            chain.push(self.id);
        }
        Some(Circle(chain))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.on.store(NOBODY, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_told_with_everybody_in_it_and_nothing_else_is_one() {
        let waits = Arc::new(Waits::default());
        let [one, two, three, four] = [1, 2, 3, 4].map(|id| waits.waiter(id));
        let _one = one.wait_for(&two).ok().unwrap();
        let wait = two.wait_for(&three).ok().unwrap();
        assert_eq!(three.wait_for(&one).err(), Some(Circle(vec![1, 2, 3])));
        // Two may wait for the same one.
        let _four = four.wait_for(&three).ok().unwrap();
        drop(wait);
        assert!(three.wait_for(&one).is_ok());
    }

    #[test]
    fn who_calls_itself_waits_for_ever() {
        let waits = Arc::new(Waits::default());
        let one = waits.waiter(1);
        assert_eq!(one.wait_for(&one).err(), Some(Circle(vec![1])));
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let waits = Arc::new(Waits::default());
        drop(waits.waiter(1));
        assert_eq!(waits.count(), 0);
    }

    #[test]
    fn of_two_that_call_each_other_one_at_least_learns_of_it() {
        let waits = Arc::new(Waits::default());
        let (one, other) = (waits.waiter(1), waits.waiter(2));
        let barrier = std::sync::Barrier::new(2);
        let rounds = 2_000;
        let call = |from: &Arc<Waiter>, to: &Arc<Waiter>| {
            let mut found = Vec::new();
            for _ in 0..rounds {
                barrier.wait();
                let wait = from.wait_for(to);
                barrier.wait();
                found.push(wait.is_err());
                drop(wait);
            }
            found
        };
        std::thread::scope(|scope| {
            let there = scope.spawn(|| call(&one, &other));
            let back = call(&other, &one);
            let there = there.join().unwrap();
            for (there, back) in there.into_iter().zip(back) {
                assert!(there || back);
            }
        });
    }
}
