//! The standard streams of a process.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use vesicle_pool::wasi::Launch;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::input::Input;
use crate::output::Output;
use crate::pipe::{Reader, Writer, pipe};

/// Where what a process writes goes.
pub(crate) enum Outlet {
    /// It is kept, up to a bound, for whoever reads it.
    Kept(Output),
    /// It waits for whoever reads it.
    Passed(Passing),
}

/// An output that nothing of is lost, which a process may take several times.
#[derive(Clone)]
pub(crate) struct Passing {
    writer: Arc<Writer>,
    is_terminal: bool,
}

impl Passing {
    /// An output, and where to read it.
    pub fn new(is_terminal: bool) -> (Self, Reader) {
        let (writer, reader) = pipe();
        let writer = Arc::new(writer);
        (
            Self {
                writer,
                is_terminal,
            },
            reader,
        )
    }
}

impl Outlet {
    /// Says that no more will come.
    pub fn close(&self) {
        match self {
            Self::Kept(output) => output.close(),
            Self::Passed(passing) => passing.writer.close(),
        }
    }
}

/// What a process is started with.
pub(crate) fn connect(launch: Launch, input: Reader, out: &Outlet, err: &Outlet) -> Launch {
    let launch = launch.stdin(Input::new(input));
    match (out, err) {
        (Outlet::Kept(out), Outlet::Kept(err)) => launch.outputs(out.clone(), err.clone()),
        (Outlet::Kept(out), Outlet::Passed(err)) => launch.outputs(out.clone(), err.clone()),
        (Outlet::Passed(out), Outlet::Kept(err)) => launch.outputs(out.clone(), err.clone()),
        (Outlet::Passed(out), Outlet::Passed(err)) => launch.outputs(out.clone(), err.clone()),
    }
}

impl IsTerminal for Passing {
    fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

impl StdoutStream for Passing {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Passing {
    async fn ready(&mut self) {
        self.writer.has_room().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Passing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.writer.put(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.writer.room()
    }
}

impl AsyncWrite for Passing {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.writer.poll_push(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
