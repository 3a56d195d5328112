//! One way of bytes between two ends, in memory.
//!
//! Whoever writes waits for room, whoever reads waits for bytes; both learn when
//! the other end is gone. A guest's end is a stream of WASI, the host's an
//! [`AsyncRead`] or [`AsyncWrite`].
//!
//! Invariants: no more than [`ROOM`] bytes are held; a write never takes more than
//! there is room for, and a read never waits while there are bytes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that a pipe holds.
pub const ROOM: usize = 64 << 10;
/// What an empty pipe keeps of its memory.
const KEPT: usize = 1 << 10;

/// Makes a pipe, and returns its two ends.
#[must_use]
pub fn pipe() -> (Writer, Reader) {
    let pipe = Arc::new(Pipe::default());
    (Writer(Arc::clone(&pipe)), Reader(pipe))
}

#[derive(Default)]
struct Pipe(Mutex<State>);

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    is_closed: bool,
    is_abandoned: bool,
    /// Who waits for bytes.
    readers: Waiting,
    /// Who waits for room.
    writers: Waiting,
    written: u64,
    read: u64,
}

/// Those to be woken. A guest may wait for one stream several times.
#[derive(Default)]
struct Waiting(Vec<Waker>);

impl Waiting {
    fn add(&mut self, context: &Context<'_>) {
        if !self.0.iter().any(|known| known.will_wake(context.waker())) {
            self.0.push(context.waker().clone());
        }
    }

    fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn room(&self) -> usize {
        ROOM - self.bytes.len()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.written += bytes.len() as u64;
        self.readers.wake();
    }

    fn poll_room(&mut self, context: &Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_abandoned || self.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match self.room() {
            0 => {
                self.writers.add(context);
                Poll::Pending
            }
            room => Poll::Ready(Ok(room)),
        }
    }

    /// Waits for bytes, or for the end.
    fn poll_bytes(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.bytes.is_empty() && !self.is_closed {
            self.readers.add(context);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Takes bytes out, of which there are so many.
    fn take(&mut self, into: &mut [u8]) {
        let (front, back) = self.bytes.as_slices();
        let first = front.len().min(into.len());
        into[..first].copy_from_slice(&front[..first]);
        let second = into.len() - first;
        into[first..].copy_from_slice(&back[..second]);
        self.bytes.drain(..into.len());
        self.read += into.len() as u64;
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes.shrink_to(KEPT);
        }
        self.writers.wake();
    }
}

/// How far a pipe has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes written to it.
    pub written: u64,
    /// Bytes read from it.
    pub read: u64,
}

impl Progress {
    /// Bytes that nobody has read yet.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.written - self.read
    }
}

/// The end that writes. Dropping it closes the pipe.
pub struct Writer(Arc<Pipe>);

/// The end that reads. Dropping it breaks the pipe for who writes.
pub struct Reader(Arc<Pipe>);

/// Looks at a pipe, without an end of its own.
#[derive(Clone)]
pub struct Gauge(Arc<Pipe>);

impl Gauge {
    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let state = self.0.state();
        Progress {
            written: state.written,
            read: state.read,
        }
    }
}

impl Writer {
    /// Looks at the pipe.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge(Arc::clone(&self.0))
    }

    /// Waits for room, and writes what there is room for.
    pub(crate) fn poll_push(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        let room = ready!(state.poll_room(context))?;
        let taken = room.min(bytes.len());
        state.push(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    /// Returns when there is room, or nobody reads.
    pub(crate) async fn has_room(&self) {
        // Who finds the pipe broken is ready to be told.
        let _ = std::future::poll_fn(|context| self.0.state().poll_room(context)).await;
    }

    /// Writes what there is room for.
    pub(crate) fn put(&self, bytes: &[u8]) -> StreamResult<()> {
        let mut state = self.0.state();
        if state.is_abandoned || state.is_closed {
            return Err(StreamError::Closed);
        }
        if bytes.len() > state.room() {
            return Err(StreamError::trap(
                "more was written than there was room for",
            ));
        }
        state.push(bytes);
        Ok(())
    }

    /// How much there is room for.
    pub(crate) fn room(&self) -> StreamResult<usize> {
        let state = self.0.state();
        match state.is_abandoned || state.is_closed {
            true => Err(StreamError::Closed),
            false => Ok(state.room()),
        }
    }

    /// Writes all of it, as there is room.
    ///
    /// # Errors
    ///
    /// Nobody reads it, or it was closed.
    pub async fn put_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let put = std::future::poll_fn(|context| self.poll_push(context, bytes)).await?;
            bytes = &bytes[put..];
        }
        Ok(())
    }

    /// Says that no more is written.
    pub fn close(&self) {
        let mut state = self.0.state();
        state.is_closed = true;
        state.readers.wake();
    }
}

impl Reader {
    /// Looks at the pipe.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge(Arc::clone(&self.0))
    }

    /// Waits for bytes, or for the end, and fills what it can: nothing at the end.
    pub(crate) fn poll_fill(&self, context: &Context<'_>, into: &mut [u8]) -> Poll<usize> {
        let mut state = self.0.state();
        ready!(state.poll_bytes(context));
        let taken = state.bytes.len().min(into.len());
        state.take(&mut into[..taken]);
        Poll::Ready(taken)
    }

    /// Waits for bytes, or for the end, and fills what it can: nothing at the end.
    pub async fn fill(&self, into: &mut [u8]) -> usize {
        std::future::poll_fn(|context| self.poll_fill(context, into)).await
    }

    /// Returns when there are bytes, or no more will come.
    pub(crate) async fn has_bytes(&self) {
        std::future::poll_fn(|context| self.0.state().poll_bytes(context)).await;
    }

    /// Takes so many bytes at most, or none if there are none.
    pub(crate) fn take(&self, most: usize) -> StreamResult<Bytes> {
        let mut state = self.0.state();
        if state.bytes.is_empty() && state.is_closed {
            return Err(StreamError::Closed);
        }
        let mut bytes = vec![0; state.bytes.len().min(most)];
        state.take(&mut bytes);
        Ok(bytes.into())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_abandoned = true;
        state.bytes = VecDeque::new();
        state.writers.wake();
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_push(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_fill(context, into).map(Ok)
    }
}

#[async_trait::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.has_bytes().await;
    }
}

#[async_trait::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.take(size)
    }
}

#[async_trait::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        self.has_room().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.room()
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn what_is_larger_than_the_pipe_goes_through_it() {
        let (mut writer, mut reader) = pipe();
        let sent: Vec<u8> = (0..8 << 20).map(|at: u32| (at % 251) as u8).collect();
        let mut received = Vec::new();
        let write = async {
            writer.write_all(&sent).await.unwrap();
            writer.close();
        };
        let (_, read) = block_on(futures::future::join(
            write,
            reader.read_to_end(&mut received),
        ));
        assert_eq!(read.unwrap(), sent.len());
        assert!(received == sent);
    }

    #[test]
    fn who_writes_learns_that_nobody_reads_any_more() {
        let (mut writer, reader) = pipe();
        block_on(writer.write_all(&[0; ROOM])).unwrap();
        let mut write = Box::pin(writer.write_all(b"more"));
        assert!(futures::FutureExt::now_or_never(&mut write).is_none());
        drop(reader);
        assert_eq!(
            block_on(write).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn what_was_written_before_the_end_is_read() {
        let (mut writer, mut reader) = pipe();
        block_on(writer.write_all(b"last words")).unwrap();
        drop(writer);
        assert_eq!(InputStream::read(&mut reader, 100).unwrap(), "last words");
        assert!(matches!(
            InputStream::read(&mut reader, 1),
            Err(StreamError::Closed)
        ));
    }

    #[test]
    fn a_stream_takes_no_more_than_it_has_said() {
        let (mut writer, _reader) = pipe();
        assert_eq!(writer.check_write().unwrap(), ROOM);
        OutputStream::write(&mut writer, vec![0; ROOM].into()).unwrap();
        assert_eq!(writer.check_write().unwrap(), 0);
        assert!(matches!(
            OutputStream::write(&mut writer, "x".into()),
            Err(StreamError::Trap(_))
        ));
    }

    #[test]
    fn an_empty_pipe_keeps_little_memory() {
        let (mut writer, mut reader) = pipe();
        OutputStream::write(&mut writer, vec![0; ROOM].into()).unwrap();
        InputStream::read(&mut reader, ROOM).unwrap();
        assert!(reader.0.state().bytes.capacity() <= 2 * KEPT);
    }
}
