//! Components that processes are made from, compiled and wired once.
//!
//! Invariant: two processes of the same bytes have the same program, whoever
//! started them, since a program holds no authority: what a process is given is
//! put into its own store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use vesicle_pool::wasi::{Grants, Wasi};
use vesicle_pool::{Admission, Audit, Pool, Provider, Surface, Token, Wired};

use crate::link::Links;
use crate::{Error, Result};

/// Bytes of components that are remembered.
const REMEMBERED: usize = 256 << 20;
/// The interfaces of which a program exports one, without their patch versions.
const RUNS: [&str; 2] = ["wasi:cli/run@0.2", "wasi:cli/run@0.3"];
/// Bytes that an instance of the dense pool may have.
const DENSE: u64 = 64 << 20;

/// The bytes of a component. Cloning shares them.
#[derive(Clone, PartialEq, Eq)]
pub struct Component(Arc<[u8]>);

impl Component {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// How many bytes it has.
    pub(crate) fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self == other
    }
}

/// A component that can be run as a process.
pub struct Program {
    wired: Wired,
    /// The full name of the interface by which it is run.
    run: String,
}

/// Programs that were made, the newest last.
pub(crate) struct Programs {
    pool: Pool,
    known: Mutex<VecDeque<Known>>,
}

struct Known {
    component: Component,
    admission: Admission,
    program: Arc<Program>,
}

impl Program {
    pub(crate) fn wired(&self) -> &Wired {
        &self.wired
    }

    pub(crate) fn run(&self) -> &str {
        &self.run
    }
}

impl Programs {
    pub fn new(pool: Pool) -> Result<Self> {
        let links = Links;
        let interfaces = Wasi::offered().into_iter().chain(links.interfaces());
        for interface in interfaces {
            let declared = pool.declare(interface);
            declared.map_err(|error| Error::Other(error.to_string()))?;
        }
        Ok(Self {
            pool,
            known: Mutex::default(),
        })
    }

    /// What instances have to be like.
    pub fn admission(metered: bool, memory: u64) -> Admission {
        Admission {
            metered,
            dense: memory <= DENSE,
        }
    }

    /// The program of a component, if there is one.
    pub fn known(&self, component: &Component, admission: Admission) -> Option<Arc<Program>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |it: &Known| it.admission == admission && it.component.is(component);
        let at = known.iter().rposition(is_it)?;
        let found = known.remove(at)?;
        let program = Arc::clone(&found.program);
        known.push_back(found);
        Some(program)
    }

    /// The component as it is known, which is found without comparing bytes.
    pub fn same(&self, component: Component) -> Component {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|it| it.component.is(&component));
        found.map_or(component, |it| it.component.clone())
    }

    /// Makes the program of a component, which takes the compiler's time.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where it cannot be run.
    pub fn make(&self, component: Component, admission: Admission) -> Result<Arc<Program>> {
        let program = self.with(&component, admission, Grants::default(), Audit::default())?;
        let program = Arc::new(program);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_back(Known {
            component,
            admission,
            program: Arc::clone(&program),
        });
        while known.len() > 1
            && known.iter().map(|it| it.component.0.len()).sum::<usize>() > REMEMBERED
        {
            known.pop_front();
        }
        Ok(program)
    }

    /// Makes a program that can reach more than its link, which nobody else gets.
    ///
    /// # Errors
    ///
    /// As [`Programs::make`].
    pub fn with(
        &self,
        component: &Component,
        admission: Admission,
        grants: Grants,
        audit: Audit,
    ) -> Result<Program> {
        let invalid = |error: vesicle_pool::Error| Error::Invalid(error.to_string());
        // Each dense pool takes a good part of the mappings that a host may have, so
        // there is none for those that wait by themselves.
        let admission = Admission {
            dense: admission.dense && !Surface::read(&component.0).map_err(invalid)?.waits(),
            ..admission
        };
        let app = self.pool.admit_as("the component", &component.0, admission);
        let app = app.map_err(invalid)?;
        let exports = app.surface().exports.keys();
        let run = exports.into_iter().find(|name| is_run(name)).cloned();
        let run = run.ok_or_else(|| {
            Error::Invalid(format!(
                "the component cannot be run: it exports neither {} nor {}; it has to be a command",
                RUNS[0], RUNS[1]
            ))
        })?;
        let mut tokens = Token::of(Wasi::new("the cell", grants, audit));
        tokens.extend(Token::of(Links));
        let wired = self.pool.wire(&app, &tokens).map_err(invalid)?;
        Ok(Program { wired, run })
    }
}

fn is_run(name: &str) -> bool {
    let patch = |run: &str| name.strip_prefix(run)?.strip_prefix('.');
    RUNS.into_iter().any(|run| patch(run).is_some())
}
