//! What starts processes, as a capability.

use std::rc::Rc;
use std::time::Duration;

use capnp::capability::Client;
use vesicle_membrane::Seal;
use vesicle_pool::wasi::Launch;
use vesicle_protocol::cell_capnp::{budget, executor, launch, process, program};
use vesicle_protocol::outcome_capnp::Resource;

use super::process::Process as Served;
use super::program::Program;
use super::{Context, sealed};
use crate::account::Share;
use crate::process::{Process, Start};
use crate::program::Component;
use crate::{Error, Result};

/// Bytes that arguments and variables may have together.
const LARGEST_WORDS: usize = 1 << 20;

/// Starts processes for a session, on the account of whoever has the session.
#[derive(Clone)]
pub(super) struct Executor {
    pub context: Context,
    pub seal: Seal,
}

impl Executor {
    /// Starts a process as it is asked to, and returns what answers for it.
    pub async fn start(
        &self,
        component: &Component,
        asked: capnp::Result<launch::Reader<'_>>,
    ) -> Result<process::Client> {
        let asked = asked.map_err(unreadable)?;
        let bootstrap = match asked.has_bootstrap() {
            true => {
                let hook = asked.get_bootstrap().get_as_capability();
                Some(Client::new(hook.map_err(unreadable)?))
            }
            false => None,
        };
        let process = self
            .spawn(component, launch(asked)?, bootstrap, share(asked)?)
            .await?;
        Ok(capnp_rpc::new_client(Served {
            process,
            seal: self.seal.clone(),
        }))
    }

    async fn spawn(
        &self,
        component: &Component,
        launch: Launch,
        bootstrap: Option<Client>,
        share: Share,
    ) -> Result<Rc<Process>> {
        let Context { shared, owner, .. } = &self.context;
        let account = owner.account()?.grant(share)?;
        let program = shared.program(component, &account).await?;
        // Starting may have waited for the compiler.
        self.seal.check().map_err(|_| Error::stale(&self.seal))?;
        owner.account()?;
        let start = Start {
            name: shared.name(&owner.name),
            program,
            launch,
            outlets: None,
            account,
            kill: owner.kill.child_token(),
            seal: Some(self.seal.clone()),
        };
        let process = Process::start(start, |born| match bootstrap {
            Some(chosen) => chosen,
            None => {
                let context = Context {
                    owner: Rc::clone(born),
                    ..self.context.clone()
                };
                context.membrane_of(self.seal.clone())
            }
        });
        // Not the process: whoever holds it may still write what it reads.
        let mut exit = process.exit();
        owner.children.spawn_local(async move {
            // Fails where the child's task is gone, and the child with it.
            let _ = exit.wait_for(Option::is_some).await;
        });
        Ok(process)
    }

    /// Makes a component ready that its owner pays for with memory.
    async fn make_ready(&self, wasm: &[u8]) -> Result<Program> {
        let Context { shared, owner, .. } = &self.context;
        let account = owner.account()?;
        let size = wasm.len() as u64;
        let held = account.bytes().grant(size);
        if held.amounts().left < size {
            let reason = format!("a program of {size} bytes is more than is left");
            let what = Resource::Memory;
            return Err(Error::Exhausted { what, reason });
        }
        Ok(Program {
            executor: self.clone(),
            component: shared.ready(wasm, &account).await?,
            _held: held,
        })
    }
}

impl executor::Server for Executor {
    async fn run_bytes(
        self: Rc<Self>,
        params: executor::RunBytesParams,
        mut results: executor::RunBytesResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let started = async {
            let wasm = params.get_wasm().map_err(unreadable)?;
            self.start(&Component::new(wasm), params.get_launch()).await
        };
        match sealed(&self.seal, started).await {
            Ok(process) => results.get().set_ok(process)?,
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn load(
        self: Rc<Self>,
        params: executor::LoadParams,
        mut results: executor::LoadResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let loaded = async {
            let wasm = params.get_wasm().map_err(unreadable)?;
            self.make_ready(wasm).await
        };
        match sealed(&self.seal, loaded).await {
            Ok(program) => {
                let program: program::Client = capnp_rpc::new_client(program);
                results.get().set_ok(program)?;
            }
            Err(error) => error.tell(results.get()),
        }
        Ok(())
    }

    async fn echo(
        self: Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), capnp::Error> {
        if self.seal.check().is_err() {
            Error::stale(&self.seal).tell(results.get());
            return Ok(());
        }
        let text = params.get()?.get_text()?.to_str()?;
        results.get().set_ok(&*format!("Echo: {text}"))
    }
}

fn launch(params: launch::Reader<'_>) -> Result<Launch> {
    let mut arguments = Vec::new();
    let mut bytes = 0;
    let mut word = |text: capnp::Result<capnp::text::Reader<'_>>| -> Result<String> {
        let text = text.map_err(unreadable)?.to_str().map_err(|error| {
            Error::Invalid(format!("arguments and variables are UTF-8: {error}"))
        })?;
        bytes += text.len();
        if bytes > LARGEST_WORDS || text.contains('\0') {
            return Err(Error::Invalid(format!(
                "arguments and variables have {LARGEST_WORDS} bytes at most, and no NUL"
            )));
        }
        Ok(text.to_owned())
    };
    for argument in params.get_arguments().map_err(unreadable)? {
        arguments.push(word(argument)?);
    }
    let mut variables = Vec::new();
    for variable in params.get_environment().map_err(unreadable)? {
        let name = word(variable.get_name())?;
        if name.is_empty() || name.contains('=') {
            let reason = format!("{name:?} is no name of a variable: it is empty or has a =");
            return Err(Error::Invalid(reason));
        }
        variables.push((name, word(variable.get_value())?));
    }
    Ok(Launch::new().arguments(arguments).environment(variables))
}

fn share(params: launch::Reader<'_>) -> Result<Share> {
    let budget: budget::Reader<'_> = params.get_budget().map_err(unreadable)?;
    let milliseconds = budget.get_milliseconds();
    Ok(Share {
        fuel: budget.get_fuel(),
        memory: budget.get_memory(),
        time: (milliseconds > 0).then(|| Duration::from_millis(milliseconds)),
        processes: budget.get_processes(),
    })
}

fn unreadable(error: capnp::Error) -> Error {
    Error::Invalid(format!("the call cannot be read: {error}"))
}
