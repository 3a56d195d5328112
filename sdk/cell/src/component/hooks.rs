//! What the rest of the crate does in another way while a program of WASI 0.3 runs.
//!
//! Invariant: whoever asks here reaches an import of WASI 0.3 only through a pointer
//! that is set when such a program starts.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::time::Duration;

use futures::future::LocalBoxFuture;

use super::streams::Output;
use super::tasks;

/// What can be asked of such a program's link and clock.
#[derive(Clone, Copy)]
struct Hooks {
    sleep: fn(Duration) -> LocalBoxFuture<'static, ()>,
    is_stuck: fn() -> bool,
}

thread_local! {
    static HOOKS: Cell<Option<Hooks>> = const { Cell::new(None) };
    /// Looked at when something is late.
    static OUTPUT: RefCell<Option<Output>> = const { RefCell::new(None) };
}

/// Hooks, for as long as this is held.
pub(super) struct Set;

/// Sets what a program of WASI 0.3 does.
pub(super) fn set() -> Set {
    let hooks = Hooks {
        sleep: |duration| Box::pin(wait(duration)),
        is_stuck: || {
            OUTPUT.with_borrow(|output| output.as_ref().is_some_and(|it| it.drain().is_stuck()))
        },
    };
    // Whoever optimises would find that there is but one, and call it where it is
    // asked for.
    HOOKS.set(Some(black_box(hooks)));
    Set
}

/// Says what is looked at when something is late.
pub(super) fn watch(output: Output) {
    OUTPUT.set(Some(output));
}

impl Drop for Set {
    fn drop(&mut self) {
        OUTPUT.take();
        HOOKS.take();
    }
}

async fn wait(duration: Duration) {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    wasip3::clocks::monotonic_clock::wait_for(nanoseconds).await;
}

/// Whether it is a program of WASI 0.3 that runs.
pub(crate) fn is_running() -> bool {
    HOOKS.get().is_some()
}

/// Waits for a while, if such a program runs.
pub(crate) fn sleep(duration: Duration) -> Option<LocalBoxFuture<'static, ()>> {
    HOOKS.get().map(|hooks| (hooks.sleep)(duration))
}

/// Whether the host has not read what was written for it.
pub(crate) fn output_is_stuck() -> bool {
    HOOKS.get().is_some_and(|hooks| (hooks.is_stuck)())
}

/// Runs a task beside the others.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    tasks::add(Box::pin(task));
}
