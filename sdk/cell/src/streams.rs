//! The two halves of the link as streams of futures.
//!
//! Invariants: no read waits while there are bytes; no more is written than the
//! host has said there is room for; a half's pollable is gone before the half.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::io::AsyncRead;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::pieces::{Came, Drain, Gather, PIECE};
use crate::reactor::Source;

/// What comes from the host.
pub(crate) struct Input {
    came: Came,
    /// Whether there were no more when they came.
    is_dry: bool,
    source: Source,
    stream: InputStream,
}

/// What goes to the host. Cloning shares it.
pub(crate) type Output = Gather<Outgoing>;

pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    /// How much the host still takes.
    room: usize,
    /// How much it takes while nothing waits for it.
    all: usize,
    source: Source,
    stream: OutputStream,
}

impl Input {
    pub fn new(stream: InputStream) -> Self {
        Self {
            came: Came::default(),
            is_dry: false,
            source: Source::new(stream.subscribe()),
            stream,
        }
    }
}

impl Outgoing {
    pub fn new(stream: OutputStream) -> Self {
        // Nothing was written yet.
        let all = stream.check_write().unwrap_or_default();
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        Self {
            bytes: Vec::new(),
            room: all,
            all,
            source: Source::new(stream.subscribe()),
            stream,
        }
    }

    /// Whether there is anything that the host has not read.
    pub fn is_stuck(&self) -> bool {
        let is_read = |room| usize::try_from(room).is_ok_and(|room| room >= self.all);
        !self.bytes.is_empty() || !self.stream.check_write().is_ok_and(is_read)
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        while self.came.is_taken() {
            if self.is_dry {
                ready!(self.source.poll_ready(context));
            }
            match self.stream.read(PIECE as u64) {
                Ok(bytes) => {
                    // What was less than asked for was all there was.
                    self.is_dry = bytes.len() < PIECE;
                    self.came = Came::new(bytes);
                }
                Err(StreamError::Closed) => return Poll::Ready(Ok(0)),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Poll::Ready(Err(io::Error::other(error.to_debug_string())));
                }
            }
        }
        Poll::Ready(Ok(self.came.take(into)))
    }
}

impl Drain for Outgoing {
    fn gathered(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let drained = loop {
            if sent == self.bytes.len() {
                break Poll::Ready(Ok(()));
            }
            if self.room == 0 {
                match self.stream.check_write() {
                    Ok(0) => match self.source.poll_ready(context) {
                        Poll::Ready(()) => continue,
                        Poll::Pending => break Poll::Pending,
                    },
                    Ok(room) => self.room = usize::try_from(room).unwrap_or(usize::MAX),
                    Err(error) => break Poll::Ready(Err(broken(&error))),
                }
            }
            let end = self.bytes.len().min(sent + self.room);
            let written = self.stream.write(&self.bytes[sent..end]);
            if let Err(error) = written {
                break Poll::Ready(Err(broken(&error)));
            }
            self.room -= end - sent;
            sent = end;
        };
        self.bytes.drain(..sent);
        drained
    }
}

fn broken(error: &StreamError) -> io::Error {
    match error {
        StreamError::Closed => io::ErrorKind::BrokenPipe.into(),
        StreamError::LastOperationFailed(error) => io::Error::other(error.to_debug_string()),
    }
}
