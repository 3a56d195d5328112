//! Guest streams joined to queues.
//!
//! [`Intake`] is the host's end of a stream that a guest writes; [`Outlet`]
//! the host's end of one that a guest reads. Invariants: an item that was
//! taken from a guest is never lost while somebody receives; a guest that
//! writes learns that its item was taken only when the queue has room for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, Lift, Lower, Source, StreamConsumer, StreamProducer, StreamResult,
};

use crate::{Counters, Doing, Receiver, Sender, Weigh};

/// What becomes of an item that a guest wrote.
#[derive(Debug)]
pub enum Pass<T> {
    /// It goes on.
    On(T),
    /// It was used up here.
    Kept,
    /// It goes on, and the guest's stream is closed.
    Last(T),
    /// It breaks the contract, in the way that is said; the guest is ended.
    Refused(String),
}

/// Looks at each item that a guest writes, on its way into the queue.
type Valve<T> = Box<dyn FnMut(T) -> Pass<T> + Send>;

/// Takes what a guest writes into a queue.
pub struct Intake<T: Weigh> {
    sender: Sender<T>,
    counters: Arc<Counters>,
    valve: Valve<T>,
    /// An item taken from the guest that waits for room.
    parked: Option<T>,
    ending: bool,
    /// Dropped with the intake: the guest's stream has ended.
    _ended: oneshot::Sender<()>,
}

impl<T: Weigh> Intake<T> {
    /// An intake that passes everything on, through `valve`. The receiver
    /// resolves when the guest's stream has ended.
    pub fn new(
        sender: Sender<T>,
        counters: Arc<Counters>,
        valve: impl FnMut(T) -> Pass<T> + Send + 'static,
    ) -> (Self, oneshot::Receiver<()>) {
        let (ended, has_ended) = oneshot::channel();
        let intake = Self {
            sender,
            counters,
            valve: Box::new(valve),
            parked: None,
            ending: false,
            _ended: ended,
        };
        (intake, has_ended)
    }

    /// Moves the parked item on. Ready with `false` once nobody receives.
    fn poll_parked(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let Some(batch) = self.parked.as_ref().map(Weigh::batch) else {
            return Poll::Ready(true);
        };
        match self.sender.poll_send(context, &mut self.parked) {
            Poll::Pending => {
                self.counters.doing(Doing::AwaitingRoom);
                Poll::Pending
            }
            Poll::Ready(Err(_)) => {
                self.parked = None;
                Poll::Ready(false)
            }
            Poll::Ready(Ok(())) => {
                if let Some((rows, bytes)) = batch {
                    self.counters.gave(rows, bytes);
                }
                self.counters.moved();
                Poll::Ready(true)
            }
        }
    }
}

impl<T: Weigh> Drop for Intake<T> {
    fn drop(&mut self) {
        if let Some(item) = self.parked.take() {
            if let Some((rows, bytes)) = item.batch() {
                self.counters.gave(rows, bytes);
            }
            self.sender.send_over_capacity(item);
        }
    }
}

impl<D, T> StreamConsumer<D> for Intake<T>
where
    T: Weigh + Lift + Send + Sync + Unpin + 'static,
{
    type Item = T;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<D>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let this = self.get_mut();
        let verdict = |open: bool, ending: bool| {
            Poll::Ready(Ok(if open && !ending {
                StreamResult::Completed
            } else {
                StreamResult::Dropped
            }))
        };
        let held_over = this.parked.is_some();
        match this.poll_parked(context) {
            // The item was taken; it stays parked if the guest gives up waiting.
            Poll::Pending if finish => return verdict(true, false),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(open) if held_over => return verdict(open, this.ending),
            Poll::Ready(_) => {}
        }
        if this.sender.is_closed() {
            return verdict(false, true);
        }
        let mut slot = None;
        source.read(&mut store, &mut slot)?;
        let Some(item) = slot else {
            return verdict(true, false);
        };
        this.parked = match (this.valve)(item) {
            Pass::On(item) => Some(item),
            Pass::Kept => {
                this.counters.moved();
                None
            }
            Pass::Last(item) => {
                this.ending = true;
                Some(item)
            }
            Pass::Refused(how) => return Poll::Ready(Err(wasmtime::Error::msg(how))),
        };
        match this.poll_parked(context) {
            Poll::Pending if finish => verdict(true, false),
            Poll::Pending => Poll::Pending,
            Poll::Ready(open) => verdict(open, this.ending),
        }
    }
}

/// Says of an item whether it is the last that a guest is given, or why it
/// cannot be given any more.
type IsLast<T> = Box<dyn FnMut(&T) -> Result<bool, String> + Send>;

/// Gives a guest what comes out of a queue.
pub struct Outlet<T> {
    receiver: Receiver<T>,
    counters: Arc<Counters>,
    is_last: IsLast<T>,
    ending: bool,
}

impl<T> Outlet<T> {
    /// An outlet that gives everything in the queue, until all senders are gone.
    #[must_use]
    pub fn new(receiver: Receiver<T>, counters: Arc<Counters>) -> Self {
        Self {
            receiver,
            counters,
            is_last: Box::new(|_| Ok(false)),
            ending: false,
        }
    }

    /// Ends the guest's stream, and the queue, after the first item that is
    /// said to be the last; ends the guest at the first one that is refused,
    /// which it does not get.
    #[must_use]
    pub fn until(
        mut self,
        is_last: impl FnMut(&T) -> Result<bool, String> + Send + 'static,
    ) -> Self {
        self.is_last = Box::new(is_last);
        self
    }
}

impl<D, T> StreamProducer<D> for Outlet<T>
where
    T: Weigh + Lower + Send + Sync + Unpin + 'static,
{
    type Item = T;
    type Buffer = Option<T>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, T, Option<T>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let this = self.get_mut();
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        if this.ending {
            this.counters.moved();
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        match this.receiver.poll_receive(context) {
            Poll::Ready(Some(item)) => {
                this.ending = match (this.is_last)(&item) {
                    Ok(is_last) => is_last,
                    Err(why) => return Poll::Ready(Err(wasmtime::Error::msg(why))),
                };
                if let Some((rows, bytes)) = item.batch() {
                    this.counters.took(rows, bytes);
                }
                this.counters.moved();
                destination.set_buffer(Some(item));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(None) => {
                this.counters.moved();
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => {
                this.counters.doing(Doing::AwaitingInput);
                Poll::Pending
            }
        }
    }
}
