//! A queue bounded in bytes.
//!
//! Invariants: the weight of all items in a queue stays within its capacity;
//! an item heavier than the whole queue passes when the queue is empty. Items
//! come out in the order they went in. What was sent before the last sender
//! left can still be received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::PollSemaphore;

/// Something with a weight.
pub trait Weigh {
    /// How many bytes it counts for.
    fn weight(&self) -> usize;

    /// Rows and payload bytes, where it is a batch.
    fn batch(&self) -> Option<(u64, u64)> {
        None
    }
}

/// The other end of the queue is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other end of the queue is gone")]
pub struct Closed;

/// Why an item could not be sent at once; the item is handed back.
#[derive(Debug)]
pub enum TrySend<T> {
    /// There is no room now.
    Full(T),
    /// Nobody receives.
    Closed(T),
}

/// How many bytes a queue holds, for whoever wants to look. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Levels>);

#[derive(Debug, Default)]
struct Levels {
    held: AtomicUsize,
    peak: AtomicUsize,
}

impl Gauge {
    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.load(Relaxed)
    }

    /// The most bytes ever held.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.0.peak.load(Relaxed)
    }

    fn add(&self, bytes: usize) {
        let held = self.0.held.fetch_add(bytes, Relaxed) + bytes;
        self.0.peak.fetch_max(held, Relaxed);
    }

    fn take(&self, bytes: usize) {
        self.0.held.fetch_sub(bytes, Relaxed);
    }
}

struct Parcel<T> {
    item: T,
    weight: usize,
    _room: OwnedSemaphorePermit,
}

/// Makes a queue that holds `capacity` bytes.
pub fn queue<T: Weigh>(capacity: usize, gauge: Gauge) -> (Sender<T>, Receiver<T>) {
    let capacity = u32::try_from(capacity.max(1)).unwrap_or(u32::MAX >> 3);
    let room = Arc::new(Semaphore::new(capacity as usize));
    let (items, incoming) = mpsc::unbounded_channel();
    let sender = Sender {
        items,
        poll: PollSemaphore::new(Arc::clone(&room)),
        room,
        capacity,
        gauge: gauge.clone(),
    };
    let receiver = Receiver { incoming, gauge };
    (sender, receiver)
}

/// The sending end.
pub struct Sender<T> {
    items: mpsc::UnboundedSender<Parcel<T>>,
    room: Arc<Semaphore>,
    poll: PollSemaphore,
    capacity: u32,
    gauge: Gauge,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
            room: Arc::clone(&self.room),
            poll: PollSemaphore::new(Arc::clone(&self.room)),
            capacity: self.capacity,
            gauge: self.gauge.clone(),
        }
    }
}

impl<T: Weigh> Sender<T> {
    fn room_for(&self, item: &T) -> u32 {
        u32::try_from(item.weight())
            .unwrap_or(u32::MAX)
            .clamp(1, self.capacity)
    }

    fn put(&self, item: T, room: OwnedSemaphorePermit) -> Result<(), T> {
        let weight = item.weight();
        self.gauge.add(weight);
        self.items
            .send(Parcel {
                item,
                weight,
                _room: room,
            })
            .map_err(|refused| {
                self.gauge.take(weight);
                refused.0.item
            })
    }

    /// Sends an item, once there is room.
    ///
    /// # Errors
    ///
    /// [`Closed`] where nobody receives.
    pub async fn send(&self, item: T) -> Result<(), Closed> {
        let need = self.room_for(&item);
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(need) => room.map_err(|_| Closed)?,
            () = self.items.closed() => return Err(Closed),
        };
        self.put(item, room).map_err(|_| Closed)
    }

    /// Sends an item if there is room for it now.
    ///
    /// # Errors
    ///
    /// [`TrySend`] with the item.
    pub fn try_send(&self, item: T) -> Result<(), TrySend<T>> {
        if self.items.is_closed() {
            return Err(TrySend::Closed(item));
        }
        match Arc::clone(&self.room).try_acquire_many_owned(self.room_for(&item)) {
            Ok(room) => self.put(item, room).map_err(TrySend::Closed),
            Err(_) => Err(TrySend::Full(item)),
        }
    }

    /// Sends the item in `slot`, once there is room; leaves it there until then.
    ///
    /// # Errors
    ///
    /// [`Closed`] where nobody receives.
    pub fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        slot: &mut Option<T>,
    ) -> Poll<Result<(), Closed>> {
        let Some(item) = slot.as_ref() else {
            return Poll::Ready(Ok(()));
        };
        if self.items.is_closed() {
            return Poll::Ready(Err(Closed));
        }
        let need = self.room_for(item);
        let Some(room) = ready!(self.poll.poll_acquire_many(context, need)) else {
            return Poll::Ready(Err(Closed));
        };
        match slot.take() {
            Some(item) => Poll::Ready(self.put(item, room).map_err(|_| Closed)),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Sends an item beyond the capacity. Only for an item that was taken
    /// from a guest already and has no other place to be.
    pub(crate) fn send_over_capacity(&self, item: T) {
        let free = u32::try_from(self.room.available_permits()).unwrap_or(u32::MAX);
        let part = free.min(self.room_for(&item));
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(part) {
            // Nobody is there to be told that nobody receives.
            let _ = self.put(item, room);
        }
    }

    /// Whether nobody receives.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.items.is_closed()
    }
}

/// The receiving end.
pub struct Receiver<T> {
    incoming: mpsc::UnboundedReceiver<Parcel<T>>,
    gauge: Gauge,
}

impl<T> Receiver<T> {
    /// The next item, or `None` once all senders are gone and the queue is empty.
    pub async fn receive(&mut self) -> Option<T> {
        std::future::poll_fn(|context| self.poll_receive(context)).await
    }

    /// The next item, as [`Receiver::receive`].
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let parcel = ready!(self.incoming.poll_recv(context));
        Poll::Ready(parcel.map(|parcel| {
            self.gauge.take(parcel.weight);
            parcel.item
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    impl Weigh for Vec<u8> {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_sender_wait_until_there_is_room() {
        let gauge = Gauge::default();
        let (sender, mut receiver) = queue(100, gauge.clone());
        let sending = tokio::spawn(async move {
            for n in 0..50u8 {
                sender.send(vec![n; 40]).await.unwrap();
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!sending.is_finished());
        for n in 0..50u8 {
            assert_eq!(receiver.receive().await.unwrap()[0], n);
        }
        assert_eq!(receiver.receive().await, None);
        assert!(gauge.peak() <= 100, "{}", gauge.peak());
        assert_eq!(gauge.held(), 0);
    }

    #[tokio::test]
    async fn an_item_heavier_than_the_queue_passes_alone() {
        let (sender, mut receiver) = queue(100, Gauge::default());
        sender.send(vec![1; 10_000]).await.unwrap();
        assert!(matches!(sender.try_send(vec![2]), Err(TrySend::Full(_))));
        assert_eq!(receiver.receive().await.unwrap().len(), 10_000);
        sender.send(vec![2]).await.unwrap();
    }

    #[tokio::test]
    async fn a_sender_that_waits_learns_that_nobody_receives() {
        let (sender, receiver) = queue(10, Gauge::default());
        sender.send(vec![1; 10]).await.unwrap();
        let sending = tokio::spawn(async move { sender.send(vec![1; 10]).await });
        tokio::task::yield_now().await;
        drop(receiver);
        assert_eq!(sending.await.unwrap(), Err(Closed));
    }
}
