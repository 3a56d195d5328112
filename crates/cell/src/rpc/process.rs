//! A process, as a capability of whoever started it.

use std::rc::Rc;
use std::time::Duration;

use vesicle_membrane::Seal;
use vesicle_protocol::cell_capnp::process;

use super::byte_stream::{ByteStream, Stream};
use super::sealed;
use crate::process::Process as Running;
use crate::waits::Waiting;
use crate::{Error, Exit};

/// Serves a process for a session.
pub(super) struct Process {
    pub process: Rc<Running>,
    pub seal: Seal,
}

impl Process {
    fn stream(&self, stream: Stream) -> vesicle_protocol::cell_capnp::byte_stream::Client {
        capnp_rpc::new_client(ByteStream {
            stream,
            seal: self.seal.clone(),
        })
    }
}

impl Process {
    /// Waits for its end, and no longer than that; zero is for ever.
    async fn exit(&self, milliseconds: u64) -> crate::Result<Exit> {
        let waiting = Waiting::begin(self.process.name());
        if milliseconds == 0 {
            return Ok(self.process.exited().await);
        }
        let limit = Duration::from_millis(milliseconds);
        let exited = tokio::time::timeout(limit, self.process.exited()).await;
        exited.map_err(|_| match waiting.and_then(|it| it.circle()) {
            Some(names) => Error::Circle(names),
            None => {
                let (side, seen) = self.process.stuck();
                Error::Late {
                    what: format!("{seen}, and has not ended"),
                    limit,
                    side,
                }
            }
        })
    }
}

impl process::Server for Process {
    async fn stdin(
        self: Rc<Self>,
        _: process::StdinParams,
        mut results: process::StdinResults,
    ) -> Result<(), capnp::Error> {
        let stream = self.stream(Stream::Input(Rc::clone(&self.process)));
        match sealed(&self.seal, async { Ok(stream) }).await {
            Ok(stream) => results.get().set_ok(stream)?,
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn stdout(
        self: Rc<Self>,
        _: process::StdoutParams,
        mut results: process::StdoutResults,
    ) -> Result<(), capnp::Error> {
        let stream = self.stream(Stream::Output(self.process.stdout().clone()));
        match sealed(&self.seal, async { Ok(stream) }).await {
            Ok(stream) => results.get().set_ok(stream)?,
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn stderr(
        self: Rc<Self>,
        _: process::StderrParams,
        mut results: process::StderrResults,
    ) -> Result<(), capnp::Error> {
        let stream = self.stream(Stream::Output(self.process.stderr().clone()));
        match sealed(&self.seal, async { Ok(stream) }).await {
            Ok(stream) => results.get().set_ok(stream)?,
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn wait(
        self: Rc<Self>,
        params: process::WaitParams,
        mut results: process::WaitResults,
    ) -> Result<(), capnp::Error> {
        let milliseconds = params.get()?.get_milliseconds();
        match sealed(&self.seal, self.exit(milliseconds)).await {
            Ok(exit) => exit.write(results.get().init_ok()),
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn kill(
        self: Rc<Self>,
        _: process::KillParams,
        mut results: process::KillResults,
    ) -> Result<(), capnp::Error> {
        let killed = async { Ok(self.process.kill().await) };
        match sealed(&self.seal, killed).await {
            Ok(_) => drop(results.get().init_ok()),
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn exported(
        self: Rc<Self>,
        _: process::ExportedParams,
        mut results: process::ExportedResults,
    ) -> Result<(), capnp::Error> {
        match sealed(&self.seal, self.process.exported()).await {
            // What the child serves knows nothing of the session's epoch.
            Ok(exported) => {
                let exported = vesicle_graft::guard(exported, &self.seal);
                let mut ok = results.get().init_ok();
                ok.reborrow()
                    .init_capability()
                    .set_as_capability(exported.hook);
            }
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }
}
