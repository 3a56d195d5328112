//! One guest with a link whose other end the test holds itself: it is driven only
//! if the test does.

#![allow(dead_code)]

use std::path::Path;

use vesicle_cell::output::Output;
use vesicle_cell::{Link, Links};
use vesicle_engine::{Budget, Config, Engines, Error};
use vesicle_pool::wasi::{Grants, Launch, Wasi};
use vesicle_pool::{Admission, Audit, Instance, Pool, Provider as _, Token};

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
