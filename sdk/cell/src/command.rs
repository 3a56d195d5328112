//! A process to be started.

use std::time::Duration;

use capnp::capability::{Client, FromClientHook};
use vesicle_protocol::cell_capnp::{executor, launch, program};

use crate::{Process, Result, ok};

/// What a process may use, of what the program may itself. Nothing said is as much
/// as is left there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Units of fuel, over all that it starts; one at least.
    pub fuel: Option<u64>,
    /// Bytes of memories and tables, over all that it starts; one at least.
    pub memory: Option<u64>,
    /// How long it may live, waiting included.
    pub time: Option<Duration>,
    /// How many processes it may be, itself and all that those start; one at least.
    pub processes: Option<u32>,
}

/// A component, and what it is started with.
pub struct Command<'a> {
    what: What<'a>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    bootstrap: Option<Client>,
    budget: Budget,
}

/// What is started.
enum What<'a> {
    Bytes(executor::Client, &'a [u8]),
    Program(program::Client),
}

impl<'a> Command<'a> {
    pub(crate) fn of_bytes(executor: executor::Client, wasm: &'a [u8]) -> Self {
        Self::new(What::Bytes(executor, wasm))
    }

    pub(crate) fn of_program(program: program::Client) -> Self {
        Self::new(What::Program(program))
    }

    fn new(what: What<'a>) -> Self {
        Self {
            what,
            arguments: Vec::new(),
            environment: Vec::new(),
            bootstrap: None,
            budget: Budget::default(),
        }
    }

    /// With one argument more. The first is the program's name.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With one variable more.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Hands it this capability, and nothing else. Without one it finds a membrane
    /// that gives the session that it is started from.
    #[must_use]
    pub fn hand<C: FromClientHook>(mut self, capability: C) -> Self {
        self.bootstrap = Some(capability.cast_to());
        self
    }

    /// With a budget.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) where it is no component that can be
    /// run, [`Error::Exhausted`](crate::Error::Exhausted) where the program's own
    /// account is.
    pub async fn start(self) -> Result<Process> {
        let started = match &self.what {
            What::Bytes(executor, wasm) => {
                let mut request = executor.run_bytes_request();
                request.get().set_wasm(wasm);
                self.fill(request.get().init_launch());
                let answer = request.send().promise.await?;
                ok(answer.get()?)?
            }
            What::Program(program) => {
                let mut request = program.start_request();
                self.fill(request.get().init_launch());
                let answer = request.send().promise.await?;
                ok(answer.get()?)?
            }
        };
        Ok(Process::new(started))
    }

    fn fill(&self, mut launch: launch::Builder<'_>) {
        let mut arguments = launch
            .reborrow()
            .init_arguments(self.arguments.len() as u32);
        for (at, argument) in (0..).zip(&self.arguments) {
            arguments.set(at, argument);
        }
        let mut environment = launch
            .reborrow()
            .init_environment(self.environment.len() as u32);
        for (at, (name, value)) in (0..).zip(&self.environment) {
            let mut variable = environment.reborrow().get(at);
            variable.set_name(name);
            variable.set_value(value);
        }
        if let Some(bootstrap) = &self.bootstrap {
            let mut slot = launch.reborrow().init_bootstrap();
            slot.set_as_capability(bootstrap.hook.clone());
        }
        let mut budget = launch.init_budget();
        // Zero is as much as there is.
        budget.set_fuel(self.budget.fuel.map_or(0, |fuel| fuel.max(1)));
        budget.set_memory(self.budget.memory.map_or(0, |bytes| bytes.max(1)));
        let time = self.budget.time.map_or(0, |time| time.as_millis().max(1));
        budget.set_milliseconds(u64::try_from(time).unwrap_or(u64::MAX));
        budget.set_processes(self.budget.processes.map_or(0, |count| count.max(1)));
    }
}
