//! What a call costs, by tier, and what an instance costs, through the pool and
//! on the engine alone, in turns.
//!
//! Prints a line of JSON for each case, with the samples of both sides.
//! `cargo xtask bench pool` makes a table of them.

mod apps;
mod instances;
mod pooled;
mod raw;

use std::time::Instant;

use serde_json::json;

use pooled::Pooled;
use raw::Way;

/// Bytes that go there and back.
const BYTES: u32 = 16 << 10;

/// Measures both sides in turns; the first of each is not counted.
macro_rules! duel {
    ($runs:expr, $case:literal, $times:expr, $baseline:literal,
        $subject:expr, $raw:expr $(,)?) => {{
        let (mut subject, mut baseline) = (Vec::new(), Vec::new());
        let runs = if is_wanted($case) { $runs } else { 0 };
        for run in 0..=runs {
            let begin = Instant::now();
            $subject.await;
            let one = begin.elapsed();
            let begin = Instant::now();
            $raw.await;
            let other = begin.elapsed();
            if run > 0 {
                subject.push(one.as_nanos() as f64 / f64::from($times));
                baseline.push(other.as_nanos() as f64 / f64::from($times));
            }
        }
        if runs > 0 {
            print($case, "a call", "ns", $baseline, &subject, &baseline);
        }
    }};
}

/// Whether a case is to be measured: all are, unless a part of a name is given.
pub fn is_wanted(case: &str) -> bool {
    let mut words = std::env::args().skip(1);
    let wanted = words.find(|word| word.parse::<u32>().is_err() && !word.starts_with('-'));
    wanted.is_none_or(|wanted| case.contains(&wanted))
}

fn print(case: &str, metric: &str, unit: &str, baseline: &str, subject: &[f64], other: &[f64]) {
    let line = json!({
        "case": case, "metric": metric, "unit": unit, "baseline": baseline,
        "subject": subject, "other": other,
    });
    println!("{line}");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.find_map(|word| word.parse().ok()).unwrap_or(7);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut words = std::env::args().skip_while(|word| word != instances::HOLD);
    runtime.block_on(async {
        if let Some(side) = words.nth(1) {
            return instances::hold(&side).await;
        }
        calls(runs).await;
        instances::measure(runs).await;
    });
}

async fn calls(runs: u32) {
    let pool = Pooled::new(false);
    let (mut single, mut raw) = (pooled::Single::new(&pool).await, raw::Single::new().await);
    duel!(
        runs,
        "host to guest, typed",
        100_000,
        "wasmtime",
        single.adds(100_000),
        raw.adds(100_000)
    );
    duel!(
        runs,
        "host to guest, dynamic",
        100_000,
        "wasmtime, Val",
        single.dynamic(100_000),
        raw.dynamic(100_000)
    );
    duel!(
        runs,
        "host to guest, typed, over a core function",
        100_000,
        "wasmtime, core",
        single.adds(100_000),
        raw.core(100_000)
    );

    let (mut fused, mut raw) = (pool.fused().await, raw::Fused::new().await);
    duel!(
        runs,
        "in one store (fused)",
        1_000_000,
        "wasmtime",
        fused.adds(1_000_000),
        raw.adds(1_000_000)
    );
    duel!(
        runs,
        "in one store (fused), 16 KiB",
        10_000,
        "wasmtime",
        fused.echoes(10_000, BYTES),
        raw.echoes(10_000, BYTES)
    );

    let (mut pair, mut raw) = (pool.pair().await, raw::Pair::new(Way::Typed).await);
    duel!(
        runs,
        "from store to store, two numbers",
        200_000,
        "by hand, typed",
        pair.adds(200_000),
        raw.adds(200_000)
    );
    duel!(
        runs,
        "from store to store, 16 KiB there and back",
        50_000,
        "by hand, typed",
        pair.echoes(50_000, BYTES),
        raw.echoes(50_000, BYTES)
    );
    let mut raw = raw::Pair::new(Way::Dynamic).await;
    duel!(
        runs,
        "from store to store, a record",
        100_000,
        "by hand, Val",
        pair.moves(100_000),
        raw.moves(100_000)
    );
    let mut metered = Pooled::new(true).pair().await;
    duel!(
        runs,
        "from store to store, metered over not",
        100_000,
        "not metered",
        metered.adds(100_000),
        pair.adds(100_000)
    );
}
