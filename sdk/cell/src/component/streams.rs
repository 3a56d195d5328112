//! The two halves of the link as streams of futures, over streams of the component
//! model.
//!
//! Invariants: each half has one operation under way at most, a future that owns
//! the half and its buffer, so that no byte is lost with whoever gives up; what is
//! gathered to be written is a piece at most.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::future::LocalBoxFuture;
use futures::io::{AsyncRead, AsyncWrite};
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

use super::bindings::vesicle::cell::async_streams::Connection;

/// Bytes that are asked for at once, and gathered before they are written.
const PIECE: usize = 64 << 10;

/// What comes from the host.
pub(super) struct Input {
    bytes: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    reading: Reading,
}

enum Reading {
    Idle(StreamReader<u8>),
    Busy(LocalBoxFuture<'static, (Option<StreamReader<u8>>, Vec<u8>)>),
    Ended,
}

/// What goes to the host. Cloning shares it.
#[derive(Clone)]
pub(super) struct Output(Rc<RefCell<Outgoing>>);

struct Outgoing {
    bytes: Vec<u8>,
    writing: Writing,
    /// Gone after the stream.
    connection: Rc<Connection>,
}

enum Writing {
    Idle(StreamWriter<u8>, Vec<u8>),
    Busy(LocalBoxFuture<'static, (StreamWriter<u8>, Vec<u8>)>),
    /// The host reads no more.
    Broken,
}

impl Input {
    pub fn new(stream: StreamReader<u8>) -> Self {
        Self {
            bytes: Vec::new(),
            taken: 0,
            reading: Reading::Idle(stream),
        }
    }
}

/// Reads something. Without the stream in the answer, it has ended.
async fn read(
    mut stream: StreamReader<u8>,
    mut bytes: Vec<u8>,
) -> (Option<StreamReader<u8>>, Vec<u8>) {
    bytes.clear();
    bytes.reserve(PIECE);
    loop {
        let result;
        (result, bytes) = stream.read(bytes).await;
        match (bytes.is_empty(), result) {
            (false, _) => return (Some(stream), bytes),
            (true, StreamResult::Dropped) => return (None, bytes),
            (true, _) => {}
        }
    }
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        while self.taken == self.bytes.len() {
            match std::mem::replace(&mut self.reading, Reading::Ended) {
                Reading::Idle(stream) => {
                    let bytes = std::mem::take(&mut self.bytes);
                    self.taken = 0;
                    self.reading = Reading::Busy(Box::pin(read(stream, bytes)));
                }
                Reading::Busy(mut busy) => match busy.as_mut().poll(context) {
                    Poll::Pending => {
                        self.reading = Reading::Busy(busy);
                        return Poll::Pending;
                    }
                    Poll::Ready((stream, bytes)) => {
                        self.reading = stream.map_or(Reading::Ended, Reading::Idle);
                        self.bytes = bytes;
                    }
                },
                Reading::Ended => return Poll::Ready(Ok(0)),
            }
        }
        let left = &self.bytes[self.taken..];
        let taken = left.len().min(into.len());
        into[..taken].copy_from_slice(&left[..taken]);
        self.taken += taken;
        Poll::Ready(Ok(taken))
    }
}

impl Output {
    pub fn new(stream: StreamWriter<u8>, connection: Rc<Connection>) -> Self {
        Self(Rc::new(RefCell::new(Outgoing {
            bytes: Vec::new(),
            writing: Writing::Idle(stream, Vec::new()),
            connection,
        })))
    }

    /// Whether there is anything that the host has not read.
    pub fn is_stuck(&self) -> bool {
        let out = self.0.borrow();
        let is_under_way = matches!(out.writing, Writing::Busy(_));
        is_under_way || !out.bytes.is_empty() || out.connection.unread() > 0
    }
}

impl Outgoing {
    /// Gives the host what there is, as it has room.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match std::mem::replace(&mut self.writing, Writing::Broken) {
                Writing::Idle(stream, spare) if self.bytes.is_empty() => {
                    self.writing = Writing::Idle(stream, spare);
                    return Poll::Ready(Ok(()));
                }
                Writing::Idle(mut stream, spare) => {
                    let bytes = std::mem::replace(&mut self.bytes, spare);
                    self.writing = Writing::Busy(Box::pin(async move {
                        let left = stream.write_all(bytes).await;
                        (stream, left)
                    }));
                }
                Writing::Busy(mut busy) => match busy.as_mut().poll(context) {
                    Poll::Pending => {
                        self.writing = Writing::Busy(busy);
                        return Poll::Pending;
                    }
                    Poll::Ready((stream, left)) if left.is_empty() => {
                        self.writing = Writing::Idle(stream, left);
                    }
                    // What is left was not taken, and will not be.
                    Poll::Ready(_) => {}
                },
                Writing::Broken => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut out = self.0.borrow_mut();
        if out.bytes.len() >= PIECE {
            ready!(out.poll_drain(context))?;
        }
        let taken = bytes.len().min(PIECE - out.bytes.len());
        out.bytes.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_drain(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
