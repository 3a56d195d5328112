//! A connection: a stream of bytes out of the sandbox and one into it.
//!
//! Invariants: at most one read and one write are under way; each is a future
//! that owns its end of the stream and its buffer of 256 KiB, so dropping the
//! future of a caller loses no bytes.

use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::LocalBoxFuture;
use futures::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use wasip3::sockets::types::TcpSocket;
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

/// Bytes that a read or a write takes at most.
const BUFFER: usize = 256 << 10;

/// How a direction of the connection ended.
pub(super) type Ending = LocalBoxFuture<'static, IoResult<()>>;

/// A connection to somebody outside.
///
/// A write is under way when `poll_write` returns, and is not waited for but
/// by the next one or by a flush. Closing sends what was written and then says
/// that nothing follows; dropping may lose what was not flushed.
pub struct Connection {
    reading: Reading,
    /// What was read and not yet handed out: `buffer[taken..]`.
    buffer: Vec<u8>,
    taken: usize,
    writing: Writing,
    // Dropped after the streams that came of it.
    _socket: Option<TcpSocket>,
}

/// What comes in.
struct Incoming {
    bytes: StreamReader<u8>,
    ending: Ending,
}

/// What goes out.
struct Outgoing {
    bytes: StreamWriter<u8>,
    ending: Ending,
    buffer: Vec<u8>,
}

enum Reading {
    /// Nothing is under way.
    Idle(Incoming),
    /// The next bytes.
    Busy(LocalBoxFuture<'static, IoResult<(Option<Incoming>, Vec<u8>)>>),
    /// The other side has said that nothing follows, or the connection broke.
    Ended,
}

enum Writing {
    /// Nothing is under way.
    Idle(Outgoing),
    /// The last bytes taken.
    Busy(LocalBoxFuture<'static, IoResult<Outgoing>>),
    /// The outcome of all that was sent.
    Closing(LocalBoxFuture<'static, IoResult<()>>),
    /// Nothing can be written any more.
    Ended,
}

impl Connection {
    /// A connection of two streams, each with the future of its ending, and of
    /// the socket that has to outlive them, where there is one.
    pub(super) fn new(
        (incoming, received): (StreamReader<u8>, Ending),
        (outgoing, sent): (StreamWriter<u8>, Ending),
        socket: Option<TcpSocket>,
    ) -> Self {
        Self {
            reading: Reading::Idle(Incoming {
                bytes: incoming,
                ending: received,
            }),
            buffer: Vec::with_capacity(BUFFER),
            taken: 0,
            writing: Writing::Idle(Outgoing {
                bytes: outgoing,
                ending: sent,
                buffer: Vec::with_capacity(BUFFER),
            }),
            _socket: socket,
        }
    }

    /// Waits until no write is under way.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        if let Writing::Busy(future) = &mut self.writing {
            match ready!(future.as_mut().poll(cx)) {
                Ok(outgoing) => self.writing = Writing::Idle(outgoing),
                Err(error) => {
                    self.writing = Writing::Ended;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Incoming {
    /// Reads into the empty buffer. Without itself in the answer, the stream
    /// has ended.
    async fn receive(mut self, mut buffer: Vec<u8>) -> IoResult<(Option<Self>, Vec<u8>)> {
        loop {
            let result;
            (result, buffer) = self.bytes.read(buffer).await;
            if !buffer.is_empty() {
                return Ok((Some(self), buffer));
            }
            if result == StreamResult::Dropped {
                self.ending.await?;
                return Ok((None, buffer));
            }
        }
    }
}

impl Outgoing {
    /// Writes all of the buffer.
    async fn send(mut self) -> IoResult<Self> {
        self.buffer = self.bytes.write_all(self.buffer).await;
        if self.buffer.is_empty() {
            return Ok(self);
        }
        drop(self.bytes);
        self.ending.await?;
        let message = "the other side reads no more";
        Err(IoError::new(ErrorKind::BrokenPipe, message))
    }
}

impl AsyncBufRead for Connection {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<&[u8]>> {
        let this = self.get_mut();
        while this.taken == this.buffer.len() {
            match std::mem::replace(&mut this.reading, Reading::Ended) {
                Reading::Idle(incoming) => {
                    let mut buffer = std::mem::take(&mut this.buffer);
                    buffer.clear();
                    this.taken = 0;
                    this.reading = Reading::Busy(Box::pin(incoming.receive(buffer)));
                }
                Reading::Busy(mut future) => match future.as_mut().poll(cx) {
                    Poll::Pending => {
                        this.reading = Reading::Busy(future);
                        return Poll::Pending;
                    }
                    Poll::Ready(outcome) => {
                        let (incoming, bytes) = outcome?;
                        this.reading = incoming.map_or(Reading::Ended, Reading::Idle);
                        this.buffer = bytes;
                    }
                },
                Reading::Ended => break,
            }
        }
        Poll::Ready(Ok(&this.buffer[this.taken..]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.taken = (this.taken + amount).min(this.buffer.len());
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<IoResult<usize>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = bytes.len().min(into.len());
        into[..amount].copy_from_slice(&bytes[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(amount))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<IoResult<usize>> {
        let this = self.get_mut();
        ready!(this.poll_written(cx))?;
        match std::mem::replace(&mut this.writing, Writing::Ended) {
            Writing::Idle(mut outgoing) => {
                let amount = bytes.len().min(BUFFER);
                outgoing.buffer.clear();
                outgoing.buffer.extend_from_slice(&bytes[..amount]);
                this.writing = Writing::Busy(Box::pin(outgoing.send()));
                // Begins the write. What comes of it is told to the next call.
                if let Poll::Ready(Err(error)) = this.poll_written(cx) {
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(amount))
            }
            ended => {
                this.writing = ended;
                Poll::Ready(Err(IoError::new(
                    ErrorKind::NotConnected,
                    "nothing more can be sent",
                )))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        self.get_mut().poll_written(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        let this = self.get_mut();
        ready!(this.poll_written(cx))?;
        this.writing = match std::mem::replace(&mut this.writing, Writing::Ended) {
            Writing::Idle(outgoing) => {
                drop(outgoing.bytes);
                Writing::Closing(outgoing.ending)
            }
            other => other,
        };
        if let Writing::Closing(future) = &mut this.writing {
            let outcome = ready!(future.as_mut().poll(cx));
            this.writing = Writing::Ended;
            return Poll::Ready(outcome);
        }
        Poll::Ready(Ok(()))
    }
}
