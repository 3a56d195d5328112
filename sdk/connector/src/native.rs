//! Runs a connector outside the sandbox, in the process that calls: for
//! benchmarks, and for [`testing`](crate::testing), which is built on it.
//!
//! Frames cross bounded channels in the place of the component's streams. The
//! futures are driven by whatever executor awaits them; they are not `Send`.

use std::future::Future;

use futures::channel::mpsc;
use futures::{Stream, StreamExt};

use crate::destination::{Event, Writer};
use crate::drive;
use crate::emitter::{Committed, Emitter};
use crate::error::Result;
use crate::frame::{Cursor, Frame};
use crate::outlet::Outlet;
use crate::source::{Partition, Source, StreamRequest};
use crate::transform::Transform;

/// A partition being read. Await `outcome` together with the frames.
pub struct Reading<F> {
    /// What the source emits. Dropping it stops the source.
    pub frames: mpsc::Receiver<Frame>,
    /// Tells the source which cursors have become durable.
    pub committed: mpsc::UnboundedSender<Cursor>,
    /// Does the reading. Ready when the frames have ended.
    pub outcome: F,
}

/// Reads a partition; the source waits when `capacity` frames lie unread.
pub fn read<S: Source>(
    source: S,
    request: StreamRequest,
    partition: Partition,
    cursor: Option<Cursor>,
    capacity: usize,
) -> Reading<impl Future<Output = Result<()>>> {
    let (sender, frames) = mpsc::channel(capacity);
    let (committed, cursors) = mpsc::unbounded();
    let out = Emitter::new(Outlet::new(sender), Committed::new(cursors));
    let outcome = drive::source::read(source, request, partition, cursor, out);
    Reading {
        frames,
        committed,
        outcome,
    }
}

/// Takes frames through a transform. Await the future together with the
/// frames that come out.
pub fn transform<T: Transform>(
    transform: T,
    stream: impl Into<String>,
    frames: impl Stream<Item = Frame> + 'static,
    capacity: usize,
) -> (mpsc::Receiver<Frame>, impl Future<Output = Result<()>>) {
    let (sender, output) = mpsc::channel(capacity);
    let out = Emitter::new(Outlet::new(sender), Committed::none());
    let outcome = drive::transform::transform(transform, stream.into(), frames.boxed_local(), out);
    (output, outcome)
}

/// Takes frames to a writer. Await the future together with the events.
pub fn write<W: Writer + 'static>(
    writer: W,
    frames: impl Stream<Item = Frame> + 'static,
    capacity: usize,
) -> (mpsc::Receiver<Event>, impl Future<Output = Result<()>>) {
    let (sender, events) = mpsc::channel(capacity);
    let outcome = drive::destination::write(writer, frames.boxed_local(), Outlet::new(sender));
    (events, outcome)
}
