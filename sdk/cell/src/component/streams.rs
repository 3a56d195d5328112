//! The two halves of the link as streams of futures, over streams of the component
//! model.
//!
//! Invariants: each half has one operation under way at most, a future that owns
//! the half and its buffer, so that no byte is lost with whoever gives up; what is
//! gathered to be written is a piece at most.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::future::LocalBoxFuture;
use futures::io::AsyncRead;
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

use super::bindings::vesicle::cell::async_streams::Connection;
use crate::pieces::{Came, Drain, Gather, PIECE};

/// What comes from the host.
pub(super) struct Input {
    came: Came,
    reading: Reading,
}

enum Reading {
    Idle(StreamReader<u8>),
    Busy(LocalBoxFuture<'static, (Option<StreamReader<u8>>, Vec<u8>)>),
    Ended,
}

/// What goes to the host. Cloning shares it.
pub(super) type Output = Gather<Outgoing>;

pub(crate) struct Outgoing {
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
            came: Came::default(),
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
        while self.came.is_taken() {
            match std::mem::replace(&mut self.reading, Reading::Ended) {
                Reading::Idle(stream) => {
                    let spare = std::mem::take(&mut self.came).into_bytes();
                    self.reading = Reading::Busy(Box::pin(read(stream, spare)));
                }
                Reading::Busy(mut busy) => match busy.as_mut().poll(context) {
                    Poll::Pending => {
                        self.reading = Reading::Busy(busy);
                        return Poll::Pending;
                    }
                    Poll::Ready((stream, bytes)) => {
                        self.reading = stream.map_or(Reading::Ended, Reading::Idle);
                        self.came = Came::new(bytes);
                    }
                },
                Reading::Ended => return Poll::Ready(Ok(0)),
            }
        }
        Poll::Ready(Ok(self.came.take(into)))
    }
}

impl Outgoing {
    pub fn new(stream: StreamWriter<u8>, connection: Rc<Connection>) -> Self {
        Self {
            bytes: Vec::new(),
            writing: Writing::Idle(stream, Vec::new()),
            connection,
        }
    }

    /// Whether there is anything that the host has not read.
    pub fn is_stuck(&self) -> bool {
        let is_under_way = matches!(self.writing, Writing::Busy(_));
        is_under_way || !self.bytes.is_empty() || self.connection.unread() > 0
    }
}

impl Drain for Outgoing {
    fn gathered(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

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
