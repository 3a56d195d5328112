//! What runs tasks, and sleeps when none can go on.
//!
//! Invariants: the program sleeps in one call of `wasi:io/poll`, with everything
//! that any task waits for; a pollable is gone before what it is of.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::executor::{LocalPool, LocalSpawner};
use futures::task::LocalSpawnExt as _;
use wasip2::io::poll::{Pollable, poll};

thread_local! {
    static REACTOR: Reactor = Reactor::default();
}

#[derive(Default)]
struct Reactor {
    waiting: RefCell<Vec<Rc<Entry>>>,
    /// Those who let others have their turn.
    yielded: RefCell<Vec<Waker>>,
    spawner: RefCell<Option<LocalSpawner>>,
}

/// One thing that is waited for.
struct Entry {
    pollable: Pollable,
    waker: RefCell<Option<Waker>>,
    is_ready: Cell<bool>,
}

/// Something that becomes ready, again and again.
pub(crate) struct Source(Rc<Entry>);

impl Source {
    pub fn new(pollable: Pollable) -> Self {
        Self(Rc::new(Entry {
            pollable,
            waker: RefCell::default(),
            is_ready: Cell::new(false),
        }))
    }

    /// Waits until it is ready. Asked again after that, it waits for the next time.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_ready.take() {
            return Poll::Ready(());
        }
        let known = self.0.waker.replace(Some(context.waker().clone()));
        if known.is_none() {
            REACTOR.with(|it| it.waiting.borrow_mut().push(Rc::clone(&self.0)));
        }
        Poll::Pending
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        REACTOR.with(|it| {
            it.waiting
                .borrow_mut()
                .retain(|entry| !Rc::ptr_eq(entry, &self.0))
        });
    }
}

impl Reactor {
    /// Sleeps until something is ready. False where nothing can ever be.
    fn sleep(&self) -> bool {
        let waiting = self.waiting.borrow();
        if waiting.is_empty() {
            return false;
        }
        let pollables: Vec<&Pollable> = waiting.iter().map(|entry| &entry.pollable).collect();
        let ready = poll(&pollables);
        drop(pollables);
        drop(waiting);
        self.wake(|at, _| ready.contains(&(at as u32)));
        true
    }

    /// Sees what is ready by now.
    fn look(&self) {
        self.wake(|_, entry| entry.pollable.ready());
        self.yielded.take().into_iter().for_each(Waker::wake);
    }

    fn wake(&self, is_ready: impl Fn(usize, &Entry) -> bool) {
        let mut at = 0;
        self.waiting.borrow_mut().retain(|entry| {
            let ready = is_ready(at, entry);
            at += 1;
            if ready {
                entry.is_ready.set(true);
                entry.waker.take().into_iter().for_each(Waker::wake);
            }
            !ready
        });
    }
}

/// Runs a future, and all that is spawned meanwhile, until it is done. `None` where
/// it waits for something that cannot come.
pub(crate) fn block_on<T: 'static>(main: impl Future<Output = T> + 'static) -> Option<T> {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    REACTOR.with(|it| it.spawner.replace(Some(spawner.clone())));
    let done = Rc::new(Cell::new(None));
    let into = Rc::clone(&done);
    let main = async move { into.set(Some(main.await)) };
    let result = spawner.spawn_local(main).ok().and_then(|()| {
        loop {
            pool.run_until_stalled();
            if let Some(result) = done.take() {
                return Some(result);
            }
            let can_go_on = REACTOR.with(|it| {
                if it.yielded.borrow().is_empty() {
                    return it.sleep();
                }
                it.look();
                true
            });
            if !can_go_on {
                return None;
            }
        }
    });
    REACTOR.with(|it| it.spawner.replace(None));
    result
}

/// Runs a task beside the others, to its end or that of the program.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    #[cfg(feature = "wasip3")]
    if crate::component::is_running() {
        return crate::component::spawn(task);
    }
    let spawner = REACTOR.with(|it| it.spawner.borrow().clone());
    // Outside of `run` there is nothing that could run it.
    if let Some(spawner) = spawner {
        let _ = spawner.spawn_local(task);
    }
}

/// Lets all others have their turn: what came over the link in the meantime is
/// answered. For those who compute for long.
pub async fn yield_now() {
    struct Yield(bool);

    impl Future for Yield {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            #[cfg(feature = "wasip3")]
            if crate::component::is_running() {
                // Its next turn is after the host's.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            REACTOR.with(|it| it.yielded.borrow_mut().push(context.waker().clone()));
            Poll::Pending
        }
    }
    Yield(false).await;
}
