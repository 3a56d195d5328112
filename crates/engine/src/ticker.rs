//! The thread that advances the epoch while guests run.
//!
//! Invariants: while at least one guest is being polled the epoch advances
//! every [`TICK`]; once none has been for [`LINGER`] ticks the thread sleeps
//! and costs nothing.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often a computing guest is made to give way.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// For how many ticks without a running guest the thread stays awake, so that
/// short calls in a row do not pay for waking it.
const LINGER: u32 = 10;

#[derive(Default)]
struct Shared {
    /// How many guests are being polled at this moment.
    running: AtomicUsize,
    /// How often one began to be polled; tells activity between two ticks.
    starts: AtomicUsize,
    asleep: AtomicBool,
    engines: Mutex<Vec<EngineWeak>>,
}

/// Advances the epoch of all engines it was given.
#[derive(Clone)]
pub(crate) struct Ticker(Arc<Owner>);

/// Keeps the thread alive; the thread itself holds [`Shared`] weakly.
struct Owner {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let weak = Arc::downgrade(&shared);
        let thread = std::thread::Builder::new()
            .name("vesicle-epoch".into())
            .spawn(move || tick(&weak))?
            .thread()
            .clone();
        Ok(Self(Arc::new(Owner { shared, thread })))
    }

    pub fn add(&self, engine: EngineWeak) {
        self.0
            .shared
            .engines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(engine);
    }

    /// Marks a guest as running until the guard is dropped.
    pub fn running(&self) -> Running<'_> {
        let Owner { shared, thread } = &*self.0;
        shared.running.fetch_add(1, Ordering::SeqCst);
        shared.starts.fetch_add(1, Ordering::Relaxed);
        if shared.asleep.load(Ordering::SeqCst) {
            thread.unpark();
        }
        Running(shared)
    }

    /// Marks a guest as running whenever `future` is polled.
    pub fn watch<F: Future>(&self, future: F) -> Watched<F> {
        Watched {
            ticker: self.clone(),
            future,
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Wakes the thread so that it sees the last owner leave.
        self.thread.unpark();
    }
}

/// A guest is running while this lives.
pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    /// Whether this thread is polling a guest's future.
    static IS_POLLED: Cell<bool> = const { Cell::new(false) };
}

/// This thread is polling a guest's future while this lives.
struct Polled;

impl Polled {
    fn begin() -> Self {
        IS_POLLED.set(true);
        Self
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        IS_POLLED.set(false);
    }
}

/// A future of guest code, watched by the ticker.
pub(crate) struct Watched<F> {
    ticker: Ticker,
    future: F,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned structurally: it is never moved out of
        // `self`, `Watched` has no `Drop` of its own, and `ticker` is not pinned.
        let (ticker, future) = unsafe {
            let this = self.get_unchecked_mut();
            (&this.ticker, Pin::new_unchecked(&mut this.future))
        };
        if IS_POLLED.get() {
            // By one whose guest is running for as long as this one is.
            return future.poll(context);
        }
        let _running = ticker.running();
        let _polled = Polled::begin();
        future.poll(context)
    }
}

fn tick(shared: &Weak<Shared>) {
    let mut quiet = 0;
    let mut seen = 0;
    loop {
        std::thread::sleep(TICK);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let starts = shared.starts.load(Ordering::Relaxed);
        if shared.running.load(Ordering::SeqCst) > 0 || starts != seen {
            seen = starts;
            quiet = 0;
        } else {
            quiet += 1;
        }
        {
            let mut engines = shared
                .engines
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            engines.retain(|engine| match engine.upgrade() {
                Some(engine) => {
                    engine.increment_epoch();
                    true
                }
                None => false,
            });
        }
        if quiet >= LINGER {
            shared.asleep.store(true, Ordering::SeqCst);
            // A guest that began after the store sees `asleep` and unparks; one
            // that began before it is seen here.
            if shared.running.load(Ordering::SeqCst) == 0 {
                let weak = Arc::downgrade(&shared);
                drop(shared);
                std::thread::park();
                let Some(shared) = weak.upgrade() else { return };
                shared.asleep.store(false, Ordering::SeqCst);
            } else {
                shared.asleep.store(false, Ordering::SeqCst);
            }
            quiet = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_sleeps_while_no_guest_runs_and_wakes_for_the_next() {
        let ticker = Ticker::start().unwrap();
        let asleep = |want: bool| {
            for _ in 0..300 {
                if ticker.0.shared.asleep.load(Ordering::SeqCst) == want {
                    return true;
                }
                std::thread::sleep(TICK);
            }
            false
        };
        assert!(asleep(true), "it falls asleep");
        let running = ticker.running();
        assert!(asleep(false), "it wakes");
        drop(running);
        assert!(asleep(true), "and falls asleep again");
    }
}
