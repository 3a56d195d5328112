//! A tree of cells that a test grows itself: the first lends the test what it was
//! handed, so that the test calls as the cell would. What a child serves is reached
//! over its link; what the host serves is called where it is.

#![allow(dead_code)]

use std::time::Duration;

use capnp::capability::{Client, FromClientHook};
use capnp::traits::Owned;
use vesicle_cell::{Command, Running};
use vesicle_protocol::cell_capnp::{
    Trap, byte_stream, executor, exit, host, launch, process, program, session,
};
use vesicle_protocol::membrane_capnp::membrane;
use vesicle_protocol::outcome_capnp::{self, Resource, Side, outcome};

use crate::common::{cell, cells, guest};

/// How long a test waits for what should come.
pub const SOON: Duration = Duration::from_secs(30);

/// An error that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Stale {
        issued: u64,
        current: u64,
    },
    Late(Side, String),
    Exhausted(Resource),
    Denied(String),
    Invalid(String),
    Circle(Vec<String>),
    Unreachable(String),
    Gone(String),
    Other(String),
    /// An exception that says that there is nothing any more.
    Disconnected(String),
    /// Any other exception.
    Exception(String),
}

pub type Answer<T> = Result<T, Told>;

impl From<capnp::Error> for Told {
    fn from(error: capnp::Error) -> Self {
        match error.kind {
            capnp::ErrorKind::Disconnected => Self::Disconnected(error.extra),
            _ => Self::Exception(error.to_string()),
        }
    }
}

impl From<outcome_capnp::error::Reader<'_>> for Told {
    fn from(error: outcome_capnp::error::Reader<'_>) -> Self {
        use outcome_capnp::error::Which;
        let message = error.get_message().unwrap().to_string().unwrap();
        match error.which().unwrap() {
            Which::Other(()) => Self::Other(message),
            Which::StaleEpoch(stale) => Self::Stale {
                issued: stale.get_issued(),
                current: stale.get_current(),
            },
            Which::Late(late) => Self::Late(late.get_stuck().unwrap(), message),
            Which::Exhausted(what) => Self::Exhausted(what.unwrap()),
            Which::Denied(()) => Self::Denied(message),
            Which::Invalid(()) => Self::Invalid(message),
            Which::Circle(names) => {
                let names = names.unwrap().iter();
                Self::Circle(
                    names
                        .map(|name| name.unwrap().to_string().unwrap())
                        .collect(),
                )
            }
            Which::Unreachable(()) => Self::Unreachable(message),
            Which::Gone(()) => Self::Gone(message),
        }
    }
}

/// The answer, or the error in it.
pub fn ok<T: Owned>(answer: outcome::Reader<'_, T>) -> Answer<T::Reader<'_>> {
    match answer.which().unwrap() {
        outcome::Which::Ok(ok) => Ok(ok?),
        outcome::Which::Error(error) => Err(error?.into()),
    }
}

/// What a membrane gave.
#[derive(Clone)]
pub struct Session {
    pub epoch: u64,
    pub host: host::Client,
    pub executor: executor::Client,
}

/// What to start a process with, besides its arguments.
#[derive(Default)]
pub struct With {
    pub environment: Vec<(&'static str, &'static str)>,
    pub hand: Option<Client>,
    pub fuel: u64,
    pub memory: u64,
    pub milliseconds: u64,
    pub processes: u32,
}

/// A component that is ready to be started.
#[derive(Clone)]
pub struct Program(pub program::Client);

/// A process that was started.
#[derive(Clone)]
pub struct Child(pub process::Client);

/// How it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Code(u8),
    Trap(Trap),
    Exhausted(Resource),
    Killed,
    Revoked { issued: u64, current: u64 },
    Start(String),
}

/// Something that reads and writes.
#[derive(Clone)]
pub struct Stream(pub byte_stream::Client);

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub bytes: Vec<u8>,
    pub lost: u64,
    pub ended: bool,
}

/// A session of a membrane.
pub async fn graft(handed: &Client) -> Answer<Session> {
    let membrane: membrane::Client<session::Owned> = handed.clone().cast_to();
    let answer = membrane.graft_request().send().promise.await?;
    let graft = ok(answer.get()?)?;
    let session = graft.get_session()?;
    Ok(Session {
        epoch: graft.get_epoch(),
        host: session.get_host()?,
        executor: session.get_executor()?,
    })
}

/// Has an executor say something again.
pub async fn echo(executor: &executor::Client, text: &str) -> Answer<String> {
    let mut request = executor.echo_request();
    request.get().set_text(text);
    let answer = request.send().promise.await?;
    Ok(ok(answer.get()?)?.to_string().unwrap())
}

/// Starts a process.
pub async fn start(
    executor: &executor::Client,
    wasm: &[u8],
    arguments: &[&str],
    with: With,
) -> Answer<Child> {
    let mut request = executor.run_bytes_request();
    request.get().set_wasm(wasm);
    with.fill(request.get().init_launch(), arguments);
    let answer = request.send().promise.await?;
    Ok(Child(ok(answer.get()?)?))
}

/// Makes a component ready to be started.
pub async fn load(executor: &executor::Client, wasm: &[u8]) -> Answer<Program> {
    let mut request = executor.load_request();
    request.get().set_wasm(wasm);
    let answer = request.send().promise.await?;
    Ok(Program(ok(answer.get()?)?))
}

impl With {
    fn fill(self, mut launch: launch::Builder<'_>, arguments: &[&str]) {
        let mut list = launch.reborrow().init_arguments(arguments.len() as u32);
        for (at, argument) in (0..).zip(arguments) {
            list.set(at, argument);
        }
        let mut list = launch
            .reborrow()
            .init_environment(self.environment.len() as u32);
        for (at, (name, value)) in (0..).zip(&self.environment) {
            let mut variable = list.reborrow().get(at);
            variable.set_name(name);
            variable.set_value(value);
        }
        if let Some(hand) = self.hand {
            let mut slot = launch.reborrow().init_bootstrap();
            slot.set_as_capability(hand.hook);
        }
        let mut budget = launch.init_budget();
        budget.set_fuel(self.fuel);
        budget.set_memory(self.memory);
        budget.set_milliseconds(self.milliseconds);
        budget.set_processes(self.processes);
    }
}

impl Program {
    pub async fn start(&self, arguments: &[&str], with: With) -> Answer<Child> {
        let mut request = self.0.start_request();
        with.fill(request.get().init_launch(), arguments);
        let answer = request.send().promise.await?;
        Ok(Child(ok(answer.get()?)?))
    }
}

impl Child {
    pub async fn wait(&self) -> Answer<Ended> {
        self.wait_within(0).await
    }

    pub async fn wait_within(&self, milliseconds: u64) -> Answer<Ended> {
        let mut request = self.0.wait_request();
        request.get().set_milliseconds(milliseconds);
        let answer = request.send().promise.await?;
        let exit = ok(answer.get()?)?;
        Ok(match exit.which().unwrap() {
            exit::Which::Code(code) => Ended::Code(code),
            exit::Which::Trap(trap) => Ended::Trap(trap.get_kind().unwrap()),
            exit::Which::Exhausted(what) => Ended::Exhausted(what.unwrap()),
            exit::Which::Killed(()) => Ended::Killed,
            exit::Which::Revoked(revoked) => Ended::Revoked {
                issued: revoked.get_issued(),
                current: revoked.get_current(),
            },
            exit::Which::Start(reason) => Ended::Start(reason?.to_string().unwrap()),
        })
    }

    pub async fn kill(&self) -> Answer<()> {
        let answer = self.0.kill_request().send().promise.await?;
        ok(answer.get()?).map(drop)
    }

    pub async fn stdin(&self) -> Answer<Stream> {
        let answer = self.0.stdin_request().send().promise.await?;
        Ok(Stream(ok(answer.get()?)?))
    }

    pub async fn stdout(&self) -> Answer<Stream> {
        let answer = self.0.stdout_request().send().promise.await?;
        Ok(Stream(ok(answer.get()?)?))
    }

    pub async fn stderr(&self) -> Answer<Stream> {
        let answer = self.0.stderr_request().send().promise.await?;
        Ok(Stream(ok(answer.get()?)?))
    }

    pub async fn exported(&self) -> Answer<Client> {
        let answer = self.0.exported_request().send().promise.await?;
        let exported = ok(answer.get()?)?;
        Ok(exported.get_capability().get_as_capability()?)
    }

    /// What it has printed, to the end.
    pub async fn printed(&self) -> Answer<String> {
        let bytes = self.stdout().await?.rest().await?;
        Ok(String::from_utf8(bytes).unwrap())
    }
}

impl Stream {
    pub async fn read(&self, most: u32) -> Answer<Piece> {
        let mut request = self.0.read_request();
        request.get().set_most(most);
        let answer = request.send().promise.await?;
        let piece = ok(answer.get()?)?;
        Ok(Piece {
            bytes: piece.get_bytes()?.to_vec(),
            lost: piece.get_lost(),
            ended: piece.get_ended(),
        })
    }

    /// Reads to the end, of which nothing may be lost.
    pub async fn rest(&self) -> Answer<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let piece = self.read(0).await?;
            assert_eq!(piece.lost, 0);
            all.extend(piece.bytes);
            if piece.ended {
                return Ok(all);
            }
        }
    }

    /// Reads until this was read.
    pub async fn until(&self, text: &str) -> Answer<String> {
        let mut all = String::new();
        while !all.contains(text) {
            let piece = self.read(0).await?;
            all += &String::from_utf8(piece.bytes).unwrap();
            assert!(
                !piece.ended || all.contains(text),
                "it ended before {text:?}: {all:?}"
            );
        }
        Ok(all)
    }

    pub async fn write(&self, bytes: &[u8]) -> Answer<()> {
        let mut request = self.0.write_request();
        request.get().set_bytes(bytes);
        let answer = request.send().promise.await?;
        ok(answer.get()?).map(drop)
    }

    pub async fn close(&self) -> Answer<()> {
        let answer = self.0.close_request().send().promise.await?;
        ok(answer.get()?).map(drop)
    }
}

/// The guest that does whatever its arguments say.
pub fn acts() -> Vec<u8> {
    guest("cell-acts")
}

/// A cell that lends what it was handed.
pub fn lender() -> Command {
    cell(acts(), &["pid0", "lend"])
}

/// Does something with what a cell was handed, on the cell's own thread.
pub async fn with<T: Send + 'static, F: Future<Output = Answer<T>> + 'static>(
    running: &Running,
    work: impl FnOnce(Client) -> F + Send + 'static,
) -> Answer<T> {
    let done = running.call(SOON, "the test", async |handed| Ok(work(handed).await));
    done.await.unwrap()
}

/// The same with the session of a cell of its own.
pub async fn grown<T: Send + 'static, F: Future<Output = Answer<T>> + 'static>(
    command: Command,
    work: impl FnOnce(Session) -> F + Send + 'static,
) -> Answer<T> {
    let cells = cells();
    let running = cells.start(command).await.unwrap();
    let done = with(&running, async |handed| {
        let session = graft(&handed).await?;
        work(session).await
    });
    let done = done.await;
    running.kill().await;
    done
}

/// A session at a depth below another: each cell lends what it was handed.
pub async fn deeper(session: &Session, depth: u32) -> Answer<(Session, Vec<Child>)> {
    let (wasm, mut session) = (acts(), session.clone());
    let mut way = Vec::new();
    for _ in 0..depth {
        let child = start(
            &session.executor,
            &wasm,
            &["lender", "lend"],
            With::default(),
        )
        .await?;
        let handed = child.exported().await?;
        session = graft(&handed).await?;
        way.push(child);
    }
    Ok((session, way))
}
