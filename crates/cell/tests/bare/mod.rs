//! One guest with a link whose other end the test holds itself: it is driven only
//! if the test does.

#![allow(dead_code)]

use std::path::Path;

use vesicle_cell::output::Output;
use vesicle_cell::{Link, Links};
use vesicle_engine::{Budget, Config, Engines, Error};
use vesicle_pool::wasi::{Grants, Launch, Wasi};
use vesicle_pool::{Admission, Audit, Instance, Pool, Provider as _, Token};
use vesicle_protocol::cell_capnp::{executor, session};
use vesicle_protocol::membrane_capnp::membrane;

/// An instance that has not run yet, and the host's end of its link.
pub struct Bare {
    pub instance: Instance,
    pub link: Link,
    pub stdout: Output,
    pub stderr: Output,
    run: String,
}

/// Makes an instance of a command.
pub async fn bare(wasm: &[u8], arguments: &[&str]) -> Bare {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-cache");
    let engines = Engines::new(Config {
        cache: Some(cache),
        ..Config::default()
    });
    let pool = Pool::new(engines.unwrap());
    for interface in Wasi::offered().into_iter().chain(Links.interfaces()) {
        pool.declare(interface).unwrap();
    }
    let app = pool.admit_as("the guest", wasm, Admission::default());
    let app = app.unwrap();
    let exports = &app.surface().exports;
    let run = exports
        .keys()
        .find(|name| name.starts_with("wasi:cli/run@"));
    let run = run.unwrap().clone();
    let mut tokens = Token::of(Wasi::new("the guest", Grants::default(), Audit::default()));
    tokens.extend(Token::of(Links));
    let wired = pool.wire(&app, &tokens).unwrap();
    let (stdout, stderr) = (Output::default(), Output::default());
    let launch = Launch::new()
        .arguments(arguments.iter().map(|&it| it.to_owned()).collect())
        .outputs(stdout.clone(), stderr.clone());
    let mut link = None;
    let instance = wired.instantiate_with(Budget::default(), |store| {
        let state = store.state_mut();
        state.extensions.insert(launch);
        link = Some(Link::attach(state));
    });
    Bare {
        instance: instance.await.unwrap(),
        link: link.unwrap(),
        stdout,
        stderr,
        run,
    }
}

/// Runs it to its end. It has not failed if there is no error.
pub async fn run(instance: &mut Instance, run: &str) -> Result<Result<(), ()>, Error> {
    let exports = &instance.exports;
    let function = instance.store.with(|store| {
        let interface = exports.get_export_index(&mut *store, None, run);
        let run = exports.get_export_index(&mut *store, interface.as_ref(), "run");
        exports.get_typed_func::<(), (Result<(), ()>,)>(store, run.unwrap())
    });
    let function = function.unwrap();
    let ran = instance.store.run(async |store| {
        let (ran,) = function.call_async(store, ()).await?;
        Ok(ran)
    });
    ran.await
}

impl Bare {
    /// The instance, what runs it, and the host's end of its link.
    pub fn parts(self) -> (Instance, String, Link) {
        (self.instance, self.run, self.link)
    }
}

/// What was written until now.
pub async fn text(output: &Output) -> String {
    output.close();
    let piece = output.read(usize::MAX).await;
    String::from_utf8(piece.bytes).unwrap()
}

/// Answers what comes over a link with a membrane whose executor echoes, until it is
/// dropped. Must be called within a `LocalSet`.
pub fn serve(link: Link) -> tokio_util::task::AbortOnDropHandle<()> {
    let network = capnp_rpc::twoparty::VatNetwork::new(
        link.input,
        link.output,
        capnp_rpc::rpc_twoparty_capnp::Side::Server,
        capnp::message::ReaderOptions::new(),
    );
    let root: vesicle_protocol::membrane_capnp::membrane::Client<session::Owned> =
        capnp_rpc::new_client(Echoing);
    let rpc = capnp_rpc::RpcSystem::new(Box::new(network), Some(root.client));
    tokio_util::task::AbortOnDropHandle::new(tokio::task::spawn_local(async {
        let _ = rpc.await;
    }))
}

struct Echoing;

impl membrane::Server<session::Owned> for Echoing {
    async fn graft(
        self: std::rc::Rc<Self>,
        _: membrane::GraftParams<session::Owned>,
        mut results: membrane::GraftResults<session::Owned>,
    ) -> Result<(), capnp::Error> {
        let mut session = results.get().init_ok().init_session();
        session.set_executor(capnp_rpc::new_client(Self));
        session.set_host(capnp_rpc::new_client(Self));
        Ok(())
    }
}

impl vesicle_protocol::cell_capnp::host::Server for Echoing {}

impl executor::Server for Echoing {
    async fn echo(
        self: std::rc::Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_ok(params.get()?.get_text()?)
    }
}

/// Resources that a guest still has.
pub fn left(instance: &mut Instance) -> usize {
    instance.store.state_mut().table.iter_mut().count()
}
