//! Bytes both ways, as they are.
//!
//! Invariants: what one side sends, the other gets, whole and in order, or the
//! session ends; a side that does not read stops the other from being read; no
//! more is held than one buffer for each direction.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{Category, Error};
use crate::gather::{Gather, Gathering};

/// What is held for each direction: as much as sockets hold, so that a fast
/// side is not stopped for nothing.
const BUFFER: usize = 256 * 1024;

/// What is worth to be written at once. TLS hands out 16 KiB at a time, and the
/// guest's side is better off with more; while more than this is collected, the
/// other side waits for nothing.
const ENOUGH: usize = 64 * 1024;

/// How many buffers may go by before others get a turn.
const TURN: usize = 16;

/// How much went through a session after sign-in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from the guest to the server.
    pub to_server: u64,
    /// Bytes from the server to the guest.
    pub to_guest: u64,
}

/// Passes bytes until the server has ended, or the guest is gone.
///
/// A guest that only stops sending still gets what the server has to say. A
/// server that stops sending has ended: PostgreSQL knows nothing in between.
pub(crate) async fn relay(
    mut guest: impl AsyncRead + AsyncWrite + Unpin,
    mut server: impl AsyncRead + AsyncWrite + Gather + Unpin,
    place: &str,
) -> Result<Traffic, Error> {
    let mut up = Direction::new();
    let mut down = Direction::new();
    let mut gathering = Gathering::new();
    let mut hears = true;
    let ended = std::future::poll_fn(|context| {
        let (mut guest, mut server) = (Pin::new(&mut guest), Pin::new(&mut server));
        match down.poll(context, server.as_mut(), guest.as_mut()) {
            Poll::Ready(Ok(()) | Err(Broken::Sink)) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(Broken::Source(error))) => return Poll::Ready(Err(error)),
            Poll::Pending => {}
        }
        if hears {
            match up.poll(context, guest, server.as_mut()) {
                Poll::Ready(Err(Broken::Source(_))) => return Poll::Ready(Ok(())),
                // The server was told that the guest ended, or can be told
                // nothing any more. Either way it ends soon, and may say why.
                Poll::Ready(Ok(()) | Err(Broken::Sink)) => hears = false,
                Poll::Pending => {}
            }
        }
        gathering.poll(context, &*server, down.passed, up.passed);
        Poll::Pending
    });
    match ended.await {
        Ok(()) => Ok(Traffic {
            to_server: up.passed,
            to_guest: down.passed,
        }),
        Err(error) => Err(Error::passing(
            Category::Unavailable,
            "connection-lost",
            place,
            format!("the connection with the server was lost ({error})"),
        )),
    }
}

/// Which side of a direction does not work any more.
enum Broken {
    Source(io::Error),
    Sink,
}

/// One direction. What is in the buffer between `start` and `end` was read and
/// is not written yet.
struct Direction {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    passed: u64,
    has_ended: bool,
}

impl Direction {
    fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            passed: 0,
            has_ended: false,
        }
    }

    /// Passes on what there is; ready once the source has ended and the sink
    /// was told.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        mut source: Pin<&mut impl AsyncRead>,
        mut sink: Pin<&mut impl AsyncWrite>,
    ) -> Poll<Result<(), Broken>> {
        for _ in 0..TURN {
            let filled = self.fill(context, source.as_mut());
            ready!(self.drain(context, sink.as_mut()))?;
            match filled {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Source(error))),
                Poll::Ready(Ok(())) if self.has_ended => {
                    return sink.poll_shutdown(context).map_err(|_| Broken::Sink);
                }
                Poll::Ready(Ok(())) => {}
                Poll::Pending => {
                    ready!(sink.poll_flush(context)).map_err(|_| Broken::Sink)?;
                    return Poll::Pending;
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads until there is enough, nothing more now, or nothing more at all.
    fn fill(
        &mut self,
        context: &mut Context<'_>,
        mut source: Pin<&mut impl AsyncRead>,
    ) -> Poll<io::Result<()>> {
        while !self.has_ended && self.end < ENOUGH {
            let mut room = ReadBuf::new(&mut self.buffer[self.end..]);
            ready!(source.as_mut().poll_read(context, &mut room))?;
            let read = room.filled().len();
            self.end += read;
            self.has_ended = read == 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all that was read.
    fn drain(
        &mut self,
        context: &mut Context<'_>,
        mut sink: Pin<&mut impl AsyncWrite>,
    ) -> Poll<Result<(), Broken>> {
        while self.start < self.end {
            let waiting = &self.buffer[self.start..self.end];
            match ready!(sink.as_mut().poll_write(context, waiting)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Broken::Sink)),
                Ok(written) => {
                    self.start += written;
                    self.passed += written as u64;
                }
            }
        }
        (self.start, self.end) = (0, 0);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    impl Gather for DuplexStream {
        fn wake_at(&self, _: usize) {}
    }

    #[tokio::test]
    async fn a_guest_that_stops_sending_still_gets_the_answer() {
        let (mut guest, inner) = duplex(1000);
        let (mut server, outer) = duplex(1000);
        let relaying = tokio::spawn(async move { relay(inner, outer, "x").await });
        guest.write_all(b"question").await.unwrap();
        guest.shutdown().await.unwrap();
        let mut question = String::new();
        server.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = String::new();
        guest.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        let traffic = relaying.await.unwrap().unwrap();
        assert_eq!((traffic.to_server, traffic.to_guest), (8, 6));
    }

    #[tokio::test]
    async fn a_server_that_ends_ends_the_session_of_a_guest_that_says_nothing() {
        let (_guest, inner) = duplex(1000);
        let (server, outer) = duplex(1000);
        drop(server);
        let ended = tokio::time::timeout(Duration::from_secs(5), relay(inner, outer, "x")).await;
        assert_eq!(ended.unwrap().unwrap(), Traffic::default());
    }

    #[tokio::test]
    async fn a_guest_that_does_not_read_stops_the_server() {
        let (mut guest, inner) = duplex(1000);
        let (mut server, outer) = duplex(1000);
        tokio::spawn(async move { relay(inner, outer, "x").await });
        let mut sent = 0;
        let chunk = [7; 1000];
        while tokio::time::timeout(Duration::from_millis(200), server.write_all(&chunk))
            .await
            .is_ok()
        {
            sent += chunk.len();
            assert!(sent < 2 * BUFFER, "{sent}");
        }
        // The other direction is not held up by it.
        guest.write_all(b"more").await.unwrap();
        let mut more = [0; 4];
        server.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
        drop(server);
        let mut all = Vec::new();
        guest.read_to_end(&mut all).await.unwrap();
        assert!(all.len() >= sent, "{} of {sent}", all.len());
    }
}
