//! The tasks of one program, within the one task that the component model knows.
//!
//! Invariant: when the program's main is done, no task is left.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};

type Task = LocalBoxFuture<'static, ()>;

thread_local! {
    /// Those that have not had their first turn.
    static ADDED: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

/// Has a task run from the next turn on.
pub(super) fn add(task: Task) {
    ADDED.with_borrow_mut(|added| added.push(task));
}

/// Runs a future, and all that is added meanwhile, until it is done.
pub(super) async fn drive<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    let done = Rc::new(Cell::new(None));
    let into = Rc::clone(&done);
    let mut tasks = FuturesUnordered::<Task>::new();
    tasks.push(Box::pin(async move { into.set(Some(main.await)) }));
    let result = poll_fn(|context| {
        loop {
            let turn = tasks.poll_next_unpin(context);
            if let Some(result) = done.take() {
                return Poll::Ready(result);
            }
            let added = ADDED.take();
            if turn.is_pending() && added.is_empty() {
                return Poll::Pending;
            }
            tasks.extend(added);
        }
    });
    let result = result.await;
    // Whatever they add when they are dropped goes with them.
    drop(tasks);
    ADDED.take();
    result
}
