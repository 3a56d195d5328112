//! Whatever stands behind imports: system implementations in Rust.

use std::sync::Arc;

use vesicle_engine::State;
use wasmtime::component::Linker;
use wit_parser::Resolve;

use crate::{Error, Function, InterfaceName, Resident, Result, Structure};

/// Implements one or several interfaces that share state.
///
/// A provider is what an instance is given for its imports. It is linked once
/// for a wiring and attached to each instance made from it.
pub trait Provider: Send + Sync + 'static {
    /// What the provider is called in errors.
    fn name(&self) -> &str;

    /// The interfaces it offers.
    fn interfaces(&self) -> Vec<Interface>;

    /// Puts the functions of one of its interfaces into a linker.
    ///
    /// # Errors
    ///
    /// Whatever the linker says.
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()>;

    /// Puts what the functions need into the state of a new instance.
    ///
    /// # Errors
    ///
    /// [`Error::Provider`](crate::Error::Provider) where that cannot be had.
    fn attach(&self, state: &mut State) -> Result<()>;

    /// The instance that answers, where it is one of the pool.
    fn resident(&self) -> Option<&Resident> {
        None
    }

    /// The instance that answers, with all that it exports.
    ///
    /// # Errors
    ///
    /// [`Error::NotCallable`] where none does, [`Error::Guarded`] where a
    /// membrane shows only a part of it.
    fn whole(&self) -> Result<&Resident> {
        Err(match self.resident() {
            None => Error::NotCallable {
                provider: self.name().to_owned(),
            },
            Some(resident) => Error::Guarded {
                instance: resident.name().to_owned(),
            },
        })
    }

    /// A function of one of its interfaces, to be called.
    ///
    /// # Errors
    ///
    /// [`Error::NotCallable`] where no instance answers, [`Error::NotExported`].
    fn function(&self, _: &InterfaceName, _: &str) -> Result<Function> {
        Err(Error::NotCallable {
            provider: self.name().to_owned(),
        })
    }
}

/// An interface that can be imported.
#[derive(Debug, Clone)]
pub struct Interface {
    /// Its full name.
    pub name: InterfaceName,
    /// Its structure. `None` where the implementation is statically typed:
    /// the engine compares its own types when the interface is linked.
    pub structure: Option<Structure>,
}

impl Interface {
    /// The interfaces of a package, or of several, from their WIT text.
    ///
    /// # Errors
    ///
    /// [`Error::Wit`] with the place where the text is wrong.
    pub fn from_wit(text: &str) -> Result<Vec<Self>> {
        let wrong = |reason: String| Error::Wit { reason };
        let mut resolve = Resolve::default();
        let package = resolve
            .push_str("interface.wit", text)
            .map_err(|error| wrong(format!("{error:#}")))?;
        let interfaces = resolve.packages[package].interfaces.values();
        interfaces
            .map(|id| {
                let name = resolve.id_of(*id);
                let name = name.ok_or_else(|| wrong("an interface has no name".into()))?;
                Ok(Self {
                    name: name.parse()?,
                    structure: Some(Structure::of(&resolve, *id)),
                })
            })
            .collect()
    }
}

/// One interface of one provider: what an import is wired to.
#[derive(Clone)]
pub struct Token {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) interface: Interface,
}

impl Token {
    /// A token for each interface of a provider that nobody else holds.
    #[must_use]
    pub fn of(provider: impl Provider) -> Vec<Self> {
        let provider: Arc<dyn Provider> = Arc::new(provider);
        Self::all(&provider)
    }

    /// A token for each interface of a provider.
    #[must_use]
    pub fn all(provider: &Arc<dyn Provider>) -> Vec<Self> {
        provider
            .interfaces()
            .into_iter()
            .map(|interface| Self {
                provider: Arc::clone(provider),
                interface,
            })
            .collect()
    }

    /// The interface behind the token.
    #[must_use]
    pub fn interface(&self) -> &InterfaceName {
        &self.interface.name
    }
}
