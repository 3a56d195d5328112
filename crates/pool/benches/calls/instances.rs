//! What an instance costs: to make, and to have.

use std::time::Instant;

use vesicle_engine::{Budget, Config, Engines};
use vesicle_pool::{Admission, Pool};

use crate::{apps, is_wanted, print, raw};

/// How many are made in a sample.
const MADE: u32 = 2_000;

/// Measures all.
pub async fn measure(runs: u32) {
    for (dense, case) in [
        (false, "store and instance, on demand"),
        (true, "store and instance, dense"),
    ] {
        if !is_wanted(case) {
            continue;
        }
        let pool = Pool::new(Engines::new(Config::default()).expect("this machine can run it"));
        let admission = Admission {
            dense,
            ..Admission::default()
        };
        let app = pool.admit_as("callee", &apps::callee(), admission);
        let wired = pool.wire(&app.expect("it compiles"), &[]);
        let wired = wired.expect("it imports nothing");
        let engine = raw::engine(dense);
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
}
