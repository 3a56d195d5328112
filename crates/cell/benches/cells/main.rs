//! What a cell costs: calls over its link against the same calls between two native
//! sides, processes against bare instances, and many that do nothing.
//!
//! Prints a line of JSON for each case, with the samples of both sides.
//! `cargo xtask bench cells` makes a table of them.

mod native;
mod processes;

use std::path::{Path, PathBuf};

use serde_json::json;
use vesicle_cell::{Cells, Command, Exit, Limits};
use vesicle_engine::{Config, Engines};
use vesicle_pool::wasi::FileGrant;

/// What one side has measured, in nanoseconds.
pub struct Measured {
    /// Of the calls, the one in the middle.
    pub p50: f64,
    /// Of the slowest hundredth, the quickest.
    pub p99: f64,
    /// All together.
    pub all: f64,
}

impl Measured {
    /// Of the times of each call.
    pub fn of(mut each: Vec<u128>, all: u128) -> Self {
        each.sort_unstable();
        let at = |share: usize| each[(each.len() - 1) * share / 100] as f64;
        Self {
            p50: at(50),
            p99: at(99),
            all: all as f64,
        }
    }

    /// As the guest prints it.
    fn read(line: &str) -> Self {
        let numbers: Vec<f64> = line
            .split_whitespace()
            .map(|word| word.parse().expect("a number"))
            .collect();
        let [p50, p99, all] = numbers[..] else {
            panic!("the guest has printed {line:?}");
        };
        Self { p50, p99, all }
    }
}

/// The guest that measures, as a file.
pub fn guest() -> PathBuf {
    // Benches are built for release, guests beside the host for tests.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("a folder");
    target.join("debug/test-components/cell-bench.wasm")
}

/// The same as a cell that is told what to do.
pub fn cell(words: &[&str]) -> Command {
    let file = guest();
    let wasm = std::fs::read(&file);
    let wasm =
        wasm.unwrap_or_else(|error| panic!("{}: {error}; run: cargo xtask build", file.display()));
    let mut command = Command::new("bench", wasm);
    command
        .arguments
        .extend(words.iter().map(|&it| it.to_owned()));
    command.grants.files.push(FileGrant {
        guest: "/own.wasm".to_owned(),
        host: file,
    });
    command.limits = Limits {
        processes: 10_000,
        ..Limits::default()
    };
    command
}

async fn measured(cells: &Cells, words: &[&str]) -> Measured {
    let running = cells.start(cell(words)).await.expect("a cell");
    let exit = running.wait().await;
    let text = async |output: &vesicle_cell::output::Output| {
        String::from_utf8_lossy(&output.read(usize::MAX).await.bytes).into_owned()
    };
    let (out, err) = (text(&running.stdout).await, text(&running.stderr).await);
    assert_eq!(exit, Exit::Code(0), "{err}");
    Measured::read(&out)
}

/// Two sides of one case, run by run.
pub struct Samples {
    case: String,
    baseline: &'static str,
    pairs: Vec<(Measured, Measured)>,
}

impl Samples {
    fn print(&self, metric: &str, unit: &str, of: impl Fn(&Measured) -> f64) {
        let side = |pick: fn(&(Measured, Measured)) -> &Measured| -> Vec<f64> {
            self.pairs.iter().map(|pair| of(pick(pair))).collect()
        };
        print(
            &self.case,
            metric,
            unit,
            self.baseline,
            &side(|pair| &pair.0),
            &side(|pair| &pair.1),
        );
    }
}

/// Prints one figure.
pub fn print(case: &str, metric: &str, unit: &str, baseline: &str, one: &[f64], other: &[f64]) {
    let line = json!({
        "case": case, "metric": metric, "unit": unit, "baseline": baseline,
        "subject": one, "other": other,
    });
    println!("{line}");
}

/// Whether a case is to be measured: all are, unless a part of a name is given.
pub fn is_wanted(case: &str) -> bool {
    let mut words = std::env::args().skip(1);
    let wanted = words.find(|word| word.parse::<u32>().is_err() && !word.starts_with('-'));
    wanted.is_none_or(|wanted| case.contains(&wanted))
}

/// Where cells run.
pub fn cells() -> Cells {
    let engines = Engines::new(Config {
        perf_map: std::env::var_os("VESICLE_PERF_MAP").is_some(),
        ..Config::default()
    });
    Cells::new(engines.expect("engines")).expect("threads")
}

const NATIVE: &str = "capnp-rpc, native on both sides";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.find_map(|word| word.parse().ok()).unwrap_or(7);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        calls(runs).await;
        streams(runs).await;
        processes::measure(runs).await;
    });
}

/// Sequential calls, and many at once; the first run of each side is not counted.
async fn calls(runs: u32) {
    let cells = cells();
    const TIMES: usize = 20_000;
    let times = TIMES.to_string();
    for depth in 0..=3_usize {
        for (what, at_once) in [("echo", 1), ("64 echoes in flight", 64)] {
            let case = match depth {
                0 => what.to_owned(),
                depth => format!("{what}, depth {depth}"),
            };
            if !is_wanted(&case) {
                continue;
            }
            let at_once_word = at_once.to_string();
            let deep = depth.to_string();
            let mut words = match depth {
                0 => vec![],
                _ => vec!["deeper", deep.as_str()],
            };
            words.extend(match at_once {
                1 => vec!["echo", times.as_str()],
                _ => vec!["flight", times.as_str(), at_once_word.as_str()],
            });
            let mut samples = Samples {
                case,
                baseline: NATIVE,
                pairs: Vec::new(),
            };
            for run in 0..=runs {
                let subject = measured(&cells, &words).await;
                let other = match at_once {
                    1 => native::echo(TIMES).await,
                    _ => native::flight(TIMES, at_once).await,
                };
                if run > 0 {
                    samples.pairs.push((subject, other));
                }
            }
            if at_once == 1 {
                samples.print("p50", "ns", |it| it.p50);
                samples.print("p99", "ns", |it| it.p99);
            }
            samples.print("a call", "ns", |it| it.all / TIMES as f64);
        }
    }
}

async fn streams(runs: u32) {
    const MEBIBYTES: usize = 256;
    let case = "1 MiB written to a child's input";
    if !is_wanted(case) {
        return;
    }
    let cells = cells();
    let mut samples = Samples {
        case: case.to_owned(),
        baseline: NATIVE,
        pairs: Vec::new(),
    };
    for run in 0..=runs {
        let subject = measured(&cells, &["stream", &MEBIBYTES.to_string()]).await;
        let other = native::stream(MEBIBYTES).await;
        if run > 0 {
            samples.pairs.push((subject, other));
        }
    }
    samples.print("a MiB", "µs", |it| it.all / MEBIBYTES as f64 / 1_000.0);
}
