//! Bytes of the link, in pieces: what came and is taken bit by bit, and what is
//! gathered before it goes.
//!
//! Invariant: no more is gathered than a piece.

use std::cell::{Ref, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::io::AsyncWrite;

/// Bytes that are asked for at once, and gathered before they are written.
pub(crate) const PIECE: usize = 64 << 10;

/// What came and was not taken yet.
#[derive(Default)]
pub(crate) struct Came {
    bytes: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
}

impl Came {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, taken: 0 }
    }

    /// Its memory, for the next piece.
    #[cfg(feature = "wasip3")]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether all was taken.
    pub fn is_taken(&self) -> bool {
        self.taken == self.bytes.len()
    }

    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let left = &self.bytes[self.taken..];
        let taken = left.len().min(into.len());
        into[..taken].copy_from_slice(&left[..taken]);
        self.taken += taken;
        taken
    }
}

/// Where what is gathered goes.
pub(crate) trait Drain {
    /// What was gathered and did not go yet.
    fn gathered(&mut self) -> &mut Vec<u8>;

    /// Lets it go as there is room.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// What is written, gathered. Cloning shares it.
pub(crate) struct Gather<D>(Rc<RefCell<D>>);

impl<D> Gather<D> {
    pub fn new(drain: D) -> Self {
        Self(Rc::new(RefCell::new(drain)))
    }

    pub fn drain(&self) -> Ref<'_, D> {
        self.0.borrow()
    }
}

impl<D> Clone for Gather<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<D: Drain> AsyncWrite for Gather<D> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut drain = self.0.borrow_mut();
        if drain.gathered().len() >= PIECE {
            ready!(drain.poll_drain(context))?;
        }
        let taken = bytes.len().min(PIECE - drain.gathered().len());
        drain.gathered().extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_drain(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
