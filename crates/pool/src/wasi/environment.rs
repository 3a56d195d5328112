//! The environment: only granted variables are there to see.

use vesicle_engine::State;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::{p2, p3};

use crate::Audit;
use crate::audit::Access;

/// Writes to the audit that the guest asked for its environment.
pub(super) struct Asked {
    component: String,
    target: String,
    any: bool,
    audit: Audit,
}

impl Asked {
    pub fn new(component: &str, granted: &[(String, String)], audit: &Audit) -> Self {
        let names: Vec<_> = granted.iter().map(|(name, _)| name.as_str()).collect();
        Self {
            component: component.to_owned(),
            any: !names.is_empty(),
            target: if names.is_empty() {
                "all variables".to_owned()
            } else {
                names.join(", ")
            },
            audit: audit.clone(),
        }
    }
}

fn asked(state: &mut State) -> Vec<(String, String)> {
    if let Some(asked) = state.extensions.get::<Asked>() {
        asked.audit.record(
            &asked.component,
            Access::Environment,
            &asked.target,
            asked.any,
        );
    }
    p2::bindings::cli::environment::Host::get_environment(&mut state.cli()).unwrap_or_default()
}

pub(super) fn link_p2(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p2::bindings::cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    linker
        .instance("wasi:cli/environment@0.2.12")?
        .func_wrap("get-environment", |mut store, (): ()| {
            Ok((asked(store.data_mut()),))
        })
}

pub(super) fn link_p3(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p3::bindings::cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    linker
        .instance("wasi:cli/environment@0.3.0")?
        .func_wrap("get-environment", |mut store, (): ()| {
            Ok((asked(store.data_mut()),))
        })
}
