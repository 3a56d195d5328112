//! When to let the kernel gather what a server sends.
//!
//! A server that sends rows sends them in pieces of some KiB, and each wakes
//! whoever waits for it, on both sides of the connection. While much comes
//! without a word from the guest in between, this asks the kernel to wake
//! nobody before there is enough (`SO_RCVLOWAT`, socket(7)).
//!
//! Invariants: what the server has sent is held back for [`PAUSE`] at most; a
//! server that answers the guest is not held back at all.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// So many bytes without a word from the guest are a flood rather than an
/// answer.
const FLOOD: u64 = 256 * 1024;

/// How much is enough. The kernel counts what it needs for itself too, and
/// begins with buffers of 128 KiB.
const ENOUGH: usize = 48 * 1024;

/// How long less than enough may be held back.
const PAUSE: Duration = Duration::from_millis(2);

/// A connection that can be asked to gather.
pub(crate) trait Gather {
    /// Wakes whoever reads once so many bytes are there, or those that are
    /// there already.
    fn wake_at(&self, bytes: usize);
}

/// Follows a connection and decides.
pub(crate) struct Gathering {
    /// What had come in when the guest last spoke, or the server last paused.
    since: u64,
    /// What has come in, and what has gone out.
    seen: (u64, u64),
    /// The end of the pause, while less than enough is held back.
    held: Option<Pin<Box<Sleep>>>,
}

impl Gathering {
    pub(crate) fn new() -> Self {
        Self {
            since: 0,
            seen: (0, 0),
            held: None,
        }
    }

    /// To be called whenever there is nothing to read now, with all that has
    /// come in and gone out so far. Wakes the task at the end of the pause.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        server: &impl Gather,
        incoming: u64,
        outgoing: u64,
    ) {
        let has_spoken = outgoing != self.seen.1;
        let has_come = incoming != self.seen.0;
        self.seen = (incoming, outgoing);
        if has_spoken {
            self.release(server, incoming);
            return;
        }
        match &mut self.held {
            None if incoming - self.since >= FLOOD => {
                server.wake_at(ENOUGH);
                let pause = self.held.insert(Box::pin(sleep(PAUSE)));
                // Never over at once; this says who is to be woken.
                let _ = pause.as_mut().poll(context);
            }
            None => {}
            Some(pause) => {
                if has_come {
                    pause.as_mut().reset(Instant::now() + PAUSE);
                }
                if pause.as_mut().poll(context).is_ready() {
                    self.release(server, incoming);
                }
            }
        }
    }

    fn release(&mut self, server: &impl Gather, incoming: u64) {
        self.since = incoming;
        if self.held.take().is_some() {
            server.wake_at(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::task::Poll;

    #[derive(Default)]
    struct Asked(RefCell<Vec<usize>>);

    impl Gather for Asked {
        fn wake_at(&self, bytes: usize) {
            self.0.borrow_mut().push(bytes);
        }
    }

    async fn look(gathering: &mut Gathering, server: &Asked, incoming: u64, outgoing: u64) {
        poll_fn(|context| {
            gathering.poll(context, server, incoming, outgoing);
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_flood_is_gathered_and_let_go_once_it_pauses() {
        let (mut gathering, server) = (Gathering::new(), Asked::default());
        look(&mut gathering, &server, FLOOD - 1, 0).await;
        assert!(server.0.borrow().is_empty());
        look(&mut gathering, &server, FLOOD, 0).await;
        assert_eq!(*server.0.borrow(), [ENOUGH]);
        poll_fn(|context| {
            gathering.poll(context, &server, FLOOD, 0);
            match gathering.held {
                Some(_) => Poll::Pending,
                None => Poll::Ready(()),
            }
        })
        .await;
        assert_eq!(*server.0.borrow(), [ENOUGH, 1]);
        look(&mut gathering, &server, 2 * FLOOD, 0).await;
        assert_eq!(*server.0.borrow(), [ENOUGH, 1, ENOUGH]);
    }

    #[tokio::test]
    async fn answers_are_never_held_back() {
        let (mut gathering, server) = (Gathering::new(), Asked::default());
        for turn in 1..10 {
            look(&mut gathering, &server, turn * (FLOOD - 1), turn).await;
        }
        assert!(server.0.borrow().is_empty());
        look(&mut gathering, &server, 20 * FLOOD, 9).await;
        look(&mut gathering, &server, 20 * FLOOD, 10).await;
        assert_eq!(*server.0.borrow(), [ENOUGH, 1]);
    }
}
