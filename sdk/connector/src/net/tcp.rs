//! A TCP connection over WASI 0.3's streams.
//!
//! Invariants: at most one read and one write are under way; each is a future
//! that owns its end of the stream and its buffer of 256 KiB, so dropping the
//! future of a caller loses no bytes.

use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::LocalBoxFuture;
use futures::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use wasip3::sockets::types::{ErrorCode, IpAddressFamily, TcpSocket};
use wasip3::wit_stream;
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use super::{address_out, io_error, resolve};
use crate::error::{Error, Result};

/// Bytes that a read or a write takes at most.
const BUFFER: usize = 256 << 10;

/// How a direction of the connection ended.
type Ending = FutureReader<Result<(), ErrorCode>>;

/// A TCP connection.
///
/// A write is under way when `poll_write` returns, and is not waited for but
/// by the next one or by a flush. Closing sends what was written and then says
/// that nothing follows; dropping may lose what was not flushed.
pub struct TcpStream {
    reading: Reading,
    /// What was read and not yet handed out: `buffer[taken..]`.
    buffer: Vec<u8>,
    taken: usize,
    writing: Writing,
    // Dropped after the streams that came of it.
    _socket: TcpSocket,
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

impl TcpStream {
    /// Connects to a host, trying its addresses in their order.
    ///
    /// # Errors
    ///
    /// `permission` if the connector may not connect there, `not-found` if
    /// there is no such host, `unavailable` if it refuses or cannot be reached.
    pub async fn connect(host: &str, port: u16) -> Result<Self> {
        let place = format!("{host}:{port}");
        let nowhere = || Error::not_found("no-such-host", "the host has no address");
        let mut failure = nowhere();
        for address in resolve(host).await? {
            match Self::connect_to(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(stream),
                Err(code) => failure = Error::from(io_error(code)),
            }
        }
        Err(failure.context(place))
    }

    async fn connect_to(address: SocketAddr) -> Result<Self, ErrorCode> {
        let family = match address {
            SocketAddr::V4(_) => IpAddressFamily::Ipv4,
            SocketAddr::V6(_) => IpAddressFamily::Ipv6,
        };
        let socket = TcpSocket::create(family)?;
        socket.connect(address_out(address)).await?;
        let (reader, received) = socket.receive();
        let (writer, outgoing) = wit_stream::new::<u8>();
        let sent = socket.send(outgoing);
        Ok(Self {
            reading: Reading::Idle(Incoming {
                bytes: reader,
                ending: received,
            }),
            buffer: Vec::with_capacity(BUFFER),
            taken: 0,
            writing: Writing::Idle(Outgoing {
                bytes: writer,
                ending: sent,
                buffer: Vec::with_capacity(BUFFER),
            }),
            _socket: socket,
        })
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
                self.ending.await.map_err(io_error)?;
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
        self.ending.await.map_err(io_error)?;
        let message = "the other side reads no more";
        Err(IoError::new(ErrorKind::BrokenPipe, message))
    }
}

impl AsyncBufRead for TcpStream {
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

impl AsyncRead for TcpStream {
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

impl AsyncWrite for TcpStream {
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
                let ending = outgoing.ending;
                Writing::Closing(Box::pin(async { ending.await.map_err(io_error) }))
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
