//! Programs for processes, and whose turn it is to compile.
//!
//! What was begun cannot be ended before it is done, and may be a stranger's. So each
//! tree of processes compiles one component at a time, the host as many as it has
//! cores and two at least, and whoever waits gives up when its time is over.
//!
//! Invariants: a turn lasts until the compiler is done, whether or not somebody still
//! waits for it; turns come in the order in which they were asked for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vesicle_pool::Audit;
use vesicle_pool::wasi::Grants;
use vesicle_protocol::outcome_capnp::Resource;

use crate::account::Account;
use crate::cells::Shared;
use crate::program::{Component, Program, Programs};
use crate::{Error, Result};

/// The turns of a host.
pub(crate) struct Turns(Arc<Semaphore>);

/// The turns of one tree of processes. Cloning means the same.
#[derive(Clone)]
pub(crate) struct Row(Arc<Semaphore>);

/// One turn, until it is dropped.
pub(crate) struct Turn {
    _of_row: OwnedSemaphorePermit,
    _of_host: OwnedSemaphorePermit,
}

impl Default for Row {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turns {
    /// As many at a time as there are cores, and two at least: one alone would keep all
    /// others waiting.
    pub fn of_host() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::at_a_time(cores.max(2))
    }

    fn at_a_time(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// The next turn of a tree.
    pub async fn next(&self, row: &Row) -> Result<Turn> {
        // Nobody closes them.
        let closed = |_| Error::Other("nothing is compiled any more".into());
        let of_row = Arc::clone(&row.0).acquire_owned().await.map_err(closed)?;
        let of_host = Arc::clone(&self.0).acquire_owned().await.map_err(closed)?;
        Ok(Turn {
            _of_row: of_row,
            _of_host: of_host,
        })
    }
}

impl Shared {
    /// The program of a component, compiled if it is not known.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], also of one that is too large; [`Error::Exhausted`] where that
    /// takes longer than the account has time.
    pub async fn program(
        self: &Arc<Self>,
        component: &Component,
        account: &Account,
    ) -> Result<Arc<Program>> {
        look_at(component, account)?;
        let admission = Programs::admission(account.fuel().is_some(), account.budget().memory);
        if let Some(known) = self.programs.known(component, admission) {
            return Ok(known);
        }
        let component = component.clone();
        let make = move |programs: &Programs| match programs.known(&component, admission) {
            // It was somebody else's turn with the same.
            Some(known) => Ok(known),
            None => programs.make(component, admission),
        };
        self.in_turn(account, make).await
    }

    /// A component that is ready to be started on an account, without being compiled
    /// or looked for at length.
    ///
    /// # Errors
    ///
    /// As [`Shared::program`].
    pub async fn ready(self: &Arc<Self>, wasm: &[u8], account: &Account) -> Result<Component> {
        let component = Component::new(wasm);
        self.program(&component, account).await?;
        Ok(self.programs.same(component))
    }

    /// The program of one that may reach more than its link.
    ///
    /// # Errors
    ///
    /// As [`Shared::program`].
    pub async fn program_with(
        self: &Arc<Self>,
        component: Component,
        account: &Account,
        grants: Grants,
    ) -> Result<Arc<Program>> {
        look_at(&component, account)?;
        let admission = Programs::admission(account.fuel().is_some(), account.budget().memory);
        let make = move |programs: &Programs| {
            let program = programs.with(&component, admission, grants, Audit::default());
            program.map(Arc::new)
        };
        self.in_turn(account, make).await
    }

    /// Has something made when it is an account's turn.
    async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        account: &Account,
        make: impl FnOnce(&Programs) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let made = async {
            let turn = self.turns.next(account.compiling()).await?;
            let shared = Arc::clone(self);
            let made = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                make(&shared.programs)
            });
            made.await
                .map_err(|_| Error::Other("compiling has stopped in the middle".into()))?
        };
        in_time(account, made).await
    }
}

/// Says whether a component is small enough to be compiled for a process.
///
/// # Errors
///
/// [`Error::Invalid`].
fn look_at(component: &Component, account: &Account) -> Result<()> {
    let (size, most) = (component.size(), account.component());
    match size > most {
        true => Err(Error::Invalid(format!(
            "the component has {size} bytes, and none of more than {most} is compiled; leave out of \
             it what it does not need, such as debug information"
        ))),
        false => Ok(()),
    }
}

/// Waits for a program as long as the process has time that is to run it.
///
/// # Errors
///
/// [`Error::Exhausted`] when that is over.
async fn in_time<T>(account: &Account, made: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(until) = account.until() else {
        return made.await;
    };
    let made = tokio::time::timeout_at(until, made).await;
    made.unwrap_or_else(|_| {
        Err(Error::Exhausted {
            what: Resource::Time,
            reason: "the component was not compiled within the time that the process has".into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_tree_has_one_turn_at_a_time_and_others_theirs_beside_it() {
        let turns = Turns::at_a_time(2);
        let (one, two, three) = (Row::default(), Row::default(), Row::default());
        let first = turns.next(&one).await.unwrap();
        assert!(turns.next(&one).now_or_never().is_none());
        let second = turns.next(&two).await.unwrap();
        // The host has no more.
        let mut waits = Box::pin(turns.next(&three));
        assert!(waits.as_mut().now_or_never().is_none());
        // And who waits for the host keeps nobody out for longer than it waits.
        drop(waits);
        drop(second);
        let third = turns.next(&three).await.unwrap();
        drop(first);
        let again = turns.next(&one).await.unwrap();
        drop((third, again));
    }

    #[tokio::test]
    async fn turns_come_in_the_order_in_which_they_were_asked_for() {
        let turns = Turns::at_a_time(1);
        let rows: Vec<_> = (0..3).map(|_| Row::default()).collect();
        let held = turns.next(&rows[0]).await.unwrap();
        let mut early = Box::pin(turns.next(&rows[1]));
        assert!(early.as_mut().now_or_never().is_none());
        let mut late = Box::pin(turns.next(&rows[2]));
        assert!(late.as_mut().now_or_never().is_none());
        drop(held);
        assert!(late.as_mut().now_or_never().is_none());
        let early = early.await.unwrap();
        drop(early);
        late.await.unwrap();
    }
}
