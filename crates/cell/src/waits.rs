//! Which process waits for which.
//!
//! Processes that can hold each other live on one thread, so each thread knows its
//! own. Who asks is known while that one's link is driven.
//!
//! Invariant: a wait is known for as long as it lasts, and not longer.

use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// Whose link is driven at this moment.
    static CALLER: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
    /// Who waits, and for whom.
    static WAITS: RefCell<Vec<Rc<Wait>>> = const { RefCell::new(Vec::new()) };
}

struct Wait {
    who: Rc<str>,
    whom: String,
}

/// One process's wait for another, for as long as this is held.
pub(crate) struct Waiting(Rc<Wait>);

/// Drives the link of a process.
pub(crate) fn driving<T>(who: &Rc<str>, drive: impl FnOnce() -> T) -> T {
    let before = CALLER.replace(Some(Rc::clone(who)));
    let driven = drive();
    CALLER.set(before);
    driven
}

impl Waiting {
    /// A wait of whoever's link is driven now. `None` where it is not a process that
    /// asks.
    pub fn begin(whom: &str) -> Option<Self> {
        let who = CALLER.with_borrow(Clone::clone)?;
        let wait = Rc::new(Wait {
            who,
            whom: whom.to_owned(),
        });
        WAITS.with_borrow_mut(|waits| waits.push(Rc::clone(&wait)));
        Some(Self(wait))
    }

    /// The names on the way from who waits to itself, each of which waits for the
    /// next, if there is such a way.
    pub fn circle(&self) -> Option<Vec<String>> {
        let mut way = vec![self.0.who.to_string()];
        WAITS.with_borrow(|waits| walk(waits, &self.0.whom, &mut way).then_some(way))
    }
}

/// Walks from a process to the first of a way, over processes that are not on it yet.
fn walk(waits: &[Rc<Wait>], from: &str, way: &mut Vec<String>) -> bool {
    let is_there = *from == *way[0];
    let was_here = way.iter().any(|name| name == from);
    way.push(from.to_owned());
    if is_there {
        return true;
    }
    if !was_here {
        for wait in waits.iter().filter(|wait| *wait.who == *from) {
            if walk(waits, &wait.whom, way) {
                return true;
            }
        }
    }
    way.pop();
    false
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITS.with_borrow_mut(|waits| waits.retain(|wait| !Rc::ptr_eq(wait, &self.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(who: &str, whom: &str) -> Waiting {
        driving(&who.into(), || Waiting::begin(whom)).unwrap()
    }

    #[test]
    fn a_circle_is_told_by_its_names_for_as_long_as_everybody_on_it_waits() {
        let first = wait("a", "b");
        let _aside = wait("b", "d");
        assert_eq!(first.circle(), None);
        let second = wait("b", "c");
        let _last = wait("c", "a");
        let names = |waiting: &Waiting| waiting.circle().map(|way| way.join(" "));
        assert_eq!(names(&first).unwrap(), "a b c a");
        assert_eq!(names(&second).unwrap(), "b c a b");
        drop(second);
        assert_eq!(names(&first), None);
        assert_eq!(names(&wait("e", "e")).unwrap(), "e e");
    }

    #[test]
    fn who_is_no_process_is_on_no_circle() {
        assert!(Waiting::begin("a").is_none());
    }

    #[test]
    fn a_circle_of_others_is_walked_once() {
        let _there = wait("x", "y");
        let _back = wait("y", "x");
        assert_eq!(wait("w", "x").circle(), None);
    }
}
