//! What one instance is started with, where others of the same wiring are
//! started with something else.

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{StdinStream, StdoutStream};

/// Arguments, variables and standard streams of one instance. It is put into the
/// extensions of its state before [`Wasi`](super::Wasi) is attached.
#[derive(Default)]
pub struct Launch {
    pub(super) environment: Vec<(String, String)>,
    settings: Vec<Setting>,
}

type Setting = Box<dyn FnOnce(&mut WasiCtxBuilder) + Send>;

impl Launch {
    /// Nothing: no arguments, no variables, an empty input; what it writes is kept
    /// by [`Wasi`](super::Wasi).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with arguments, of which the first is the program's name.
    #[must_use]
    pub fn arguments(self, arguments: Vec<String>) -> Self {
        self.with(move |wasi| {
            wasi.args(&arguments);
        })
    }

    /// The same with variables beside those that were granted.
    #[must_use]
    pub fn environment(mut self, variables: Vec<(String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// The same with an input.
    #[must_use]
    pub fn stdin(self, stdin: impl StdinStream + 'static) -> Self {
        self.with(|wasi| {
            wasi.stdin(stdin);
        })
    }

    /// The same with outputs.
    #[must_use]
    pub fn outputs(
        self,
        stdout: impl StdoutStream + 'static,
        stderr: impl StdoutStream + 'static,
    ) -> Self {
        self.with(|wasi| {
            wasi.stdout(stdout).stderr(stderr);
        })
    }

    fn with(mut self, setting: impl FnOnce(&mut WasiCtxBuilder) + Send + 'static) -> Self {
        self.settings.push(Box::new(setting));
        self
    }

    pub(super) fn apply(&mut self, wasi: &mut WasiCtxBuilder) {
        for setting in self.settings.drain(..) {
            setting(wasi);
        }
    }
}
