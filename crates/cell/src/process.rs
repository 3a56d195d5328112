//! A component that runs, with its link and all that it has started.
//!
//! A process and its children live on one thread, so that capabilities go from one
//! to the other without a copy; what else runs there has its turn at each tick of
//! the epoch.
//!
//! Invariants: when a process has ended, its store is gone and so is everything
//! that it started; its output can be read to the end.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use capnp::capability::Client;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vesicle_engine::{Fuel, Store, WhenEmpty};
use vesicle_membrane::Seal;
use vesicle_pool::wasi::Launch;
use vesicle_protocol::outcome_capnp::{Resource, Side};

use crate::account::Account;
use crate::driver::{Driver, Gauges};
use crate::link::Link;
use crate::output::Output;
use crate::pipe::{Writer, pipe};
use crate::program::Program;
use crate::stdio::{self, Outlet, Passing};
use crate::tally::Tally;
use crate::{Error, Exit, Result};

/// What a process is started with.
pub(crate) struct Start {
    /// What it is called, for people.
    pub name: String,
    pub program: Arc<Program>,
    pub launch: Launch,
    /// Where what it writes goes, if that is not kept for who holds it.
    pub outlets: Option<(Passing, Passing)>,
    pub account: Account,
    /// Ends it, with all that it starts.
    pub kill: CancellationToken,
    /// Of the session that it is started from.
    pub seal: Option<Seal>,
}

/// What is left of a process for those who hold it.
pub(crate) struct Process {
    name: String,
    stdin: Arc<Writer>,
    stdout: Output,
    stderr: Output,
    kill: CancellationToken,
    exit: watch::Receiver<Option<Exit>>,
    asked: mpsc::UnboundedSender<oneshot::Sender<Client>>,
    link: Rc<OnceCell<Gauges>>,
}

/// What a process can see of itself while what it finds on its link is made.
pub(crate) struct Born {
    pub name: String,
    /// Until it has ended, whoever still holds what it was given.
    account: RefCell<Option<Account>>,
    pub kill: CancellationToken,
    pub children: TaskTracker,
}

impl Born {
    /// What it has, for what it starts.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] after its end.
    pub fn account(&self) -> Result<Account> {
        let account = self.account.borrow().clone();
        account
            .filter(|_| !self.kill.is_cancelled())
            .ok_or_else(|| Error::Gone(format!("{} has ended", self.name)))
    }
}

impl Process {
    /// Starts a process. Must be called within a `LocalSet`.
    pub fn start(start: Start, bootstrap: impl FnOnce(&Rc<Born>) -> Client) -> Rc<Self> {
        let (stdin, input) = pipe();
        let (stdout, stderr) = (Output::default(), Output::default());
        let (ended, exit) = watch::channel(None);
        let (asked, asks) = mpsc::unbounded_channel();
        let born = Rc::new(Born {
            name: start.name.clone(),
            account: RefCell::new(Some(start.account.clone())),
            kill: start.kill.clone(),
            children: TaskTracker::new(),
        });
        let link = Rc::new(OnceCell::new());
        let process = Rc::new(Self {
            link: Rc::clone(&link),
            name: start.name.clone(),
            stdin: Arc::new(stdin),
            stdout: stdout.clone(),
            stderr: stderr.clone(),
            kill: start.kill.clone(),
            exit,
            asked,
        });
        let (out, err) = match start.outlets {
            Some((out, err)) => (Outlet::Passed(out), Outlet::Passed(err)),
            None => (Outlet::Kept(stdout), Outlet::Kept(stderr)),
        };
        let launch = stdio::connect(start.launch, input, &out, &err);
        let outlets = Closing([out, err]);
        let start = Start {
            launch,
            outlets: None,
            ..start
        };
        let root = bootstrap(&born);
        tokio::task::spawn_local(async move {
            let exit = live(start, root, asks, &link).await;
            born.children.close();
            born.children.wait().await;
            born.account.take();
            drop(outlets);
            ended.send_replace(Some(exit));
        });
        process
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn stdin(&self) -> &Arc<Writer> {
        &self.stdin
    }

    pub fn stdout(&self) -> &Output {
        &self.stdout
    }

    pub fn stderr(&self) -> &Output {
        &self.stderr
    }

    /// How it has ended, once it has.
    pub fn exit(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    /// Returns when it has ended.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or(Exit::Killed),
            // Its task is gone, with the thread that it was on.
            Err(_) => Exit::Killed,
        }
    }

    /// Ends it, with all that it has started, and returns when that is done.
    pub async fn kill(&self) -> Exit {
        self.kill.cancel();
        self.exited().await
    }

    /// What it serves.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] after its end.
    pub async fn exported(&self) -> Result<Client> {
        let (answer, exported) = oneshot::channel();
        let gone = || Error::Gone(format!("{} has ended", self.name));
        self.asked.send(answer).map_err(|_| gone())?;
        exported.await.map_err(|_| gone())
    }

    /// Which end of its link does not go on, and what can be seen of that.
    pub fn stuck(&self) -> (Side, String) {
        match self.link.get() {
            Some(link) => link.stuck(&self.name),
            None => (Side::Host, format!("{} has not started yet", self.name)),
        }
    }
}

/// Runs it to its end.
async fn live(
    start: Start,
    bootstrap: Client,
    asks: mpsc::UnboundedReceiver<oneshot::Sender<Client>>,
    gauges: &OnceCell<Gauges>,
) -> Exit {
    let Start {
        name,
        program,
        launch,
        account,
        kill,
        seal,
        ..
    } = start;
    let until = account.until();
    let (tally, overrun) = Tally::new(account.link());
    let mut driver = None;
    let driving = &mut driver;
    let guest = async move {
        let mut link = None;
        let prepared = |store: &mut Store| {
            let state = store.state_mut();
            state.extensions.insert(launch);
            link = Some(Link::attach(state));
            store.hold_from(account.bytes().clone());
            if let Some(fuel) = account.fuel() {
                store.draw_on(Fuel {
                    grant: None,
                    own: fuel.clone(),
                    when_empty: WhenEmpty::Trap,
                });
            }
        };
        let made = program.wired().instantiate_with(account.budget(), prepared);
        let instance = match made.await {
            Ok(instance) => instance,
            Err(error) => return Exit::of_start(error),
        };
        if let Some(link) = link {
            let _ = gauges.set(Gauges::of(&link));
            *driving = Some(Driver::start(link, name, bootstrap, asks, tally));
        }
        run(instance, program.run()).await
    };
    let revoked = async {
        match &seal {
            Some(seal) => {
                seal.broken().await;
                Exit::Revoked {
                    issued: seal.issued(),
                    current: seal.current(),
                }
            }
            None => std::future::pending().await,
        }
    };
    let late = async {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    let overran = async {
        match overrun.await {
            Ok(overrun) => Exit::of_overrun(overrun),
            Err(_) => std::future::pending().await,
        }
    };
    let exit = tokio::select! {
        biased;
        // Its children are killed with it, which it may see before it is.
        () = kill.cancelled() => Exit::Killed,
        // It is hung up on with it, which it may see as well.
        exit = overran => exit,
        exit = guest => exit,
        exit = revoked => exit,
        () = late => Exit::Exhausted(Resource::Time),
    };
    // From here on nothing is started.
    kill.cancel();
    if let Some(driver) = driver {
        driver.end().await;
    }
    exit
}

async fn run(mut instance: vesicle_pool::Instance, run: &str) -> Exit {
    let exports = instance.exports;
    let found = instance.store.with(|store| {
        let interface = exports.get_export_index(&mut *store, None, run);
        let run = exports.get_export_index(&mut *store, interface.as_ref(), "run");
        let run = run.ok_or_else(|| wasmtime::Error::msg("it exports no run"))?;
        exports.get_typed_func::<(), (Result<(), ()>,)>(store, run)
    });
    let function = match found {
        Ok(function) => function,
        Err(error) => return Exit::Start(format!("{error:#}")),
    };
    let ran = instance.store.run(async |store| {
        let (ran,) = function.call_async(store, ()).await?;
        Ok(ran)
    });
    Exit::of_run(ran.await)
}

/// Outputs that end with a process, also where its thread does.
struct Closing([Outlet; 2]);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.iter().for_each(Outlet::close);
    }
}
