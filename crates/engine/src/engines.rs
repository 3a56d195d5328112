//! The engines in use, and what they have compiled.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Component;
use wasmtime::{Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ProfilingStrategy};

use crate::cache::Cache;
use crate::compilers::Compilers;
use crate::ticker::Ticker;
use crate::{Allocation, Error, Kind, Profile, Result, cache};

/// How the engines are set up.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The folder of compiled code. `None` means that nothing is kept.
    pub cache: Option<PathBuf>,
    /// How many threads compile; `None` is one for each core. Where guests run
    /// while others are compiled, one less than there are cores keeps their
    /// latency.
    pub compilers: Option<NonZeroUsize>,
    /// Whether the names of guest functions are written to `/tmp/perf-PID.map`,
    /// for `perf report`.
    pub perf_map: bool,
}

/// All engines of a process: one for each [`Kind`] in use, built when it is
/// first asked for. Cloning is cheap and shares them.
#[derive(Clone)]
pub struct Engines {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    cache: Option<Cache>,
    compilers: Compilers,
    ticker: Ticker,
    built: Mutex<HashMap<Kind, Engine>>,
}

/// A component, compiled for one kind of engine.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) component: Component,
    pub(crate) kind: Kind,
    pub(crate) ticker: Ticker,
}

impl Compiled {
    /// The compiled component.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// The kind of engine it was compiled for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The engine it was compiled for.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.component.engine()
    }
}

impl Engines {
    /// Prepares the engines; none is built yet.
    ///
    /// # Errors
    ///
    /// [`Error::Cache`] where the cache folder cannot be used,
    /// [`Error::Setup`] where the epoch's thread cannot be started.
    pub fn new(config: Config) -> Result<Self> {
        let cache = config.cache.as_deref().map(cache::open).transpose()?;
        let ticker = Ticker::start().map_err(|e| Error::Setup(e.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                cache,
                compilers: Compilers::default(),
                ticker,
                built: Mutex::default(),
            }),
        })
    }

    /// The engine of a kind.
    ///
    /// # Errors
    ///
    /// [`Error::Setup`] where this machine cannot run such an engine.
    pub fn engine(&self, kind: Kind) -> Result<Engine> {
        let mut built = self
            .inner
            .built
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = built.get(&kind) {
            return Ok(engine.clone());
        }
        let with = |reserved| {
            let mut settings = settings(kind, reserved);
            if self.inner.config.perf_map {
                settings.profiler(ProfilingStrategy::PerfMap);
            }
            Engine::new(&settings)
        };
        let engine = match kind.allocation {
            Allocation::Dense => with(WHOLE).or_else(|_| with(LARGEST)),
            Allocation::OnDemand => with(WHOLE),
        };
        let engine = engine.map_err(|e| Error::Setup(format!("{e:#}")))?;
        self.inner.ticker.add(engine.weak());
        built.insert(kind, engine.clone());
        Ok(engine)
    }

    /// Compiles a component, or takes it from the cache. Compiling takes as long
    /// and as much memory as the component has code, some KiB for each function;
    /// it is done by threads that give way to all others, and the one that asks
    /// waits for it. A worker of a runtime has better things to do
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    ///
    /// [`Error::Compile`] where the bytes are not a component that this engine
    /// can run.
    pub fn compile(&self, kind: Kind, bytes: &[u8]) -> Result<Compiled> {
        let engine = self.engine(kind)?;
        let compile = || {
            let compilers = &self.inner.compilers;
            compilers.run(self.inner.config.compilers, || {
                Component::new(&engine, bytes)
            })
        };
        let component = match &self.inner.cache {
            Some(cache) => cache.component(&engine, bytes, compile),
            None => compile(),
        };
        let component = component.map_err(|e| Error::Compile(format!("{e:#}")))?;
        Ok(Compiled {
            component,
            kind,
            ticker: self.inner.ticker.clone(),
        })
    }

    /// How often compiled code was found in the cache, and how often not.
    #[must_use]
    pub fn cache_hits_and_misses(&self) -> (usize, usize) {
        match &self.inner.cache {
            Some(cache) => cache.hits_and_misses(),
            None => (0, 0),
        }
    }
}

/// Bytes of addresses for a memory within which all that code can reach lies, so
/// that it is compiled without checks. Ten thousand of them take 40 TiB of the 128
/// that a process mostly has.
const WHOLE: u64 = 4 << 30;
/// Bytes that a memory of the dense pool may have: with no more addresses than that
/// for each, code checks what it reaches for.
const LARGEST: u64 = 64 << 20;

fn settings(kind: Kind, reserved: u64) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(kind.metered)
        .wasm_component_model(true)
        .wasm_component_model_async(kind.profile == Profile::Task)
        .concurrency_support(kind.profile == Profile::Task)
        .memory_init_cow(true);
    match kind.allocation {
        Allocation::Dense => {
            config
                .memory_reservation(reserved)
                .memory_guard_size(64 << 10)
                .allocation_strategy(InstanceAllocationStrategy::Pooling(dense()));
        }
        Allocation::OnDemand => {
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        }
    }
    config
}

/// Slots for ten thousand small instances, of which no component takes many.
fn dense() -> PoolingAllocationConfig {
    const INSTANCES: u32 = 10_000;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(4 * INSTANCES)
        .total_memories(INSTANCES)
        .total_tables(2 * INSTANCES)
        .total_stacks(INSTANCES)
        .max_memories_per_component(4)
        .max_tables_per_component(16)
        .max_core_instances_per_component(64)
        .max_memory_size(LARGEST as usize)
        .linear_memory_keep_resident(64 << 10);
    pool
}
