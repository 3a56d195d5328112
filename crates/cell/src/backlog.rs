//! What is sent over a link and not written yet.
//!
//! Cap'n Proto queues what it sends without a limit, so a guest that asks and reads
//! no answer would fill the host's memory. While more than [`MOST`] wait for it,
//! nothing is read from it; a guest that reads is never held up for longer than
//! that takes.
//!
//! Invariant: who is held up is woken when there is room again, and when the guest
//! is gone.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::{Context, Waker};

/// Bytes that may wait for a guest while more is read from it.
const MOST: u64 = 1 << 20;

/// How much waits.
pub(crate) struct Backlog {
    most: u64,
    sent: Cell<u64>,
    written: Cell<u64>,
    is_broken: Cell<bool>,
    held: RefCell<Option<Waker>>,
}

impl Backlog {
    /// Of a link to a guest.
    pub fn of_guest() -> Self {
        Self::up_to(MOST)
    }

    /// One that holds nobody up: of two ends that both did, each would wait for the
    /// other.
    #[cfg(feature = "network")]
    pub fn of_peer() -> Self {
        Self::up_to(u64::MAX)
    }

    fn up_to(most: u64) -> Self {
        Self {
            most,
            sent: Cell::default(),
            written: Cell::default(),
            is_broken: Cell::default(),
            held: RefCell::default(),
        }
    }

    /// Whether too much waits. Whoever asks is woken when it no longer does.
    pub fn is_full(&self, context: &Context<'_>) -> bool {
        let is_large = self.is_large();
        if is_large {
            self.held.replace(Some(context.waker().clone()));
        }
        is_large
    }

    fn is_large(&self) -> bool {
        !self.is_broken.get() && self.sent.get() - self.written.get() > self.most
    }

    /// So many bytes were sent. Returns where they end among all that are written.
    pub fn sent(&self, bytes: u64) -> u64 {
        self.sent.set(self.sent.get() + bytes);
        self.sent.get()
    }

    /// Something was written. Returns how many bytes that are in all.
    pub fn wrote(&self, wrote: &io::Result<usize>) -> u64 {
        match wrote {
            Ok(bytes) => self.written.set(self.written.get() + *bytes as u64),
            Err(_) => self.is_broken.set(true),
        }
        if !self.is_large() {
            self.held.take().into_iter().for_each(Waker::wake);
        }
        self.written.get()
    }
}
