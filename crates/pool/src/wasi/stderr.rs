//! What a guest writes to its standard output and error.
//!
//! Invariant: writing never blocks the guest and never grows without bound;
//! the newest [`KEPT`] bytes are kept, and a gap is marked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// How many bytes are kept.
const KEPT: usize = 16 << 10;

/// The tail of a guest's output. Cloning shares it.
#[derive(Clone)]
pub struct Stderr {
    component: Arc<str>,
    tail: Arc<Mutex<Tail>>,
}

#[derive(Default)]
struct Tail {
    bytes: VecDeque<u8>,
    lost: u64,
}

impl Stderr {
    pub(super) fn new(component: &str) -> Self {
        Self {
            component: component.into(),
            tail: Arc::default(),
        }
    }

    /// The newest output, as text. What is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = tail.lost;
        let text = String::from_utf8_lossy(tail.bytes.make_contiguous()).into_owned();
        if lost > 0 {
            format!("[{lost} bytes before this were not kept]\n{text}")
        } else {
            text
        }
    }

    fn push(&self, bytes: &[u8]) {
        tracing::debug!(component = &*self.component, output = %String::from_utf8_lossy(bytes).trim_end());
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (tail.bytes.len() + newest.len()).saturating_sub(KEPT);
        tail.bytes.drain(..excess);
        tail.lost += (excess + bytes.len() - newest.len()) as u64;
        tail.bytes.extend(newest);
    }
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stderr {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(KEPT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stderr {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.push(bytes);
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chatty_guest_keeps_its_newest_words_and_a_marked_gap() {
        let stderr = Stderr::new("x");
        stderr.push(b"first");
        stderr.push(&vec![b'.'; KEPT]);
        stderr.push(b"last");
        let text = stderr.text();
        assert!(
            text.starts_with("[9 bytes before this were not kept]\n"),
            "{}",
            &text[..60]
        );
        assert!(text.ends_with("last"));
    }
}
