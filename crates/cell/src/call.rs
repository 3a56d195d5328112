//! Calls of the host's own into what a cell serves.
//!
//! Invariants: what belongs to a cell stays on its thread, only what a call comes
//! to leaves it; no call is waited for longer than whoever makes it says.

use std::rc::Rc;
use std::time::Duration;

use capnp::capability::Client;
use tokio::sync::{mpsc, oneshot};

use crate::process::Process;
use crate::{Error, Result, Running};

/// Something to be done on a cell's thread.
pub(crate) type Call = Box<dyn FnOnce(Rc<Process>) + Send>;

impl Running {
    /// Does something with what the cell serves, on the cell's thread, and says what
    /// it comes to. `what` is what is said where it takes longer than the limit.
    ///
    /// # Errors
    ///
    /// [`Error::Late`] with the side of the link that does not go on;
    /// [`Error::Gone`] where the cell has ended, and for what it answers by
    /// hanging up; [`Error::Other`] for its other exceptions.
    pub async fn call<T, F>(
        &self,
        limit: Duration,
        what: &str,
        work: impl FnOnce(Client) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = capnp::Result<T>> + 'static,
    {
        let (mut answer, answered) = oneshot::channel();
        let what = what.to_owned();
        let call = move |process: Rc<Process>| {
            tokio::task::spawn_local(async move {
                let done = tokio::select! {
                    done = once(&process, limit, what, work) => done,
                    // Nobody waits for it any more.
                    () = answer.closed() => return,
                };
                let _ = answer.send(done);
            });
        };
        let gone = || Error::Gone("the cell has ended".to_owned());
        self.calls.send(Box::new(call)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Has the thread of a process do what is asked for, for as long as anybody can ask.
pub(crate) async fn pass_on(process: Rc<Process>, mut calls: mpsc::UnboundedReceiver<Call>) {
    while let Some(call) = calls.recv().await {
        call(Rc::clone(&process));
    }
}

async fn once<T, F: Future<Output = capnp::Result<T>>>(
    process: &Process,
    limit: Duration,
    what: String,
    work: impl FnOnce(Client) -> F,
) -> Result<T> {
    let done = async {
        let exported = process.exported().await?;
        work(exported).await.map_err(failed)
    };
    tokio::time::timeout(limit, done).await.unwrap_or_else(|_| {
        let (side, seen) = process.stuck();
        Err(Error::Late {
            what: format!("{seen}, and has not come to an end with {what}"),
            limit,
            side,
        })
    })
}

fn failed(error: capnp::Error) -> Error {
    match error.kind {
        capnp::ErrorKind::Disconnected => Error::Gone(error.extra),
        _ => Error::Other(error.to_string()),
    }
}
