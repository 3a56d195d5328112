//! The link of a cell: two pipes, of which the guest finds its ends as streams: of
//! WASI 0.2 here, of the component model in [`async_link`].
//!
//! Invariant: an instance has one link, which it can take once, from either
//! interface; what it does not take is closed with it.

use vesicle_engine::State;
use vesicle_pool::{Interface, InterfaceName, Provider, Result};
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use crate::async_link;
use crate::pipe::{Gauge, Reader, Writer, pipe};

mod bindings {
    #![allow(missing_docs, reason = "generated; the interface documents itself")]
    wasmtime::component::bindgen!({
        path: "../../wit/vesicle-cell",
        world: "cell",
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "vesicle:cell/streams.connection": super::Connection,
        },
        imports: { default: trappable },
        require_store_data_send: true,
    });
}

use bindings::vesicle::cell::streams::{self, LinkError};

/// The interface for guests of WASI 0.2.
const NAME: &str = "vesicle:cell/streams@0.1.0";

/// The guest's end, as its store has it.
#[derive(Default)]
struct End(Option<Connection>);

/// The guest's end, as the guest has it.
pub struct Connection {
    pub(crate) input: Option<Reader>,
    pub(crate) output: Option<Writer>,
    /// Looks at what the guest writes.
    pub(crate) written: Gauge,
}

/// The host's end.
pub struct Link {
    /// What the guest writes.
    pub input: Reader,
    /// What the guest reads.
    pub output: Writer,
}

impl Link {
    /// Puts the guest's end into a store, and returns the host's.
    #[must_use]
    pub fn attach(state: &mut State) -> Self {
        let (to_guest, input) = pipe();
        let (output, from_guest) = pipe();
        state.extensions.insert(End(Some(Connection {
            input: Some(input),
            written: output.gauge(),
            output: Some(output),
        })));
        Self {
            input: from_guest,
            output: to_guest,
        }
    }
}

/// Offers the link to guests. A store into which none was put has none to take.
pub struct Links;

impl Provider for Links {
    fn name(&self) -> &str {
        "the link of a cell"
    }

    fn interfaces(&self) -> Vec<Interface> {
        let names = [NAME, async_link::NAME].into_iter();
        let names = names.filter_map(|name| name.parse().ok());
        let interface = |name| Interface {
            name,
            structure: None,
        };
        names.map(interface).collect()
    }

    fn link(&self, name: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        if name.to_string() == async_link::NAME {
            return async_link::link(linker);
        }
        streams::add_to_linker::<_, Answers>(linker, |state| Guest(state))
    }

    fn attach(&self, _: &mut State) -> Result<()> {
        Ok(())
    }
}

/// What answers the guest's calls.
pub(crate) struct Guest<'a>(pub &'a mut State);

/// Says what answers.
pub(crate) struct Answers;

impl HasData for Answers {
    type Data<'a> = Guest<'a>;
}

impl Guest<'_> {
    /// The guest's end, for the first who takes it.
    pub fn take(&mut self) -> Option<Connection> {
        let end = self.0.extensions.get_mut::<End>();
        end.and_then(|end| end.0.take())
    }
}

impl streams::Host for Guest<'_> {
    fn create_connection(&mut self) -> wasmtime::Result<Result<Resource<Connection>, LinkError>> {
        let Some(connection) = self.take() else {
            return Ok(Err(LinkError::Taken));
        };
        Ok(Ok(self.0.table.push(connection)?))
    }
}

impl streams::HostConnection for Guest<'_> {
    fn input(
        &mut self,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, LinkError>> {
        let Some(input) = self.0.table.get_mut(&connection)?.input.take() else {
            return Ok(Err(LinkError::Taken));
        };
        let input: DynInputStream = Box::new(input);
        Ok(Ok(self.0.table.push(input)?))
    }

    fn output(
        &mut self,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, LinkError>> {
        let Some(output) = self.0.table.get_mut(&connection)?.output.take() else {
            return Ok(Err(LinkError::Taken));
        };
        let output: DynOutputStream = Box::new(output);
        Ok(Ok(self.0.table.push(output)?))
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.0.table.delete(connection)?;
        Ok(())
    }
}
