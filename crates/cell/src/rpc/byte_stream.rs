//! Streams of a process, as a capability.

use std::rc::Rc;

use vesicle_membrane::Seal;
use vesicle_protocol::cell_capnp::byte_stream;

use super::sealed;
use crate::output::Output;
use crate::process::Process;
use crate::{Error, Result};

/// The most bytes of one answer.
const LARGEST: usize = 1 << 20;

/// One of a process's standard streams.
pub(super) enum Stream {
    Input(Rc<Process>),
    Output(Output),
}

/// Serves it for a session.
pub(super) struct ByteStream {
    pub stream: Stream,
    pub seal: Seal,
}

impl ByteStream {
    async fn write_all(&self, bytes: &[u8]) -> Result<()> {
        let Stream::Input(process) = &self.stream else {
            let reason = "what a process writes cannot be written";
            return Err(Error::Denied(reason.into()));
        };
        process.stdin().put_all(bytes).await.map_err(|_| {
            let name = process.name();
            Error::Gone(format!("{name} reads no more, or its input was closed"))
        })
    }
}

impl byte_stream::Server for ByteStream {
    async fn read(
        self: Rc<Self>,
        params: byte_stream::ReadParams,
        mut results: byte_stream::ReadResults,
    ) -> Result<(), capnp::Error> {
        let most = match params.get()?.get_most() {
            0 => LARGEST,
            most => LARGEST.min(most as usize),
        };
        let read = sealed(&self.seal, async {
            match &self.stream {
                Stream::Output(output) => Ok(output.read(most).await),
                Stream::Input(_) => Err(Error::Denied("a process's input cannot be read".into())),
            }
        });
        match read.await {
            Ok(read) => {
                let mut piece = results.get().init_ok();
                piece.set_bytes(&read.bytes);
                piece.set_ended(read.ended);
                piece.set_lost(read.lost);
            }
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn write(
        self: Rc<Self>,
        params: byte_stream::WriteParams,
        mut results: byte_stream::WriteResults,
    ) -> Result<(), capnp::Error> {
        let bytes = params.get()?.get_bytes()?;
        match sealed(&self.seal, self.write_all(bytes)).await {
            Ok(()) => drop(results.get().init_ok()),
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn close(
        self: Rc<Self>,
        _: byte_stream::CloseParams,
        mut results: byte_stream::CloseResults,
    ) -> Result<(), capnp::Error> {
        let closed = sealed(&self.seal, async {
            match &self.stream {
                Stream::Input(process) => {
                    process.stdin().close();
                    Ok(())
                }
                Stream::Output(_) => {
                    Err(Error::Denied("only a process ends what it writes".into()))
                }
            }
        });
        match closed.await {
            Ok(()) => drop(results.get().init_ok()),
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }
}
