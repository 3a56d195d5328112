//! A room in which files become values, and values become notes: a system's
//! file system, written in Rust; `kv-on-fs`, which makes a store of values of
//! it; and notebooks in several languages, which keep notes in such a store.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use vesicle_engine::State;
use vesicle_pool::wasi::{Stderr, Wasi};
use vesicle_pool::{
    Account, App, Error, Grant, Interface, InterfaceName, Pool, Provider, Resident, Token, Value,
};
use wasmtime::component::{HasSelf, Linker};

#[path = "../guests/mod.rs"]
mod guests;

mod bindings {
    wasmtime::component::bindgen!({ path: "../../tests/guests/wit", world: "kv-on-fs" });
}

use bindings::vesicle::example::fs;
use guests::{component, with_wasi};

const WIT: &str = include_str!("../../../../tests/guests/wit/example.wit");

/// A file system of the host's, in memory. Clones are the same one.
#[derive(Clone)]
pub struct Disk {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// The size of the largest file that it takes, in bytes.
    largest: usize,
}

impl Disk {
    pub fn new() -> Self {
        Self::with_files_up_to(usize::MAX)
    }

    pub fn with_files_up_to(largest: usize) -> Self {
        Self {
            files: Arc::default(),
            largest,
        }
    }

    /// What is on it, as the host sees it.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.files.lock().unwrap().clone().into_iter().collect()
    }

    fn tokens(&self) -> Vec<Token> {
        let provider: Arc<dyn Provider> = Arc::new(self.clone());
        Token::all(&provider)
    }
}

impl fs::Host for Disk {
    fn read(&mut self, path: String) -> Result<Option<Vec<u8>>, String> {
        Ok(self.files.lock().unwrap().get(&path).cloned())
    }

    fn write(&mut self, path: String, contents: Vec<u8>) -> Result<(), String> {
        if contents.len() > self.largest {
            return Err(format!("the disk takes no more than {} B", self.largest));
        }
        self.files.lock().unwrap().insert(path, contents);
        Ok(())
    }

    fn remove(&mut self, path: String) -> Result<bool, String> {
        Ok(self.files.lock().unwrap().remove(&path).is_some())
    }
}

impl Provider for Disk {
    fn name(&self) -> &str {
        "disk"
    }

    fn interfaces(&self) -> Vec<Interface> {
        let all = Interface::from_wit(WIT).unwrap();
        let is_fs = |it: &Interface| it.name.to_string() == "vesicle:example/fs@0.1.0";
        all.into_iter().filter(is_fs).collect()
    }

    fn link(&self, _: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        fs::add_to_linker::<State, HasSelf<Self>>(linker, |state| {
            state.extensions.get_mut().expect("attached")
        })
    }

    fn attach(&self, state: &mut State) -> vesicle_pool::Result<()> {
        state.extensions.insert(self.clone());
        Ok(())
    }
}

/// A pool in which the interfaces are declared, and apps admitted.
pub struct Room {
    pub pool: Pool,
    apps: BTreeMap<&'static str, App>,
}

impl Room {
    /// A room with `kv-on-fs` and with notebooks, by the names of their files.
    pub fn new(notebooks: &[&'static str]) -> Self {
        let pool = guests::pool(WIT);
        let names = ["kv-on-fs"].into_iter().chain(notebooks.iter().copied());
        let admit = |name| (name, pool.admit(name, &component(name)).unwrap());
        let apps = names.map(admit).collect();
        Self { pool, apps }
    }

    /// A store of values on a disk.
    pub async fn kv(&self, name: &str, disk: &Disk) -> Resident {
        self.keep(name, "kv-on-fs", disk.tokens()).await
    }

    /// A notebook on a store of values.
    pub async fn notebook(&self, name: &str, app: &str, kv: &Resident) -> Resident {
        self.keep(name, app, kv.tokens()).await
    }

    /// The same, with what it writes to its standard error.
    pub async fn notebook_and_stderr(&self, app: &str, kv: &Resident) -> (Resident, Stderr) {
        let wasi = Wasi::deny_all(app);
        let stderr = wasi.stderr().clone();
        let tokens = with_wasi(wasi, kv.tokens());
        let account = Account::default();
        let kept = self.pool.keep(app, &self.apps[app], &tokens, account).await;
        (kept.unwrap(), stderr)
    }

    /// Puts a new instance of an app in the place of a notebook.
    pub async fn replace(&self, notebook: &Resident, app: &str, kv: &Resident) {
        let tokens = with_wasi(Wasi::deny_all(app), kv.tokens());
        let replaced = self.pool.replace(notebook, &self.apps[app], &tokens);
        replaced.await.unwrap();
    }

    /// An instance that reaches its tokens, and nothing of the system.
    async fn keep(&self, name: &str, app: &str, tokens: Vec<Token>) -> Resident {
        let tokens = with_wasi(Wasi::deny_all(app), tokens);
        let account = Account::default();
        let kept = self.pool.keep(name, &self.apps[app], &tokens, account);
        kept.await.unwrap()
    }

    /// Calls a function of a store of values or of a notebook.
    pub async fn call(
        &self,
        of: &Resident,
        function: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        let token = &of.tokens()[0];
        let called = self
            .pool
            .call(token, function, arguments, Grant::default())
            .await?;
        Ok(called.into_iter().next().unwrap())
    }

    pub async fn remember(&self, notebook: &Resident, title: &str, text: &str) -> Value {
        let arguments = [title.into(), text.into()];
        self.call(notebook, "remember", &arguments).await.unwrap()
    }

    pub async fn recall(&self, notebook: &Resident, title: &str) -> Value {
        let arguments = [title.into()];
        self.call(notebook, "recall", &arguments).await.unwrap()
    }
}

/// What a function returns that did what it was asked to.
pub fn done() -> Value {
    Value::ok(None)
}

/// A note that is there.
pub fn found(text: &str) -> Value {
    Value::ok(Some(Value::some(text.into())))
}

/// A note that is not there.
pub fn nothing() -> Value {
    Value::ok(Some(Value::none()))
}

pub fn refused(reason: &str) -> Value {
    Value::error(Some(reason.into()))
}
