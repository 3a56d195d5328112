//! Where cells run: threads, each with cells of its own.
//!
//! Invariant: what belongs to a cell never leaves its thread; the handles that do
//! hold no capability.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use capnp::capability::Client;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use vesicle_engine::Engines;
use vesicle_membrane::Membrane;
use vesicle_pool::Pool;
use vesicle_pool::wasi::{Grants, Launch};

use crate::account::{Account, Limits, Share};
use crate::call::{self, Call};
use crate::compiling::Turns;
#[cfg(feature = "network")]
use crate::network::vat::Neighbours;
use crate::output::Output;
use crate::pipe::{Reader, Writer};
use crate::process::{Process, Start};
use crate::program::{Component, Programs};
use crate::rpc::{Context, Outside};
use crate::stdio::Passing;
use crate::{Error, Exit, Result};

/// Runs cells. One for a host; cloning is cheap and means the same.
#[derive(Clone)]
pub struct Cells {
    shared: Arc<Shared>,
    threads: Arc<Threads>,
}

/// What all cells share.
pub(crate) struct Shared {
    pub programs: Programs,
    pub turns: Turns,
    started: AtomicU64,
}

/// Makes what a cell finds on its link.
type Handed = Box<dyn FnOnce() -> Client + Send>;

/// What a cell is made of.
pub struct Command {
    /// What it is called, for people.
    pub name: String,
    /// The component.
    pub wasm: Vec<u8>,
    /// Its arguments, the first of which is its name.
    pub arguments: Vec<String>,
    /// What it may reach besides its link.
    pub grants: Grants,
    /// What it and all that it starts may use.
    pub limits: Limits,
    /// Who pays instead, where several cells have one account.
    pub account: Option<Account>,
    /// Whose epochs its sessions are of.
    pub membrane: Arc<Membrane>,
    /// Where its standard streams go.
    pub stdio: Stdio,
    /// The hosts that it can reach. They find there what it serves itself.
    #[cfg(feature = "network")]
    pub network: Option<crate::network::Network>,
}

/// Where the standard streams of a cell go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stdio {
    /// It reads nothing, and of what it writes the newest is kept.
    #[default]
    Kept,
    /// Nothing is lost: it waits for who reads it.
    Passed {
        /// Whether its output seems to be a terminal.
        stdout_is_terminal: bool,
        /// Whether its standard error does.
        stderr_is_terminal: bool,
    },
}

impl Command {
    /// A component that reaches nothing but its link, under a name for people.
    #[must_use]
    pub fn new(name: &str, wasm: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            wasm,
            arguments: vec![name.to_owned()],
            grants: Grants::default(),
            limits: Limits::default(),
            account: None,
            membrane: Arc::new(Membrane::new(name)),
            stdio: Stdio::Kept,
            #[cfg(feature = "network")]
            network: None,
        }
    }
}

/// A cell that runs. Dropping it lets it go on, as long as there are [`Cells`].
pub struct Running {
    _threads: Arc<Threads>,
    kill: CancellationToken,
    exit: watch::Receiver<Option<Exit>>,
    /// What it reads.
    pub stdin: Arc<Writer>,
    pub(crate) calls: mpsc::UnboundedSender<Call>,
    /// What it writes, where that is kept.
    pub stdout: Output,
    /// What it complains of, where that is kept.
    pub stderr: Output,
    /// The same two where they are passed on.
    pub passed: Option<(Reader, Reader)>,
}

impl Cells {
    /// Makes ready to run cells, on as many threads as there are cores.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] where a thread cannot be started.
    pub fn new(engines: Engines) -> Result<Self> {
        let programs = Programs::new(Pool::new(engines))?;
        Ok(Self {
            shared: Arc::new(Shared {
                programs,
                turns: Turns::of_host(),
                started: AtomicU64::new(0),
            }),
            threads: Arc::new(Threads::start()?),
        })
    }

    /// Starts a cell.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where its component cannot be run.
    pub async fn start(&self, command: Command) -> Result<Running> {
        self.begin(command, None).await
    }

    /// Starts a cell that finds on its link what is made here, on the cell's own
    /// thread, and no membrane.
    ///
    /// # Errors
    ///
    /// As [`Cells::start`].
    pub async fn start_with(
        &self,
        command: Command,
        handed: impl FnOnce() -> Client + Send + 'static,
    ) -> Result<Running> {
        self.begin(command, Some(Box::new(handed))).await
    }

    async fn begin(&self, command: Command, handed: Option<Handed>) -> Result<Running> {
        let shared = Arc::clone(&self.shared);
        let Command {
            name,
            wasm,
            arguments,
            grants,
            limits,
            account,
            membrane,
            stdio,
            #[cfg(feature = "network")]
            network,
        } = command;
        let account = account.unwrap_or_else(|| Account::new(&limits));
        let account = account.grant(Share::default())?;
        let component = Component::new(&wasm);
        let program = match grants == Grants::default() {
            // Nothing tells it from any other cell of the same bytes.
            true => shared.program(&component, &account).await?,
            false => shared.program_with(component, &account, grants).await?,
        };
        let kill = CancellationToken::new();
        let (outlets, passed) = stdio.outlets();
        let (answer, started) = oneshot::channel();
        let (calls, called) = mpsc::unbounded_channel();
        let start = Start {
            name,
            program,
            launch: Launch::new().arguments(arguments),
            outlets,
            account,
            kill: kill.clone(),
            seal: None,
        };
        self.threads.give(Box::new(move || {
            #[cfg(feature = "network")]
            let outside = network.as_ref().map_or_else(Outside::default, |network| {
                Outside::new(Neighbours::new(network.clone(), None))
            });
            #[cfg(not(feature = "network"))]
            let outside = Outside::default();
            let process = Process::start(start, |born| {
                if let Some(handed) = handed {
                    return handed();
                }
                let context = Context {
                    outside,
                    shared,
                    membrane,
                    owner: Rc::clone(born),
                };
                context.membrane()
            });
            if stdio == Stdio::Kept {
                process.stdin().close();
            }
            #[cfg(feature = "network")]
            if let Some(network) = network {
                tokio::task::spawn_local(export(network, Rc::clone(&process)));
            }
            let _ = answer.send((
                process.exit(),
                Arc::clone(process.stdin()),
                process.stdout().clone(),
                process.stderr().clone(),
            ));
            tokio::task::spawn_local(call::pass_on(process, called));
        }));
        let lost = |_| Error::Other("the thread of a cell has ended".into());
        let (exit, stdin, stdout, stderr) = started.await.map_err(lost)?;
        Ok(Running {
            _threads: Arc::clone(&self.threads),
            kill,
            exit,
            stdin,
            calls,
            stdout,
            stderr,
            passed,
        })
    }
}

impl Stdio {
    #[allow(clippy::type_complexity, reason = "the two ends of two pipes")]
    fn outlets(self) -> (Option<(Passing, Passing)>, Option<(Reader, Reader)>) {
        match self {
            Self::Kept => (None, None),
            Self::Passed {
                stdout_is_terminal,
                stderr_is_terminal,
            } => {
                let (out, read_out) = Passing::new(stdout_is_terminal);
                let (err, read_err) = Passing::new(stderr_is_terminal);
                (Some((out, err)), Some((read_out, read_err)))
            }
        }
    }
}

impl Running {
    /// Returns when it has ended, with all that it has started.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await;
        ended
            .ok()
            .and_then(|exit| exit.clone())
            .unwrap_or(Exit::Killed)
    }

    /// Ends it, with all that it has started.
    pub async fn kill(&self) -> Exit {
        self.kill.cancel();
        self.wait().await
    }
}

impl Shared {
    /// A name for a child, which no other process has.
    pub fn name(&self, parent: &str) -> String {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        format!("{parent}/{number}")
    }
}

/// Gives peers what a process serves, until it has ended.
#[cfg(feature = "network")]
async fn export(network: crate::network::Network, process: Rc<Process>) {
    let served = crate::network::vat::serve(&network, |_| {
        let process = Rc::clone(&process);
        let exported = async move {
            let exported = process.exported().await;
            exported.map_err(|error| capnp::Error::disconnected(error.to_string()))
        };
        Some(capnp_rpc::new_future_client(exported))
    });
    tokio::select! {
        _ = process.exited() => {}
        served = served => {
            if let Err(error) = served {
                tracing::warn!("peers are not answered: {error}");
            }
        }
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// Threads that run cells.
struct Threads {
    queues: Vec<mpsc::UnboundedSender<Work>>,
    next: AtomicUsize,
    handles: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Threads {
    fn start() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut queues = Vec::new();
        let mut handles = Vec::new();
        for number in 0..cores {
            let (queue, mut work) = mpsc::unbounded_channel::<Work>();
            let failed = |error: std::io::Error| {
                Error::Other(format!("a thread for cells cannot be started: {error}"))
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.map_err(failed)?;
            let builder = std::thread::Builder::new().name(format!("cells-{number}"));
            let handle = builder.spawn(move || {
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, async move {
                    while let Some(work) = work.recv().await {
                        work();
                    }
                });
            });
            handles.push(handle.map_err(failed)?);
            queues.push(queue);
        }
        Ok(Self {
            queues,
            next: AtomicUsize::new(0),
            handles: Mutex::new(handles),
        })
    }

    /// Has the next thread do something.
    fn give(&self, work: Work) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len();
        // A thread takes work until its queue is gone.
        let _ = self.queues[next].send(work);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queues.clear();
        let handles = self
            .handles
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for handle in handles.drain(..) {
            // A thread that has panicked has told so.
            let _ = handle.join();
        }
    }
}
