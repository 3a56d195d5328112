//! A street of tenants, on a runtime of two workers: neighbours who make short
//! calls, and somebody beside them.
//!
//! A call's time runs from the moment that it is handed to the runtime, by a
//! thread that is no worker of it, as a request that comes in is, to its answer.

#![allow(dead_code)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use vesicle_engine::{Budget, Config, Engines};
use vesicle_pool::{Account, Admission, App, Grant, Pool, Resident, Value};

/// How often a neighbour is called.
const PACE: Duration = Duration::from_millis(1);

/// Who is beside the neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    Nobody,
    /// Keeps a core busy, with calls of a few milliseconds one after another.
    Busy,
    /// Computes without end.
    Spins,
    /// Fills all the memory it may have, again and again.
    Fills,
    /// Asks for ever more memory.
    Grows,
    /// Is started again and again, and does not come to an end of that.
    Starts,
    /// Makes handles until it may have no more.
    Handles,
    /// Recurses until its stack is used up.
    Recurses,
    /// Gives as much as may be passed with one call, as small values.
    Gives,
    /// Uploads component after component, each of some thousand functions.
    Uploads,
}

impl Company {
    pub const HOSTILE: [Self; 8] = [
        Self::Spins,
        Self::Fills,
        Self::Grows,
        Self::Starts,
        Self::Handles,
        Self::Recurses,
        Self::Gives,
        Self::Uploads,
    ];

    /// The core module of an app that exports `run`.
    fn module(self) -> String {
        let text = match self {
            Self::Nobody => "(func (export \"run\") (result i32) (i32.const 7))",
            Self::Busy => {
                r#"(func (export "run") (result i32) (local i32)
                (local.set 0 (i32.const 5000000))
                (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (i32.const 7))"#
            }
            Self::Spins => r#"(func (export "run") (result i32) (loop (br 0)) unreachable)"#,
            Self::Fills => {
                r#"(memory 1000) (func (export "run") (result i32)
                (loop
                  (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536000))
                  (br 0))
                unreachable)"#
            }
            Self::Grows => {
                r#"(memory 1) (func (export "run") (result i32)
                (loop (drop (memory.grow (i32.const 1)))
                  (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8)) (i32.const 1))
                  (br 0))
                unreachable)"#
            }
            Self::Starts => {
                r#"(func $s (loop (br 0))) (start $s)
                (func (export "run") (result i32) (i32.const 7))"#
            }
            Self::Handles => {
                r#"(import "" "new" (func $new (param i32) (result i32)))
                (func (export "run") (result i32)
                  (loop (drop (call $new (i32.const 1))) (br 0)) unreachable)"#
            }
            Self::Recurses => r#"(func $f (export "run") (result i32) (call $f))"#,
            Self::Gives => {
                // A list of half of all it may pass, at four bytes for forty.
                r#"(memory (export "memory") 1000) (func (export "run") (result i32)
                (i32.store (i32.const 64) (i32.const 1024))
                (i32.store (i32.const 68) (i32.const 1600000))
                (i32.const 64))"#
            }
            Self::Uploads => {
                let mut text = r#"(func (export "run") (result i32) (i32.const 7))"#.to_owned();
                for number in 0..5_000 {
                    text += &format!("(func (result i32) (i32.const {number}))");
                }
                return text;
            }
        };
        text.to_owned()
    }

    fn component(self) -> Vec<u8> {
        let module = self.module();
        let (result, memory) = match self {
            Self::Gives => ("(list u32)", r#"(memory (core memory $i "memory"))"#),
            _ => ("u32", ""),
        };
        let (before, with) = match self {
            Self::Handles => (
                "(type $r (resource (rep i32))) (core func $new (canon resource.new $r))",
                r#"(with "" (instance (export "new" (func $new))))"#,
            ),
            _ => ("", ""),
        };
        wat::parse_str(format!(
            r#"(component {before}
  (core module $m {module})
  (core instance $i (instantiate $m {with}))
  (func $run (result {result}) (canon lift (core func $i "run") {memory}))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#
        ))
        .unwrap()
    }
}

/// What the neighbours' calls took.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub median: Duration,
    pub p99: Duration,
}

pub struct Street {
    runtime: Runtime,
    pool: Pool,
    neighbours: Vec<Resident>,
}

fn account() -> Account {
    let budget = Budget::default().with_memory(100 << 20);
    Account {
        budget: budget.with_deadline(Some(Duration::from_millis(500))),
        ..Account::default()
    }
}

impl Street {
    pub fn new() -> Self {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        let config = Config {
            compilers: NonZeroUsize::new(1),
            ..Config::default()
        };
        let pool = Pool::new(Engines::new(config).unwrap());
        let admission = Admission {
            dense: true,
            ..Admission::default()
        };
        let quiet = pool.admit_as("neighbour", &Company::Nobody.component(), admission);
        let quiet = quiet.unwrap();
        let keep = async |_| {
            pool.keep("neighbour", &quiet, &[], account())
                .await
                .unwrap()
        };
        let neighbours = runtime.block_on(async {
            let mut kept = Vec::new();
            for number in 0..4 {
                kept.push(keep(number).await);
            }
            kept
        });
        Self {
            runtime,
            pool,
            neighbours,
        }
    }

    /// What the neighbours' calls take while somebody is beside them.
    pub fn beside(&self, company: Company, time: Duration) -> Times {
        let is_over = Arc::new(AtomicBool::new(false));
        let bytes = company.component();
        let app = self.pool.admit("company", &bytes).unwrap();
        let stays = stay(company, self.pool.clone(), app, bytes, Arc::clone(&is_over));
        let company = self.runtime.spawn(stays);
        // Until it has begun.
        std::thread::sleep(Duration::from_millis(30));
        let times = self.call(time);
        is_over.store(true, Ordering::Relaxed);
        self.runtime.block_on(company).unwrap();
        times
    }

    /// Calls the neighbours in turns.
    fn call(&self, time: Duration) -> Times {
        let (answers, answered) = mpsc::channel();
        let begun = Instant::now();
        let mut next = begun;
        let mut tenants = self.neighbours.iter().cycle();
        while next.duration_since(begun) < time {
            let now = Instant::now();
            if let Some(left) = next.checked_duration_since(now) {
                std::thread::sleep(left);
            }
            next += PACE;
            let (pool, answers) = (self.pool.clone(), answers.clone());
            let token = tenants.next().unwrap().tokens().remove(0);
            let asked = Instant::now();
            self.runtime.spawn(async move {
                let answer = pool.call(&token, "run", &[], Grant::default()).await;
                assert_eq!(answer.unwrap(), [Value::U32(7)]);
                answers.send(asked.elapsed()).unwrap();
            });
        }
        drop(answers);
        let mut times: Vec<_> = answered.into_iter().collect();
        times.sort();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        Times {
            median: at(50),
            p99: at(99),
        }
    }
}

/// Is there, and does what it does until it is over.
async fn stay(company: Company, pool: Pool, app: App, bytes: Vec<u8>, is_over: Arc<AtomicBool>) {
    let mut resident: Option<Resident> = None;
    while !is_over.load(Ordering::Relaxed) {
        match company {
            Company::Nobody => tokio::time::sleep(PACE).await,
            Company::Uploads => {
                // Compiling takes a thread for its time: one for that.
                let (pool, bytes) = (pool.clone(), bytes.clone());
                let admitted = tokio::task::spawn_blocking(move || pool.admit("upload", &bytes));
                admitted.await.unwrap().unwrap();
            }
            _ => {
                if let Some(resident) = resident.take_if(|it| it.failure().is_some()) {
                    pool.tear_down(&resident).await.unwrap();
                }
                let kept = match resident.take() {
                    Some(kept) => kept,
                    None => match pool.keep("company", &app, &[], account()).await {
                        Ok(kept) => kept,
                        Err(_) => continue,
                    },
                };
                let token = kept.tokens().remove(0);
                let _ = pool.call(&token, "run", &[], Grant::default()).await;
                resident = Some(kept);
            }
        }
    }
    if let Some(resident) = resident {
        pool.tear_down(&resident).await.unwrap();
    }
}

/// Measures in turns, so that all see the same machine, and takes for each its best
/// round: whoever is beside the neighbours is there in every round, and what else
/// the machine does only adds to it. Prints what was measured, and fails if after
/// many rounds the p99 beside somebody is more than twice that beside a tenant who
/// is merely busy.
pub fn is_fair(companies: &[Company], time: Duration, rounds: usize) {
    const MOST: usize = 20;
    let street = Street::new();
    let mut best: Vec<(Company, Times)> = Vec::new();
    for round in 0..rounds.max(MOST) {
        for (place, company) in companies.iter().enumerate() {
            let times = street.beside(*company, time);
            match best.get_mut(place) {
                Some((_, before)) => {
                    before.median = before.median.min(times.median);
                    before.p99 = before.p99.min(times.p99);
                }
                None => best.push((*company, times)),
            }
        }
        if round + 1 >= rounds && unfair(&best).is_none() {
            break;
        }
    }
    let table = table(&best);
    println!("{table}");
    assert_eq!(unfair(&best), None, "\n{table}");
}

fn unfair(measured: &[(Company, Times)]) -> Option<Company> {
    let busy = measured.iter().find(|(it, _)| *it == Company::Busy)?.1;
    let mut unfair = measured.iter().filter(|(_, it)| it.p99 > 2 * busy.p99);
    unfair.next().map(|(company, _)| *company)
}

/// A table of what was measured.
pub fn table(measured: &[(Company, Times)]) -> String {
    let lines = measured.iter().map(|(company, times)| {
        let company = format!("{company:?}");
        let micros = |time: Duration| time.as_micros();
        format!(
            "{company:>10} {:>8} µs {:>8} µs\n",
            micros(times.median),
            micros(times.p99)
        )
    });
    format!(
        "    beside     median        p99\n{}",
        lines.collect::<String>()
    )
}
