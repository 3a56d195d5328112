//! What a process writes, for whoever reads it.
//!
//! Invariants: writing never waits; no more than [`KEPT`] bytes are held, of which
//! nobody reads the oldest are lost, and the next reader is told how many.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::Notify;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that are held of what nobody has read.
pub const KEPT: usize = 64 << 10;

/// The output of a process. Cloning shares it.
#[derive(Clone, Default)]
pub struct Output(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    lost: u64,
    is_closed: bool,
}

/// A part of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many before these were lost.
    pub lost: u64,
    /// Whether there will be no more.
    pub ended: bool,
}

impl Output {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) -> StreamResult<()> {
        let mut state = self.state();
        if state.is_closed {
            return Err(StreamError::Closed);
        }
        let newest = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (state.bytes.len() + newest.len()).saturating_sub(KEPT);
        state.bytes.drain(..excess);
        state.lost += (excess + bytes.len() - newest.len()) as u64;
        state.bytes.extend(newest);
        drop(state);
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Ends it. What is there can still be read.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.0.changed.notify_waiters();
    }

    /// Waits for something, and takes so many bytes at most.
    pub async fn read(&self, most: usize) -> Piece {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(piece) = self.take(most) {
                return piece;
            }
            changed.await;
        }
    }

    fn take(&self, most: usize) -> Option<Piece> {
        let mut state = self.state();
        if state.bytes.is_empty() && !state.is_closed {
            return None;
        }
        let taken = state.bytes.len().min(most);
        let bytes: Vec<u8> = state.bytes.drain(..taken).collect();
        if state.bytes.is_empty() {
            state.bytes.shrink_to(0);
        }
        Some(Piece {
            bytes,
            lost: std::mem::take(&mut state.lost),
            ended: state.is_closed && state.bytes.is_empty(),
        })
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.state().is_closed {
            true => Err(StreamError::Closed),
            false => Ok(KEPT),
        }
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let pushed = self.push(bytes).map(|()| bytes.len());
        Poll::Ready(pushed.map_err(|_| std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_what_nobody_reads_the_newest_is_kept_and_the_gap_is_told() {
        let output = Output::default();
        for byte in 0..3 {
            output.push(&vec![byte; KEPT / 2]).unwrap();
        }
        output.push(b"!").unwrap();
        let piece = output.read(usize::MAX).await;
        assert_eq!(piece.bytes.len(), KEPT);
        assert_eq!(piece.lost, KEPT as u64 / 2 + 1);
        assert!(!piece.ended);
        assert_eq!(piece.bytes.last(), Some(&b'!'));
        output.push(b"more").unwrap();
        assert_eq!(output.read(usize::MAX).await.lost, 0);
    }

    #[tokio::test]
    async fn who_reads_waits_for_bytes_and_for_the_end() {
        let output = Output::default();
        let (piece, ()) = tokio::join!(output.read(10), async {
            output.push(b"hello").unwrap();
        });
        assert_eq!((&*piece.bytes, piece.ended), (&b"hello"[..], false));
        let (piece, ()) = tokio::join!(output.read(10), async { output.close() });
        assert!(piece.ended && piece.bytes.is_empty());
    }
}
