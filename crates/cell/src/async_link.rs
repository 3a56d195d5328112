//! The guest's end of a link as streams of the component model, for guests of
//! WASI 0.3.
//!
//! Invariants: a guest's write is done when its bytes are in the pipe, so that it
//! waits as long as there is no room; a read takes no byte that it does not give to
//! the guest. When a stream is dropped, so is the pipe's end behind it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use vesicle_engine::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Access, Destination, Linker, Resource, Source, StreamConsumer, StreamProducer, StreamReader,
    StreamResult,
};

use crate::link::{Answers, Connection, Guest};
use crate::pipe::{ROOM, Reader, Writer};

mod bindings {
    #![allow(missing_docs, reason = "generated; the interface documents itself")]
    wasmtime::component::bindgen!({
        path: "../../wit/vesicle-cell",
        world: "async-cell",
        with: {
            "vesicle:cell/async-streams.connection": crate::link::Connection,
        },
        imports: {
            "vesicle:cell/async-streams.[method]connection.input": store | trappable,
            "vesicle:cell/async-streams.[method]connection.output": store | trappable,
            default: trappable,
        },
        require_store_data_send: true,
    });
}

use bindings::vesicle::cell::async_streams::{self, LinkError};

/// The interface's full name.
pub(crate) const NAME: &str = "vesicle:cell/async-streams@0.1.0";

/// Links the interface.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    async_streams::add_to_linker::<_, Answers>(linker, |state| Guest(state))
}

impl async_streams::Host for Guest<'_> {
    fn create_connection(&mut self) -> wasmtime::Result<Result<Resource<Connection>, LinkError>> {
        match self.take() {
            Some(connection) => Ok(Ok(self.0.table.push(connection)?)),
            None => Ok(Err(LinkError::Taken)),
        }
    }
}

impl async_streams::HostConnection for Guest<'_> {
    fn unread(&mut self, connection: Resource<Connection>) -> wasmtime::Result<u64> {
        let connection = self.0.table.get(&connection)?;
        Ok(connection.written.progress().unread())
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.0.table.delete(connection)?;
        Ok(())
    }
}

impl<T: Send + 'static> async_streams::HostConnectionWithStore<T> for Answers {
    fn input(
        mut store: Access<'_, T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<Result<StreamReader<u8>, LinkError>> {
        let guest = store.get();
        match guest.0.table.get_mut(&connection)?.input.take() {
            Some(input) => Ok(Ok(StreamReader::new(&mut store, Incoming(input))?)),
            None => Ok(Err(LinkError::Taken)),
        }
    }

    fn output(
        mut store: Access<'_, T, Self>,
        connection: Resource<Connection>,
        mut bytes: StreamReader<u8>,
    ) -> wasmtime::Result<Result<(), LinkError>> {
        let guest = store.get();
        match guest.0.table.get_mut(&connection)?.output.take() {
            Some(output) => bytes.pipe(&mut store, Outgoing(output)).map(Ok),
            None => {
                bytes.close(&mut store)?;
                Ok(Err(LinkError::Taken))
            }
        }
    }
}

/// Gives a guest what the host writes.
struct Incoming(Reader);

impl<D> StreamProducer<D> for Incoming {
    type Item = u8;
    type Buffer = BytesMut;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, BytesMut>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let (filled, asks) = match destination.remaining(&mut store) {
            // Whoever reads nothing asks whether there is something.
            Some(0) => (self.0.poll_fill(context, &mut []), true),
            _ => {
                let mut direct = destination.as_direct(store, ROOM);
                let filled = self.0.poll_fill(context, direct.remaining());
                if let Poll::Ready(filled) = filled {
                    direct.mark_written(filled);
                }
                (filled, false)
            }
        };
        match filled {
            Poll::Ready(0) if !asks => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(_) => Poll::Ready(Ok(StreamResult::Completed)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Takes what a guest writes.
struct Outgoing(Writer);

impl<D> StreamConsumer<D> for Outgoing {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        // Whoever writes nothing asks whether there is room.
        match self.0.poll_push(context, source.remaining()) {
            Poll::Ready(Ok(taken)) => {
                source.mark_read(taken);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}
