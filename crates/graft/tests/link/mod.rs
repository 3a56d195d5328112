//! A link in memory, with Cap'n Proto of the same kind at both ends.

#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use capnp::Error;
use capnp::capability::{Client, FromClientHook};
use capnp::message::ReaderOptions;
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};
use vesicle_protocol::cell_capnp::{executor, host, session};
use vesicle_protocol::outcome_capnp::{error, outcome};

/// What one end exports, as the other end has it. Must be called on a `LocalSet`.
pub fn across<C: FromClientHook>(exported: C) -> C {
    let (here, there) = tokio::io::duplex(64 << 10);
    let vat = |end, side| {
        let (read, write) = tokio::io::split(end);
        let options = ReaderOptions::new();
        Box::new(VatNetwork::new(
            read.compat(),
            write.compat_write(),
            side,
            options,
        ))
    };
    let exported: Client = exported.cast_to();
    let server = RpcSystem::new(vat(there, Side::Server), Some(exported));
    let mut client = RpcSystem::new(vat(here, Side::Client), None);
    let imported: Client = client.bootstrap(Side::Server);
    for system in [server, client] {
        tokio::task::spawn_local(async {
            // Ends with the test.
            let _ = system.await;
        });
    }
    imported.cast_to()
}

/// Does something on a thread of its own, within half a minute.
pub async fn local<T>(work: impl Future<Output = T>) -> T {
    let set = tokio::task::LocalSet::new();
    let done = tokio::time::timeout(Duration::from_secs(30), set.run_until(work));
    done.await.expect("it happens within half a minute")
}

/// Gives what it is handed to others, and tells when it is gone.
#[derive(Default)]
pub struct Desk {
    /// What it was handed last.
    pub handed: RefCell<Option<Client>>,
    /// What it gives.
    pub gives: RefCell<Option<Client>>,
    /// Calls that are under way and never end.
    pub waiting: Rc<Cell<u32>>,
    pub is_gone: Rc<Cell<bool>>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.is_gone.set(true);
    }
}

/// Counts a call for as long as it is under way.
struct Under(Rc<Cell<u32>>);

impl Under {
    fn way(calls: &Rc<Cell<u32>>) -> Self {
        calls.set(calls.get() + 1);
        Self(Rc::clone(calls))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl host::Server for Desk {
    async fn id(
        self: Rc<Self>,
        _: host::IdParams,
        mut results: host::IdResults,
    ) -> Result<(), Error> {
        results.get().set_ok("the desk")
    }

    async fn connect(
        self: Rc<Self>,
        _: host::ConnectParams,
        mut results: host::ConnectResults,
    ) -> Result<(), Error> {
        let given = self.gives.borrow().clone();
        let given = given.ok_or_else(|| Error::failed("it has nothing to give".to_owned()))?;
        let mut slot = results.get().init_ok().init_capability();
        slot.set_as_capability(given.hook);
        Ok(())
    }

    async fn peers(
        self: Rc<Self>,
        _: host::PeersParams,
        _: host::PeersResults,
    ) -> Result<(), Error> {
        let _under = Under::way(&self.waiting);
        std::future::pending().await
    }
}

impl executor::Server for Desk {
    async fn run_bytes(
        self: Rc<Self>,
        params: executor::RunBytesParams,
        mut results: executor::RunBytesResults,
    ) -> Result<(), Error> {
        let handed: Client = params
            .get()?
            .get_launch()?
            .get_bootstrap()
            .get_as_capability()?;
        self.handed.replace(Some(handed));
        results.get().init_error();
        Ok(())
    }
}

/// What it is called by whoever has it.
pub async fn name(of: &host::Client) -> Result<String, Error> {
    let answer = of.id_request().send().promise.await?;
    match answer.get()?.which()? {
        outcome::Ok(name) => Ok(name?.to_string()?),
        outcome::Error(error) => Err(Error::failed(error?.get_message()?.to_string()?)),
    }
}

/// What it gives.
pub async fn given(of: &host::Client) -> Result<host::Client, Error> {
    let answer = of.connect_request().send().promise.await?;
    match answer.get()?.which()? {
        outcome::Ok(exported) => exported?.get_capability().get_as_capability(),
        outcome::Error(error) => Err(Error::failed(error?.get_message()?.to_string()?)),
    }
}

/// Hands it something.
pub async fn hand(to: &executor::Client, what: &host::Client) -> Result<(), Error> {
    let mut request = to.run_bytes_request();
    let mut slot = request.get().init_launch().init_bootstrap();
    slot.set_as_capability(what.client.hook.clone());
    request.send().promise.await.map(drop)
}

/// What a membrane answered: a session and its epoch, or an error.
pub enum Grafted {
    Session {
        epoch: u64,
        host: host::Client,
    },
    Stale {
        issued: u64,
        current: u64,
        message: String,
    },
    Denied(String),
}

/// A session of a membrane, which asks this signer if it wants one.
pub async fn graft(
    of: &vesicle_protocol::membrane_capnp::membrane::Client<session::Owned>,
    signer: Option<vesicle_protocol::membrane_capnp::signer::Client>,
) -> Result<Grafted, Error> {
    let mut request = of.graft_request();
    if let Some(signer) = signer {
        request.get().set_signer(signer);
    }
    let answer = request.send().promise.await?;
    let told = match answer.get()?.which()? {
        outcome::Ok(graft) => {
            let graft = graft?;
            return Ok(Grafted::Session {
                epoch: graft.get_epoch(),
                host: graft.get_session()?.get_host()?,
            });
        }
        outcome::Error(told) => told?,
    };
    let message = told.get_message()?.to_string()?;
    match told.which()? {
        error::StaleEpoch(stale) => Ok(Grafted::Stale {
            issued: stale.get_issued(),
            current: stale.get_current(),
            message,
        }),
        error::Denied(()) => Ok(Grafted::Denied(message)),
        _ => Err(Error::failed(message)),
    }
}

/// Fills sessions with desks behind a guard, each under the same name.
pub struct Desks;

impl vesicle_graft::Sessions for Desks {
    type Session = session::Owned;

    fn fill(
        &self,
        seal: vesicle_membrane::Seal,
        mut session: session::Builder<'_>,
    ) -> capnp::Result<()> {
        let desk: host::Client = capnp_rpc::new_client(Desk::default());
        session.set_host(vesicle_graft::guard(desk, &seal));
        Ok(())
    }
}

impl Grafted {
    /// The session, which there has to be.
    pub fn session(self) -> (u64, host::Client) {
        match self {
            Self::Session { epoch, host } => (epoch, host),
            Self::Stale { message, .. } | Self::Denied(message) => panic!("no session: {message}"),
        }
    }

    /// Why there is none, which nobody was to be given.
    pub fn denied(self) -> String {
        match self {
            Self::Denied(message) => message,
            _ => panic!("it was not denied"),
        }
    }
}
