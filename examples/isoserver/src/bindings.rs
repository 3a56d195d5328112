//! What is generated from the WIT: types, the apps' side and the host's.

use vesicle_pool::{Interface, Result};

mod generated {
    #![allow(missing_docs, reason = "generated; the interfaces document themselves")]
    vesicle_pool::engine::wasmtime::component::bindgen!({
        path: "wit",
        world: "app",
        wasmtime_crate: vesicle_pool::engine::wasmtime,
        exports: { default: async },
    });
}

pub(crate) use generated::App;
pub use generated::exports::isoserver::app::handler::{Request, Response};
pub(crate) use generated::isoserver::app::{clock, kv};

/// The interface by which apps are called.
pub(crate) const HANDLER: &str = "isoserver:app/handler@0.1.0";

/// The interfaces that apps may import and export, by their names in the WIT.
pub(crate) struct Interfaces(Vec<Interface>);

impl Interfaces {
    /// Reads the WIT that the bindings were generated from.
    ///
    /// # Errors
    ///
    /// [`vesicle_pool::Error::Wit`].
    pub fn read() -> Result<Self> {
        Interface::from_wit(include_str!("../wit/app.wit")).map(Self)
    }

    /// All of them.
    pub fn all(&self) -> &[Interface] {
        &self.0
    }

    /// The one of that name, in a list as providers return it.
    pub fn one(&self, name: &str) -> Vec<Interface> {
        let found = self.0.iter().filter(|it| it.name.interface() == name);
        found.cloned().collect()
    }
}
