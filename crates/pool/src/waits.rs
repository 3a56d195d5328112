//! Who waits for whom: calls between instances that would never end.
//!
//! An instance answers one call at a time. So A that calls B while B, directly
//! or over others, waits for A, would wait for ever; this is found before it
//! begins, also where two calls close the circle together.
//!
//! Invariant: an instance waits for one other at most, from before it asks for
//! that one's turn until it has its answer; no circle is ever entered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The number of an instance, which no other ever has.
pub(crate) type Id = u64;

/// The waits of all instances of a pool.
#[derive(Default)]
pub(crate) struct Waits(Mutex<HashMap<Id, Id>>);

/// A circle of calls: who would be called, whom that one waits for, and so on
/// to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Circle(pub Vec<Id>);

/// A wait, until it is dropped.
pub(crate) struct Wait {
    waits: Arc<Waits>,
    caller: Id,
}

impl Waits {
    /// Notes that one instance waits for another.
    ///
    /// # Errors
    ///
    /// The circle that this would close.
    pub fn begin(self: &Arc<Self>, caller: Id, callee: Id) -> Result<Wait, Circle> {
        let mut waits = self.lock();
        let mut chain = vec![callee];
        let mut at = callee;
        while at != caller {
            match waits.get(&at) {
                Some(next) => at = *next,
                None => {
                    waits.insert(caller, callee);
                    return Ok(Wait {
                        waits: Arc::clone(self),
                        caller,
                    });
                }
            }
            chain.push(at);
        }
        Err(Circle(chain))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Id>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waits.lock().remove(&self.caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_told_with_everybody_in_it_and_nothing_else_is_one() {
        let waits = Arc::new(Waits::default());
        let _one = waits.begin(1, 2).ok().unwrap();
        let two = waits.begin(2, 3).ok().unwrap();
        assert_eq!(waits.begin(3, 1).err(), Some(Circle(vec![1, 2, 3])));
        // Two may wait for the same one.
        let _four = waits.begin(4, 3).ok().unwrap();
        drop(two);
        assert!(waits.begin(3, 1).is_ok());
    }

    #[test]
    fn who_calls_itself_waits_for_ever() {
        let waits = Arc::new(Waits::default());
        assert_eq!(waits.begin(1, 1).err(), Some(Circle(vec![1])));
    }
}
