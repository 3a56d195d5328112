//! Membranes around interfaces: tokens that show some functions only, and that
//! can be taken back.
//!
//! Invariant: whatever goes through a token from [`around`] fails from the
//! moment that its epoch is over: calls that begin, calls that wait for their
//! turn, and calls in flight, which the callee finishes for nobody.

use std::sync::Arc;

use vesicle_engine::State;
use vesicle_membrane::Seal;
use wasmtime::component::Linker;

pub use vesicle_membrane::{Membrane, Revoked};

use crate::resident::Function;
use crate::{Error, Interface, InterfaceName, Provider, Resident, Result, Token, link};

/// A provider behind a membrane.
struct Guarded {
    inner: Arc<dyn Provider>,
    /// What can be seen of it.
    interface: Interface,
    seal: Seal,
}

/// A token for some functions of what another stands for, until the membrane's
/// epoch is over.
///
/// # Errors
///
/// [`Error::NotCallable`] where no instance is behind the token,
/// [`Error::NotExported`] where there is no such function.
pub fn around(membrane: &Membrane, token: &Token, allowed: &[&str]) -> Result<Token> {
    for function in allowed {
        token.provider.function(token.interface(), function)?;
    }
    let shown = |structure: &crate::Structure| structure.only(allowed);
    let interface = Interface {
        name: token.interface.name.clone(),
        structure: token.interface.structure.as_ref().map(shown),
    };
    Ok(Token {
        provider: Arc::new(Guarded {
            inner: Arc::clone(&token.provider),
            interface: interface.clone(),
            seal: membrane.seal(),
        }),
        interface,
    })
}

impl Guarded {
    fn functions(&self) -> impl Iterator<Item = &str> {
        let structure = self.interface.structure.iter();
        structure.flat_map(|structure| structure.functions())
    }
}

impl Provider for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn interfaces(&self) -> Vec<Interface> {
        vec![self.interface.clone()]
    }

    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let (Some(structure), Some(resident)) = (&self.interface.structure, self.resident()) else {
            return Ok(());
        };
        let mut slot = linker.instance(&interface.to_string())?;
        let answers = |name: &str| self.function(interface, name);
        link::interface(&mut slot, interface, structure, resident.kinds(), answers)
    }

    fn attach(&self, _: &mut State) -> Result<()> {
        Ok(())
    }

    fn resident(&self) -> Option<&Resident> {
        self.inner.resident()
    }

    fn function(&self, interface: &InterfaceName, function: &str) -> Result<Function> {
        if self.functions().any(|shown| shown == function) {
            let inner = self.inner.function(interface, function)?;
            return Ok(inner.behind(self.seal.clone()));
        }
        Err(Error::NotExported {
            instance: format!("{} behind its membrane", self.name()),
            what: format!("{interface}.{function}"),
            exports: self.functions().map(str::to_owned).collect(),
        })
    }
}
