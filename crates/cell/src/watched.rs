//! A network of one link on which each message is counted, both ways.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use capnp::Error;
use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use capnp_rpc::rpc_capnp::message;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty;
use capnp_rpc::{Connection, FlowController, IncomingMessage, OutgoingMessage, VatNetwork};
use futures::io::{AsyncRead, AsyncWrite};

use crate::backlog::Backlog;
use crate::tally::Tally;

/// What counts the messages of one link.
struct Meter {
    backlog: Backlog,
    tally: Tally,
    /// Bytes that were read since the last message.
    read: Cell<u64>,
}

/// What is read, as far as it may be.
struct Held<R> {
    reader: R,
    meter: Rc<Meter>,
}

/// What is written.
struct Counted<W> {
    writer: W,
    meter: Rc<Meter>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Held<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.meter.backlog.is_full(context) {
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.reader).poll_read(context, into);
        if let Poll::Ready(Ok(bytes)) = &read {
            self.meter.read.set(self.meter.read.get() + *bytes as u64);
        }
        read
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.writer).poll_write(context, bytes);
        wrote.map(|wrote| {
            let written = self.meter.backlog.wrote(&wrote);
            self.meter.tally.wrote(written);
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

/// The network of one link.
pub(crate) struct Network<R: AsyncRead + Unpin + 'static> {
    inner: twoparty::VatNetwork<Held<R>>,
    meter: Rc<Meter>,
}

impl<R: AsyncRead + Unpin + 'static> Network<R> {
    /// One over what is read and written, as this side of the two, with how much may
    /// wait to be written and what counts the rest.
    pub fn new(
        (reader, writer): (R, impl AsyncWrite + Unpin + 'static),
        side: Side,
        options: ReaderOptions,
        backlog: Backlog,
        tally: Tally,
    ) -> Self {
        let meter = Rc::new(Meter {
            backlog,
            tally,
            read: Cell::new(0),
        });
        let held = Held {
            reader,
            meter: Rc::clone(&meter),
        };
        let counted = Counted {
            writer,
            meter: Rc::clone(&meter),
        };
        Self {
            inner: twoparty::VatNetwork::new(held, counted, side, options),
            meter,
        }
    }
}

struct Counting {
    inner: Box<dyn Connection<Side>>,
    meter: Rc<Meter>,
}

struct Sending {
    inner: Box<dyn OutgoingMessage>,
    meter: Rc<Meter>,
}

impl<R: AsyncRead + Unpin + 'static> VatNetwork<Side> for Network<R> {
    fn connect(&mut self, host: Side) -> Option<Box<dyn Connection<Side>>> {
        let inner = self.inner.connect(host)?;
        let meter = Rc::clone(&self.meter);
        Some(Box::new(Counting { inner, meter }))
    }

    fn accept(&mut self) -> Promise<Box<dyn Connection<Side>>, Error> {
        let (accepted, meter) = (self.inner.accept(), Rc::clone(&self.meter));
        Promise::from_future(async {
            let inner = accepted.await?;
            let counting: Box<dyn Connection<Side>> = Box::new(Counting { inner, meter });
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
            meter: Rc::clone(&self.meter),
        })
    }

    fn receive_incoming_message(&mut self) -> Promise<Option<Box<dyn IncomingMessage>>, Error> {
        let (received, meter) = (
            self.inner.receive_incoming_message(),
            Rc::clone(&self.meter),
        );
        Promise::from_future(async move {
            let received = received.await?;
            if let Some(received) = &received {
                let bytes = meter.read.take();
                let message = received.get_body()?.get_as::<message::Reader<'_>>()?;
                meter.tally.heard(&message, bytes)?;
            }
            Ok(received)
        })
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
        let bytes = 8 * words as u64;
        let end = self.meter.backlog.sent(bytes);
        if let Ok(said) = message.get_root_as_reader::<message::Reader<'_>>() {
            self.meter.tally.said(&said, bytes, end);
        }
        (sent, message)
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.inner.take()
    }

    fn size_in_words(&self) -> usize {
        self.inner.size_in_words()
    }
}
