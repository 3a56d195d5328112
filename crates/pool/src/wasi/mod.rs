//! WASI, wired like any other interface.
//!
//! [`Wasi::deny_all`] stands behind all WASI interfaces and lets nothing
//! through; [`Wasi::new`] lets through what its [`Grants`] name. Every access
//! to files, network and environment is decided here and written to the
//! [`Audit`].
//!
//! Not offered, and so refused at admission: `wasi:filesystem@0.3` and
//! `wasi:http`.

mod environment;
mod files;
mod grants;
mod guard;
mod interfaces;
mod launch;
mod network;
mod stderr;
mod tree;
mod view;

pub use grants::{Endpoint, FileGrant, FolderGrant, Grants};
pub use launch::Launch;
pub use stderr::Stderr;
pub use tree::{Tree, TreeEntry, TreeGrant, TreeKind, TreeStat};

use std::sync::Arc;

use vesicle_engine::State;
use wasmtime::component::Linker;
use wasmtime_wasi::{FsPerms, WasiCtx};

use crate::{Audit, Error, Interface, InterfaceName, Provider, Result};

/// Reading a file takes less time than handing the read to another thread, so
/// file operations run where the guest runs.
const BLOCK_IN_PLACE: bool = true;

/// The provider of WASI for one component.
pub struct Wasi {
    component: Arc<str>,
    grants: Grants,
    audit: Audit,
    stderr: Stderr,
}

impl Wasi {
    /// WASI for the component of that name, with these grants.
    #[must_use]
    pub fn new(component: &str, grants: Grants, audit: Audit) -> Self {
        Self {
            component: component.into(),
            grants,
            audit,
            stderr: Stderr::new(component),
        }
    }

    /// WASI that lets nothing through.
    #[must_use]
    pub fn deny_all(component: &str) -> Self {
        Self::new(component, Grants::default(), Audit::default())
    }

    /// What the component has written to its standard error and output.
    #[must_use]
    pub fn stderr(&self) -> &Stderr {
        &self.stderr
    }

    /// All interfaces that this provider offers.
    #[must_use]
    pub fn offered() -> Vec<Interface> {
        interfaces::all()
    }

    fn failed(&self, what: &str, reason: impl std::fmt::Display) -> Error {
        Error::Provider {
            provider: format!("WASI for {}", self.component),
            reason: format!("{what}: {reason}"),
        }
    }
}

impl Provider for Wasi {
    fn name(&self) -> &str {
        "WASI"
    }

    fn interfaces(&self) -> Vec<Interface> {
        interfaces::all()
    }

    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        interfaces::link(interface, linker)
    }

    fn attach(&self, state: &mut State) -> Result<()> {
        let mut wasi = WasiCtx::builder();
        wasi.allow_blocking_current_thread(BLOCK_IN_PLACE)
            .stdout(self.stderr.clone())
            .stderr(self.stderr.clone());
        let mut variables = self.grants.env.clone();
        if let Some(launch) = state.extensions.get_mut::<Launch>() {
            variables.append(&mut launch.environment);
            launch.apply(&mut wasi);
        }
        wasi.envs(&variables);
        let guard = guard::Guard::new(
            Arc::clone(&self.component),
            &self.grants,
            self.audit.clone(),
        );
        if let Some(folder) = guard.second_root() {
            let reason = "a folder and a tree cannot both be the guest's root";
            return Err(self.failed(folder, reason));
        }
        for root in guard.roots() {
            let Some(host) = root.host() else {
                continue;
            };
            let perms = if root.is_writable() {
                FsPerms::ReadWrite
            } else {
                FsPerms::ReadOnly
            };
            wasi.preopened_dir(host, root.guest(), perms)
                .map_err(|e| self.failed(&format!("{}", host.display()), e))?;
        }
        network::allow(
            &mut wasi,
            &self.component,
            &self.grants.connect,
            &self.audit,
        );
        state.wasi = wasi.build();
        state.extensions.insert(guard);
        state.extensions.insert(environment::Asked::new(
            &self.component,
            &variables,
            &self.audit,
        ));
        state.extensions.insert(network::Names::new(
            &self.component,
            &self.grants.connect,
            &self.audit,
        ));
        Ok(())
    }
}
