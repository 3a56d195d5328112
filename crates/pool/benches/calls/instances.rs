//! What an instance costs: to make, and to have.

use std::process::Command;
use std::time::Instant;

use vesicle_engine::{Budget, Config, Engines};
use vesicle_pool::{Account, Admission, Pool};

use crate::{apps, is_wanted, print, raw};

/// How many are made in a sample.
const MADE: u32 = 2_000;
/// How many are held.
const IDLE: u32 = 10_000;
/// What a process of this program is told that only holds instances.
pub const HOLD: &str = "--hold";

/// Measures all.
pub async fn measure(runs: u32) {
    made(runs, false, "store and instance, on demand").await;
    made(runs, true, "store and instance, dense").await;
    first(runs).await;
    held(runs);
}

fn pool(config: Config) -> Pool {
    Pool::new(Engines::new(config).expect("this machine can run it"))
}

fn dense(dense: bool) -> Admission {
    Admission {
        dense,
        ..Admission::default()
    }
}

async fn made(runs: u32, is_dense: bool, case: &str) {
    if !is_wanted(case) {
        return;
    }
    let pool = pool(Config::default());
    let app = pool.admit_as("callee", &apps::callee(), dense(is_dense));
    let wired = pool.wire(&app.expect("it compiles"), &[]);
    let wired = wired.expect("it imports nothing");
    let engine = raw::engine(is_dense);
    let pre = raw::prepared(&engine, &apps::callee());
    let (mut subject, mut baseline) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let begin = Instant::now();
        for _ in 0..MADE {
            let made = wired.instantiate(Budget::default()).await;
            drop(made.expect("it starts"));
        }
        let one = begin.elapsed();
        let begin = Instant::now();
        for _ in 0..MADE {
            let mut store = raw::store(&engine);
            let made = pre.instantiate_async(&mut store).await;
            made.expect("it starts");
        }
        let other = begin.elapsed();
        if run > 0 {
            subject.push(one.as_nanos() as f64 / f64::from(MADE) / 1_000.0);
            baseline.push(other.as_nanos() as f64 / f64::from(MADE) / 1_000.0);
        }
    }
    print(case, "each", "us", "wasmtime", &subject, &baseline);
}

/// From the component's bytes: compiled, and with compiled code in the cache.
async fn first(runs: u32) {
    let (case, cached_case) = ("first instance, compiled", "first instance, from the cache");
    if !is_wanted(case) && !is_wanted(cached_case) {
        return;
    }
    let bytes = apps::fused();
    let folder = std::env::temp_dir().join(format!("vesicle-bench-{}", std::process::id()));
    let config = || Config {
        cache: Some(folder.join("cache")),
        ..Config::default()
    };
    let compiled = folder.join("compiled");
    let (mut cold, mut cold_raw) = (Vec::new(), Vec::new());
    let (mut warm, mut warm_raw) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let started = async |pool: Pool| {
            let begin = Instant::now();
            let app = pool.admit("fused", &bytes).expect("it compiles");
            let wired = pool.wire(&app, &[]).expect("it imports nothing");
            let made = wired.instantiate(Budget::default()).await;
            made.expect("it starts");
            begin.elapsed().as_secs_f64() * 1e3
        };
        let one = started(pool(Config::default())).await;
        started(pool(config())).await;
        let cached = started(pool(config())).await;
        let engine = raw::engine(false);
        let begin = Instant::now();
        let pre = raw::prepared(&engine, &bytes);
        let made = pre.instantiate_async(raw::store(&engine)).await;
        made.expect("it starts");
        let other = begin.elapsed().as_secs_f64() * 1e3;
        let code = pre.component().serialize().expect("it was compiled");
        std::fs::write(&compiled, code).expect("the folder can be written");
        let engine = raw::engine(false);
        let begin = Instant::now();
        let pre = raw::loaded(&engine, &compiled);
        let made = pre.instantiate_async(raw::store(&engine)).await;
        made.expect("it starts");
        let loaded = begin.elapsed().as_secs_f64() * 1e3;
        if run > 0 {
            cold.push(one);
            cold_raw.push(other);
            warm.push(cached);
            warm_raw.push(loaded);
        }
    }
    // What could not be removed is in the system's own folder for that.
    let _ = std::fs::remove_dir_all(&folder);
    print(case, "each", "ms", "wasmtime", &cold, &cold_raw);
    print(
        cached_case,
        "each",
        "ms",
        "wasmtime, a file",
        &warm,
        &warm_raw,
    );
}

/// The memory of instances that do nothing, each side in a process of its own.
fn held(runs: u32) {
    let case = "10,000 instances, idle";
    if !is_wanted(case) {
        return;
    }
    let (mut subject, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..runs.min(3) {
        for (side, samples) in [("pool", &mut subject), ("raw", &mut baseline)] {
            let program = std::env::current_exe().expect("this program has a path");
            let said = Command::new(program).args([HOLD, side]).output();
            let said = said.expect("this program runs").stdout;
            let said = String::from_utf8_lossy(&said);
            samples.push(said.trim().parse().expect("a number of KiB"));
        }
    }
    print(
        case,
        "memory of each",
        "KiB",
        "wasmtime",
        &subject,
        &baseline,
    );
}

/// Makes instances, calls each once, and prints how many KiB each takes.
pub async fn hold(side: &str) {
    let before = resident();
    match side {
        "pool" => {
            let pool = pool(Config::default());
            let app = pool.admit_as("callee", &apps::callee(), dense(true));
            let app = app.expect("it compiles");
            let mut held = Vec::new();
            for _ in 0..IDLE {
                let kept = pool.keep("callee", &app, &[], Account::default()).await;
                let kept = kept.expect("it starts");
                let token = kept.token(raw::OPS).expect("it is exported");
                let arguments = [1_u32.into(), 2_u32.into()];
                let called = pool.call(&token, "add", &arguments, Default::default());
                called.await.expect("it returns");
                held.push(kept);
            }
            println!("{}", (resident() - before) / f64::from(IDLE));
        }
        _ => {
            let engine = raw::engine(true);
            let pre = raw::prepared(&engine, &apps::callee());
            let mut held = Vec::new();
            for _ in 0..IDLE {
                held.push(raw::called(&engine, &pre).await);
            }
            println!("{}", (resident() - before) / f64::from(IDLE));
        }
    }
}

/// The memory of this process, in KiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().nth(1));
    words.and_then(|word| word.parse().ok()).expect("a number")
}
