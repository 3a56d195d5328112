//! Processes: started cold, from the cache and warm, against bare instances that
//! run the same code; taken back; and many that do nothing.

use std::time::{Duration, Instant};

use vesicle_cell::{Account, Cells, Exit, Limits};
use vesicle_engine::{Config, Engines, Kind, Store};
use wasmtime::component::Linker;

use crate::{Measured, Samples, cell, cells, guest, is_wanted, measured, print};

/// How many cells do nothing.
const IDLE: usize = 5_000;
/// For how long they are watched.
const WATCHED: Duration = Duration::from_secs(2);

/// Measures all cases.
pub async fn measure(runs: u32) {
    warm(runs).await;
    cold(runs).await;
    revoked(runs).await;
    idle().await;
}

/// A process that a cell starts and waits for, over an instance that runs the same.
async fn warm(runs: u32) {
    const TIMES: usize = 500;
    let case = "a process started and waited for, warm";
    if !is_wanted(case) {
        return;
    }
    let (cells, bare) = (cells(), Bare::new());
    let mut samples = Samples {
        case: case.to_owned(),
        baseline: "a bare instance that runs the same",
        pairs: Vec::new(),
    };
    for run in 0..=runs {
        let subject = measured(&cells, &["spawn", &TIMES.to_string()]).await;
        let mut each = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            bare.run().await;
            each.push(began.elapsed().as_nanos());
        }
        if run > 0 {
            let all = each.iter().sum();
            samples.pairs.push((subject, Measured::of(each, all)));
        }
    }
    samples.print("p50", "µs", |it| it.p50 / 1_000.0);
}

/// The engine alone, with WASI of its own.
struct Bare {
    compiled: vesicle_engine::Compiled,
    pre: wasmtime::component::InstancePre<vesicle_engine::State>,
}

impl Bare {
    fn new() -> Self {
        let engines = Engines::new(Config::default()).expect("engines");
        let wasm = std::fs::read(guest()).expect("the guest");
        let compiled = engines.compile(Kind::CALL, &wasm).expect("it compiles");
        let mut linker = Linker::new(compiled.engine());
        vesicle_engine::wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
        linker
            .define_unknown_imports_as_traps(compiled.component())
            .expect("the link");
        let pre = linker.instantiate_pre(compiled.component());
        Self {
            pre: pre.expect("it fits"),
            compiled,
        }
    }

    async fn run(&self) {
        let mut store = Store::new(&self.compiled, vesicle_engine::Budget::default());
        let arguments = ["bare", "nothing"];
        store.state_mut().wasi = vesicle_engine::wasmtime_wasi::WasiCtx::builder()
            .args(&arguments)
            .build();
        let pre = self.pre.clone();
        let ran = store.run(async move |store| {
            let instance = pre.instantiate_async(&mut *store).await?;
            let run = instance.get_export_index(&mut *store, None, "wasi:cli/run@0.2.12");
            let run = run.or_else(|| {
                ["0.2.0", "0.2.3", "0.2.6", "0.2.9"]
                    .into_iter()
                    .find_map(|version| {
                        let name = format!("wasi:cli/run@{version}");
                        instance.get_export_index(&mut *store, None, &name)
                    })
            });
            let run = instance.get_export_index(&mut *store, run.as_ref(), "run");
            let run = run.expect("it can be run");
            let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run)?;
            run.call_async(store, ()).await
        });
        ran.await.expect("it runs").0.expect("it does nothing");
    }
}

/// A cell that is compiled first, over one whose code is in the cache.
async fn cold(runs: u32) {
    let case = "a cell compiled and run";
    if !is_wanted(case) {
        return;
    }
    let (mut fresh, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let folder = tempfile::tempdir().expect("a folder");
        for samples in [&mut fresh, &mut cached] {
            let engines = Engines::new(Config {
                cache: Some(folder.path().to_owned()),
                ..Config::default()
            });
            let cells = Cells::new(engines.expect("engines")).expect("threads");
            let began = Instant::now();
            let running = cells.start(cell(&["nothing"])).await.expect("a cell");
            assert_eq!(running.wait().await, Exit::Code(0));
            samples.push(began.elapsed().as_nanos() as f64 / 1e6);
        }
    }
    print(
        case,
        "a run",
        "ms",
        "the same from the cache",
        &fresh,
        &cached,
    );
}

/// From the end of an epoch to the end of a cell that was told so.
async fn revoked(runs: u32) {
    let case = "the end of an epoch until a cell has ended for it";
    if !is_wanted(case) {
        return;
    }
    let cells = cells();
    let (mut taken, mut killed) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        for (samples, is_killed) in [(&mut taken, false), (&mut killed, true)] {
            let command = cell(&["until-revoked"]);
            let membrane = std::sync::Arc::clone(&command.membrane);
            let running = cells.start(command).await.expect("a cell");
            let ready = running.stdout.read(usize::MAX).await;
            assert_eq!(ready.bytes, b"ready\n");
            let began = Instant::now();
            if is_killed {
                assert_eq!(running.kill().await, Exit::Killed);
            } else {
                membrane.advance();
                assert_eq!(running.wait().await, Exit::Code(0));
            }
            if run > 0 {
                samples.push(began.elapsed().as_nanos() as f64 / 1_000.0);
            }
        }
    }
    print(case, "a cell", "µs", "killing it instead", &taken, &killed);
}

/// What many cells that do nothing take, of memory and of the processor.
async fn idle() {
    let case = "5,000 idle cells";
    if !is_wanted(case) {
        return;
    }
    let cells = cells();
    let account = Account::new(&Limits {
        memory: 64 << 30,
        processes: 2 * IDLE as u32,
        ..Limits::default()
    });
    let before = resident();
    let mut held = Vec::new();
    for _ in 0..IDLE {
        let mut command = cell(&["until-revoked"]);
        command.arguments = vec!["bench".to_owned(), "idle".to_owned()];
        command.account = Some(account.clone());
        held.push(cells.start(command).await.expect("a cell"));
    }
    settle().await;
    let each = (resident() - before) as f64 / 1024.0 / IDLE as f64;
    print(case, "each", "KiB", "the aim", &[each], &[256.0]);
    let began = processor();
    tokio::time::sleep(WATCHED).await;
    let used = (processor() - began).as_secs_f64() * 1e3;
    print(
        case,
        "processor time in 2 s",
        "ms",
        "the aim",
        &[used],
        &[10.0],
    );
}

/// Waits until nothing is computed any more.
async fn settle() {
    loop {
        let before = processor();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if processor() == before {
            return;
        }
    }
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: u64 = status
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("pages");
    pages * 4096
}

/// Processor time of this process, in ticks of 10 ms.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let (_, fields) = stat.rsplit_once(')').expect("fields behind the name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
