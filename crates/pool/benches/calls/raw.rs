//! The same calls and instances on the engine alone, as somebody would write
//! them by hand: no budgets, no turns but a lock, no membranes, no names.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Mutex;
use wasmtime::component::{Component, Instance, InstancePre, Linker, TypedFunc, Val, WasmList};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::apps;

pub const OPS: &str = "bench:calls/ops@1.0.0";
pub const FRONT: &str = "bench:calls/front@1.0.0";

/// How the callee's functions are linked into the caller.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    /// By their types, known here.
    Typed,
    /// By the engine's dynamic values.
    Dynamic,
}

pub fn engine(pooled: bool) -> Engine {
    let mut config = Config::new();
    config.epoch_interruption(true).concurrency_support(false);
    if pooled {
        const INSTANCES: u32 = 10_000;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(INSTANCES)
            .total_core_instances(4 * INSTANCES)
            .total_memories(INSTANCES)
            .total_tables(2 * INSTANCES)
            .total_stacks(INSTANCES)
            .max_memory_size(64 << 20)
            .linear_memory_keep_resident(64 << 10);
        config
            .memory_reservation(64 << 20)
            .memory_guard_size(64 << 10)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Engine::new(&config).expect("this machine can run it")
}

pub fn store(engine: &Engine) -> Store<()> {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    store
}

pub fn prepared(engine: &Engine, bytes: &[u8]) -> InstancePre<()> {
    let component = Component::new(engine, bytes).expect("it compiles");
    let linker = Linker::new(engine);
    linker
        .instantiate_pre(&component)
        .expect("it imports nothing")
}

/// The same from compiled code in a file.
pub fn loaded(engine: &Engine, file: &Path) -> InstancePre<()> {
    // SAFETY: this program has just written it.
    let component = unsafe { Component::deserialize_file(engine, file) };
    let linker = Linker::new(engine);
    let component = component.expect("it was written for such an engine");
    linker
        .instantiate_pre(&component)
        .expect("it imports nothing")
}

/// An instance of the callee that was called once.
pub async fn called(engine: &Engine, pre: &InstancePre<()>) -> Store<()> {
    let mut store = store(engine);
    let instance = pre.instantiate_async(&mut store).await.expect("it starts");
    let add = function::<(u32, u32), (u32,)>(&mut store, &instance, OPS, "add");
    add.call_async(&mut store, (1, 2))
        .await
        .expect("it returns");
    store
}

pub fn function<P, R>(
    store: &mut Store<()>,
    instance: &Instance,
    interface: &str,
    name: &str,
) -> TypedFunc<P, R>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
{
    let interface = instance.get_export_index(&mut *store, None, interface);
    let place = instance.get_export_index(&mut *store, interface.as_ref(), name);
    let place = place.expect("it is exported");
    let function = instance.get_func(&mut *store, place).expect("a function");
    function.typed(&*store).expect("of these types")
}

/// The callee in its store, with its functions.
struct Callee {
    store: Store<()>,
    add: TypedFunc<(u32, u32), (u32,)>,
    echo: TypedFunc<(Vec<u8>,), (WasmList<u8>,)>,
    moved: wasmtime::component::Func,
}

/// Two components in two stores, linked.
pub struct Pair {
    store: Store<()>,
    adds: TypedFunc<(u32,), (u32,)>,
    echoes: TypedFunc<(u32, u32), (u32,)>,
    moves: TypedFunc<(u32,), (u32,)>,
}

impl Pair {
    pub async fn new(way: Way) -> Self {
        let engine = engine(false);
        let callee = Arc::new(Mutex::new(callee(&engine).await));
        let component = Component::new(&engine, apps::caller()).expect("it compiles");
        let mut linker = Linker::<()>::new(&engine);
        link(&mut linker, &callee, way).expect("it links");
        let mut store = store(&engine);
        let instance = linker.instantiate_async(&mut store, &component).await;
        let instance = instance.expect("it starts");
        Self {
            adds: function(&mut store, &instance, FRONT, "adds"),
            echoes: function(&mut store, &instance, FRONT, "echoes"),
            moves: function(&mut store, &instance, FRONT, "moves"),
            store,
        }
    }

    pub async fn adds(&mut self, times: u32) {
        let done = self.adds.call_async(&mut self.store, (times,)).await;
        assert_eq!(done.expect("it returns"), (times,));
    }

    pub async fn echoes(&mut self, times: u32, bytes: u32) {
        let done = self
            .echoes
            .call_async(&mut self.store, (times, bytes))
            .await;
        assert_eq!(done.expect("it returns"), (bytes,));
    }

    pub async fn moves(&mut self, times: u32) {
        let done = self.moves.call_async(&mut self.store, (times,)).await;
        done.expect("it returns");
    }
}

async fn callee(engine: &Engine) -> Callee {
    let mut store = store(engine);
    let pre = prepared(engine, &apps::callee());
    let instance = pre.instantiate_async(&mut store).await.expect("it starts");
    let interface = instance.get_export_index(&mut store, None, OPS);
    let place = instance.get_export_index(&mut store, interface.as_ref(), "move");
    let moved = instance.get_func(&mut store, place.expect("it is exported"));
    Callee {
        add: function(&mut store, &instance, OPS, "add"),
        echo: function(&mut store, &instance, OPS, "echo"),
        moved: moved.expect("a function"),
        store,
    }
}

fn link(linker: &mut Linker<()>, callee: &Arc<Mutex<Callee>>, way: Way) -> wasmtime::Result<()> {
    let mut ops = linker.instance(OPS)?;
    let to = Arc::clone(callee);
    ops.func_wrap_async("add", move |_, (a, b): (u32, u32)| {
        let to = Arc::clone(&to);
        Box::new(async move {
            let mut callee = to.lock().await;
            let add = callee.add;
            add.call_async(&mut callee.store, (a, b)).await
        })
    })?;
    let to = Arc::clone(callee);
    ops.func_wrap_async("echo", move |store, (bytes,): (WasmList<u8>,)| {
        let to = Arc::clone(&to);
        let bytes = bytes.as_le_slice(&store).to_vec();
        Box::new(async move {
            let mut callee = to.lock().await;
            let echo = callee.echo;
            let (echoed,) = echo.call_async(&mut callee.store, (bytes,)).await?;
            Ok((echoed.as_le_slice(&callee.store).to_vec(),))
        })
    })?;
    let to = Arc::clone(callee);
    match way {
        Way::Dynamic => ops.func_new_async("move", move |_, _, arguments, results| {
            let to = Arc::clone(&to);
            Box::new(async move {
                let mut callee = to.lock().await;
                let moved = callee.moved;
                moved
                    .call_async(&mut callee.store, arguments, results)
                    .await
            })
        })?,
        Way::Typed => ops.func_new("move", |_, _, _, _| Err(wasmtime::Error::msg("not used")))?,
    }
    Ok(())
}

/// The same in one store.
pub struct Fused {
    store: Store<()>,
    adds: TypedFunc<(u32,), (u32,)>,
    echoes: TypedFunc<(u32, u32), (u32,)>,
}

impl Fused {
    pub async fn new() -> Self {
        let engine = engine(false);
        let mut store = store(&engine);
        let pre = prepared(&engine, &apps::fused());
        let instance = pre.instantiate_async(&mut store).await.expect("it starts");
        Self {
            adds: function(&mut store, &instance, FRONT, "adds"),
            echoes: function(&mut store, &instance, FRONT, "echoes"),
            store,
        }
    }

    pub async fn adds(&mut self, times: u32) {
        let done = self.adds.call_async(&mut self.store, (times,)).await;
        done.expect("it returns");
    }

    pub async fn echoes(&mut self, times: u32, bytes: u32) {
        let done = self
            .echoes
            .call_async(&mut self.store, (times, bytes))
            .await;
        done.expect("it returns");
    }
}

/// A callee that the host calls, and a core function beside it.
pub struct Single {
    store: Store<()>,
    add: TypedFunc<(u32, u32), (u32,)>,
    dynamic: wasmtime::component::Func,
    core: wasmtime::TypedFunc<(u32, u32), u32>,
}

impl Single {
    pub async fn new() -> Self {
        let engine = engine(false);
        let mut store = store(&engine);
        let pre = prepared(&engine, &apps::callee());
        let instance = pre.instantiate_async(&mut store).await.expect("it starts");
        let module = wasmtime::Module::new(&engine, apps::module()).expect("it compiles");
        let core = wasmtime::Instance::new_async(&mut store, &module, &[]).await;
        let core = core.expect("it starts");
        let add = function(&mut store, &instance, OPS, "add");
        Self {
            dynamic: *add.func(),
            add,
            core: core
                .get_typed_func(&mut store, "add")
                .expect("it is exported"),
            store,
        }
    }

    pub async fn adds(&mut self, times: u32) {
        for n in 0..times {
            let sum = self.add.call_async(&mut self.store, (n, 1)).await;
            assert_eq!(sum.expect("it returns"), (n + 1,));
        }
    }

    pub async fn dynamic(&mut self, times: u32) {
        let mut results = [Val::Bool(false)];
        for n in 0..times {
            let arguments = [Val::U32(n), Val::U32(1)];
            let done = self
                .dynamic
                .call_async(&mut self.store, &arguments, &mut results);
            done.await.expect("it returns");
        }
    }

    pub async fn core(&mut self, times: u32) {
        for n in 0..times {
            let sum = self.core.call_async(&mut self.store, (n, 1)).await;
            assert_eq!(sum.expect("it returns"), n + 1);
        }
    }
}
