//! The host goes on: in one process, other pipelines run beside a hostile
//! component and after it, with the same engines, and nothing is left of it.

#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use common::confined::{Confined, guests};
use tempfile::TempDir;
use tokio::task::{JoinSet, LocalSet};
use vesicle_engine::Config;
use vesicle_flow::Stop;
use vesicle_pipeline::catalog::Catalog;
use vesicle_pipeline::document::Document;
use vesicle_pipeline::plan::Plan;
use vesicle_pipeline::run::{Options, Progress, Report};
use vesicle_pipeline::workshop::Workshop;
use vesicle_pipeline::{Exit, run};

/// Rows of a pipeline that does nobody any harm.
const ROWS: u64 = 2_000;

fn workshop() -> Workshop {
    let components = Path::new(common::BINARY).with_file_name("components");
    let path = format!("{}:{}", guests().display(), components.display());
    let config = Config {
        cache: Some(common::target().join("test-cache")),
        ..Config::default()
    };
    Workshop::new(Catalog::new(Some(&path), None), config).unwrap()
}

/// Carries out a document in a folder.
async fn carry_out(workshop: &Workshop, folder: &Path, text: &str) -> (Report, Result<(), Exit>) {
    let environment = |_: &str| None;
    let document = Document::parse("pipeline.yaml", text.as_bytes(), &environment).unwrap();
    let plan = Plan::make(workshop, document, folder, &environment)
        .await
        .unwrap();
    let progress = Progress::new(Box::new(|_| {}));
    let (report, done) = run::run(&plan, Options::default(), &progress, &Stop::default()).await;
    (report.unwrap(), done.map_err(|error| error.exit()))
}

/// A pipeline that does nobody any harm.
struct Harmless(TempDir);

impl Harmless {
    fn new() -> Self {
        let folder = common::folder();
        let mut rows = String::from("id,name\n");
        for n in 0..ROWS {
            writeln!(rows, "{n},number {n}").unwrap();
        }
        fs::write(folder.path().join("in.csv"), rows).unwrap();
        Self(folder)
    }

    /// Runs it, and makes sure that all rows arrive.
    async fn check(&self, workshop: &Workshop) {
        let text = "version: \"1.0\"\npipeline: harmless\n\
                    source: { use: source-file, config: { path: in.csv }, streams: [in] }\n\
                    destination: { use: dest-file, config: { path: out, format: jsonl }, write_mode: replace }\n";
        let (report, done) = carry_out(workshop, self.0.path(), text).await;
        assert_eq!(done, Ok(()), "{:?}", report.error);
        assert_eq!(report.streams[0].rows_total, Some(ROWS));
    }
}

/// What the process has in memory now, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_every_hostile_component_another_pipeline_works_in_the_same_process() {
    let workshop = workshop();
    let harmless = Harmless::new();
    for (confined, exit) in [
        (Confined::hostile("allocate", ""), Exit::Limit),
        (Confined::hostile("recurse", ""), Exit::Crash),
        (Confined::hostile("panic", ""), Exit::Crash),
        (Confined::hostile("exit", "0"), Exit::Crash),
        (Confined::hostile("spin-in-plan", ""), Exit::Limit),
        (Confined::hostile("block", ""), Exit::Limit),
        (Confined::hostile("connect", "127.0.0.1:1"), Exit::Denied),
        (Confined::raw("aliased-plan", ""), Exit::Crash),
        (Confined::raw("no-outcome", ""), Exit::Limit),
        (Confined::raw("garbage", ""), Exit::Data),
    ] {
        let (report, done) = carry_out(&workshop, &confined.inside(""), &confined.document()).await;
        assert_eq!(done, Err(exit), "{:?}", report.error);
        confined.check_outside();
        harmless.check(&workshop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_spinning_components_than_threads_do_not_keep_another_pipeline_from_working() {
    let workshop = Rc::new(workshop());
    let spinning = async || {
        let mut spinning = JoinSet::new();
        for _ in 0..8 {
            let workshop = Rc::clone(&workshop);
            spinning.spawn_local(async move {
                let confined = Confined::hostile("spin", "").limited("idle_timeout: 20s");
                carry_out(&workshop, &confined.inside(""), &confined.document())
                    .await
                    .1
            });
        }
        Harmless::new().check(&workshop).await;
        assert!(spinning.try_join_next().is_none(), "they still spin");
        spinning.join_all().await
    };
    // Plans are made on this thread; what they run is on the others.
    let done = LocalSet::new().run_until(spinning()).await;
    assert_eq!(done, [Err(Exit::Limit); 8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_left_of_components_that_were_ended() {
    let workshop = workshop();
    let allocate = async || {
        let confined = Confined::hostile("allocate", "");
        let done = carry_out(&workshop, &confined.inside(""), &confined.document())
            .await
            .1;
        assert_eq!(done, Err(Exit::Limit));
    };
    allocate().await;
    let before = resident();
    for _ in 0..16 {
        allocate().await;
    }
    // Each had 64 MiB.
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 << 20, "grown by {grown} bytes");
}
