//! Fuel that several stores draw on, or bytes that they hold together.
//!
//! A purse is what a call was granted, or what an instance has of its own. A
//! store draws from it in small amounts while its guest computes, and gives back
//! what it has not used, so that a grant covers whatever the callee calls in
//! turn, and nothing is counted twice.
//!
//! Purses make a tree: what is granted from one is drawn from it until the grant
//! is over, and what the grant has left comes back.
//!
//! Invariant: what is left, what is drawn and what is spent is all that was ever
//! put in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Fuel, in the engine's units: about one an instruction. Or bytes of memories
/// and tables, which come back when the store that holds them is gone. Cloning
/// is cheap and means the same purse.
#[derive(Clone, Default)]
pub struct Purse {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    amounts: Mutex<Amounts>,
    filled: Notify,
    emptied: Notify,
    /// Where it is from, and how much of it.
    parent: Option<(Purse, u64)>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let amounts = self.amounts.get_mut();
        let left = amounts.unwrap_or_else(PoisonError::into_inner).left;
        if let Some((parent, granted)) = self.parent.take() {
            // What was put in besides stays with the parent as well.
            parent.settle(granted, granted.saturating_sub(left));
            parent.fill(left.saturating_sub(granted));
        }
    }
}

/// How the fuel of a purse stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Can be drawn.
    pub left: u64,
    /// Is in stores at this moment.
    pub drawn: u64,
    /// Was used.
    pub spent: u64,
    /// Was wanted and not there.
    pub lacked: bool,
}

impl Purse {
    /// A purse with some fuel.
    #[must_use]
    pub fn new(fuel: u64) -> Self {
        let purse = Self::default();
        purse.fill(fuel);
        purse
    }

    /// A purse with some of the fuel of this one, or with what there is. It is
    /// over when its last clone is dropped; then what it has left comes back.
    #[must_use]
    pub fn grant(&self, fuel: u64) -> Self {
        let granted = self.draw(fuel);
        let purse = Self {
            inner: Arc::new(Inner {
                amounts: Mutex::default(),
                filled: Notify::new(),
                emptied: Notify::new(),
                parent: Some((self.clone(), granted)),
            }),
        };
        purse.fill(granted);
        purse
    }

    /// How its fuel stands.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        *self.lock()
    }

    /// Puts fuel in. Whoever waits for some goes on.
    pub fn fill(&self, fuel: u64) {
        let mut amounts = self.lock();
        amounts.left = amounts.left.saturating_add(fuel);
        amounts.lacked = false;
        drop(amounts);
        self.inner.filled.notify_waiters();
    }

    /// Returns once more was wanted than there was.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.inner.emptied.notified();
            if self.amounts().lacked {
                return;
            }
            emptied.await;
        }
    }

    /// Takes this much, or what there is; nothing if there is none.
    pub(crate) fn draw(&self, most: u64) -> u64 {
        let mut amounts = self.lock();
        let fuel = amounts.left.min(most);
        amounts.left -= fuel;
        amounts.drawn += fuel;
        if fuel == 0 {
            amounts.lacked = true;
            drop(amounts);
            self.inner.emptied.notify_waiters();
        }
        fuel
    }

    /// Takes this much, or nothing if there is less.
    pub(crate) fn draw_all(&self, amount: u64) -> bool {
        let mut amounts = self.lock();
        let is_there = amounts.left >= amount;
        if is_there {
            amounts.left -= amount;
            amounts.drawn += amount;
        }
        is_there
    }

    /// Takes at least one unit, and waits for it if need be.
    pub(crate) async fn draw_some(&self, most: u64) -> u64 {
        loop {
            let filled = self.inner.filled.notified();
            match self.draw(most) {
                0 => filled.await,
                fuel => return fuel,
            }
        }
    }

    /// Gives back what was drawn: some of it spent.
    pub(crate) fn settle(&self, drawn: u64, spent: u64) {
        let mut amounts = self.lock();
        amounts.drawn -= drawn;
        amounts.spent += spent;
        amounts.left += drawn - spent;
        let is_some = amounts.left > 0;
        drop(amounts);
        if is_some {
            self.inner.filled.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Amounts> {
        let amounts = self.inner.amounts.lock();
        amounts.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_spent_comes_back() {
        let purse = Purse::new(100);
        assert_eq!((purse.draw(60), purse.draw(60)), (60, 40));
        purse.settle(60, 45);
        let amounts = purse.amounts();
        assert_eq!((amounts.left, amounts.drawn, amounts.spent), (15, 40, 45));
    }

    #[test]
    fn what_a_grant_has_left_comes_back_when_it_is_over() {
        let purse = Purse::new(100);
        let grant = purse.grant(70);
        let inner = grant.grant(50);
        assert_eq!(inner.draw(20), 20);
        inner.settle(20, 12);
        assert_eq!(purse.amounts().left, 30);
        drop((inner, grant));
        let amounts = purse.amounts();
        assert_eq!((amounts.left, amounts.drawn, amounts.spent), (88, 0, 12));
    }

    #[tokio::test]
    async fn who_waits_for_fuel_goes_on_once_there_is_some() {
        let purse = Purse::new(0);
        let (drawn, ()) = tokio::join!(purse.draw_some(10), async {
            purse.emptied().await;
            purse.fill(3);
        });
        assert_eq!(drawn, 3);
    }
}
