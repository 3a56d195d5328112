//! Processes: started cold, from the cache and warm, against bare instances that
//! run the same code; taken back; and many that do nothing.

use std::time::{Duration, Instant};

use vesicle_cell::{Account, Cells, Exit, Limits, Links};
use vesicle_engine::{Budget, Config, Engines};
use vesicle_pool::wasi::{Grants, Launch, Wasi};
use vesicle_pool::{Admission, Pool, Provider as _, Token, Wired};

use crate::{Measured, Samples, cell, cells, guest, is_wanted, measured, print};

/// How many cells do nothing.
const IDLE: usize = 5_000;
/// For how long they are watched.
const WATCHED: Duration = Duration::from_secs(2);

/// Measures all cases.
pub async fn measure(runs: u32) {
    let case = "a process started and waited for, warm";
    warm(runs, case, "spawn").await;
    let case = "the same, its bytes sent each time";
    warm(runs, case, "spawn-bytes").await;
    cold(runs).await;
    revoked(runs).await;
    idle().await;
}

/// A process that a cell starts and waits for, over an instance that runs the same.
async fn warm(runs: u32, case: &str, word: &str) {
    const TIMES: usize = 500;
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
        let subject = measured(&cells, &[word, &TIMES.to_string()]).await;
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

/// An instance in a store of its own, with nothing around it.
struct Bare(Wired);

impl Bare {
    fn new() -> Self {
        let engines = Engines::new(Config::default()).expect("engines");
        let pool = Pool::new(engines);
        let offered = Wasi::offered().into_iter().chain(Links.interfaces());
        for interface in offered {
            pool.declare(interface).expect("an interface");
        }
        let wasm = std::fs::read(guest()).expect("the guest");
        let admission = Admission {
            dense: true,
            ..Admission::default()
        };
        let app = pool
            .admit_as("bare", &wasm, admission)
            .expect("it compiles");
        let mut tokens = Token::of(Wasi::deny_all("bare"));
        tokens.extend(Token::of(Links));
        Self(pool.wire(&app, &tokens).expect("it fits"))
    }

    async fn run(&self) {
        let words = ["bare", "nothing"].map(str::to_owned);
        let launch = Launch::new().arguments(words.to_vec());
        let made = self.0.instantiate_with(Budget::default(), |store| {
            store.state_mut().extensions.insert(launch);
        });
        let mut instance = made.await.expect("an instance");
        let exports = instance.exports;
        let surface = self.0.app().surface().exports.keys();
        let name = surface.into_iter().find(|name| name.contains("cli/run@"));
        let name = name.expect("it can be run");
        let ran = instance.store.run(async |store| {
            let interface = exports.get_export_index(&mut *store, None, name);
            let run = exports.get_export_index(&mut *store, interface.as_ref(), "run");
            let run = run.expect("it can be run");
            let run = exports.get_typed_func::<(), (Result<(), ()>,)>(&mut *store, run)?;
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
        // One that is not there is made so that nobody else can enter it.
        let folder = folder.path().join("cache");
        for samples in [&mut fresh, &mut cached] {
            let engines = Engines::new(Config {
                cache: Some(folder.clone()),
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
        command.grants = Grants::default();
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
