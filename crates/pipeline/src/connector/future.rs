//! The result that a connector delivers beside a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureConsumer, Lift, Source};

/// Hands the value of a guest's future to whoever holds the receiver.
pub struct Handover<T>(Option<oneshot::Sender<T>>);

impl<T> Handover<T> {
    /// The consumer, and the receiver; which fails if the guest never delivers.
    pub fn new() -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }
}

impl<D, T: Lift + Send + Sync + Unpin + 'static> FutureConsumer<D> for Handover<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<D>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut slot = None;
        source.read(store, &mut slot)?;
        if let (Some(value), Some(sender)) = (slot, self.0.take()) {
            // Nobody waits any more, and that is fine.
            let _ = sender.send(value);
        }
        Poll::Ready(Ok(()))
    }
}
