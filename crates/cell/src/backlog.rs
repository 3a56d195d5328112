//! What a guest is answered and has not read yet.
//!
//! Cap'n Proto queues what it sends without a limit, so a guest that asks and reads
//! no answer would fill the host's memory. While more than [`MOST`] wait for it,
//! nothing is read from it; a guest that reads is never held up for longer than
//! that takes.
//!
//! Invariant: who is held up is woken when there is room again, and when the guest
//! is gone.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use capnp::Error;
use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator};
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty;
use capnp_rpc::{Connection, FlowController, IncomingMessage, OutgoingMessage, VatNetwork};
use futures::io::{AsyncRead, AsyncWrite};

use crate::pipe::{Reader, Writer};

/// Bytes that may wait for a guest while more is read from it.
const MOST: u64 = 1 << 20;

/// How much waits.
#[derive(Default)]
pub(crate) struct Backlog {
    sent: Cell<u64>,
    written: Cell<u64>,
    is_broken: Cell<bool>,
    held: RefCell<Option<Waker>>,
}

impl Backlog {
    fn is_large(&self) -> bool {
        !self.is_broken.get() && self.sent.get() > self.written.get() + MOST
    }

    fn wrote(&self, wrote: &io::Result<usize>) {
        match wrote {
            Ok(bytes) => self.written.set(self.written.get() + *bytes as u64),
            Err(_) => self.is_broken.set(true),
        }
        if !self.is_large() {
            self.held.take().into_iter().for_each(Waker::wake);
        }
    }
}

/// What the guest writes, as far as it may.
pub(crate) struct Held {
    pub reader: Reader,
    pub backlog: Rc<Backlog>,
}

/// What the guest reads.
pub(crate) struct Counted {
    pub writer: Writer,
    pub backlog: Rc<Backlog>,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.backlog.is_large() {
            self.backlog.held.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        Pin::new(&mut self.reader).poll_read(context, into)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.writer).poll_write(context, bytes);
        wrote.map(|wrote| {
            self.backlog.wrote(&wrote);
            wrote
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(context)
    }
}

/// The network of one link, which counts what is sent.
pub(crate) struct Network {
    pub inner: twoparty::VatNetwork<Held>,
    pub backlog: Rc<Backlog>,
}

struct Counting {
    inner: Box<dyn Connection<Side>>,
    backlog: Rc<Backlog>,
}

struct Sending {
    inner: Box<dyn OutgoingMessage>,
    backlog: Rc<Backlog>,
}

impl VatNetwork<Side> for Network {
    fn connect(&mut self, host: Side) -> Option<Box<dyn Connection<Side>>> {
        let inner = self.inner.connect(host)?;
        let backlog = Rc::clone(&self.backlog);
        Some(Box::new(Counting { inner, backlog }))
    }

    fn accept(&mut self) -> Promise<Box<dyn Connection<Side>>, Error> {
        let (accepted, backlog) = (self.inner.accept(), Rc::clone(&self.backlog));
        Promise::from_future(async {
            let inner = accepted.await?;
            let counting: Box<dyn Connection<Side>> = Box::new(Counting { inner, backlog });
            Ok(counting)
        })
    }

    fn drive_until_shutdown(&mut self) -> Promise<(), Error> {
        self.inner.drive_until_shutdown()
    }
}

impl Connection<Side> for Counting {
    fn get_peer_vat_id(&self) -> Side {
        self.inner.get_peer_vat_id()
    }

    fn new_outgoing_message(&mut self, first_segment_word_size: u32) -> Box<dyn OutgoingMessage> {
        Box::new(Sending {
            inner: self.inner.new_outgoing_message(first_segment_word_size),
            backlog: Rc::clone(&self.backlog),
        })
    }

    fn receive_incoming_message(&mut self) -> Promise<Option<Box<dyn IncomingMessage>>, Error> {
        self.inner.receive_incoming_message()
    }

    fn new_stream(&mut self) -> (Box<dyn FlowController>, Promise<(), Error>) {
        self.inner.new_stream()
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), Error> {
        self.inner.shutdown(result)
    }
}

impl OutgoingMessage for Sending {
    fn get_body(&mut self) -> capnp::Result<capnp::any_pointer::Builder<'_>> {
        self.inner.get_body()
    }

    fn get_body_as_reader(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.inner.get_body_as_reader()
    }

    fn send(self: Box<Self>) -> (Promise<(), Error>, Rc<Builder<HeapAllocator>>) {
        let (sent, message) = self.inner.send();
        let words = capnp::serialize::compute_serialized_size_in_words(&*message);
        let sent_before = self.backlog.sent.get();
        self.backlog.sent.set(sent_before + 8 * words as u64);
        (sent, message)
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.inner.take()
    }

    fn size_in_words(&self) -> usize {
        self.inner.size_in_words()
    }
}
