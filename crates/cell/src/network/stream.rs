//! A stream to a peer, or from one.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use tokio::sync::OwnedSemaphorePermit;

use crate::Quota;

/// Bytes both ways between this host and a peer, encrypted, and in order.
///
/// What is written may stay in memory until it is flushed. Closing it ends the way
/// to the peer; the way back stays open. Dropped, it ends both.
#[derive(Debug)]
pub struct Stream {
    stream: libp2p::Stream,
    peer: PeerId,
    quota: Quota,
    /// One of those that the peer may have open, if the peer opened it.
    _place: Option<OwnedSemaphorePermit>,
}

impl Stream {
    pub(super) fn new(
        stream: libp2p::Stream,
        peer: PeerId,
        quota: Quota,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            stream,
            peer,
            quota,
            _place: place,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// What it can have this host hold.
    pub(super) fn quota(&self) -> Quota {
        self.quota
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read_vectored(context, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}
