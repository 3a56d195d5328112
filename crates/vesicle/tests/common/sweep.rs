//! Kills runs of flights.csv at points spread over them, and runs again.
//!
//! The stream has old rows before the run that is killed, so that it can be
//! seen what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::document::{Document, Pipeline};
use super::independent::{Reader, Seen};
use super::{FLIGHTS, flights};

/// Rows before the run that is killed.
const OLD: u64 = 1_000;
/// Rows between commits.
const ROWS: u64 = 20_000;
/// The fewest commits that a run has to have.
const COMMITS: u64 = 15;
/// How often a point is tried where the run has gone past it.
const TRIES: u32 = 5;

/// A sweep over runs to one format in one write mode.
pub struct Sweep {
    /// The destination's format.
    pub format: &'static str,
    /// The write mode.
    pub mode: &'static str,
    /// How many runs are killed.
    pub kills: usize,
}

/// What all kills of a sweep are compared with.
struct Known {
    /// A folder with the old rows loaded, and all flights to be loaded.
    before: Pipeline,
    /// What readers see in it.
    old: Seen,
    /// What readers have to see in the end.
    new: Seen,
    /// Commits of an undisturbed run.
    commits: u64,
    /// The time from one commit to the next in an undisturbed run.
    pace: Duration,
}

/// Where a run was killed.
struct Killed {
    /// The run's id.
    run: String,
    /// Commits that were durable.
    commits: usize,
    /// Rows of them.
    rows: u64,
}

impl Sweep {
    /// Kills a run at each of the points, and makes sure of everything.
    pub fn run(&self) {
        let start = Instant::now();
        let known = self.prepare();
        let next = AtomicUsize::new(0);
        let reached = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut reader = Reader::start();
                    loop {
                        let point = next.fetch_add(1, Ordering::SeqCst);
                        if point >= self.kills {
                            return;
                        }
                        let commits = self.kill_and_run_again(&known, point, &mut reader);
                        reached.lock().unwrap().push(commits);
                    }
                });
            }
        });
        let reached = reached.into_inner().unwrap();
        assert_eq!(reached.len(), self.kills);
        let distinct: BTreeSet<_> = reached.iter().collect();
        println!(
            "{} {}: {} kills after {reached:?} commits of {}, {:.0} s",
            self.mode,
            self.format,
            self.kills,
            known.commits,
            start.elapsed().as_secs_f64()
        );
        let spread = self.kills.min(known.commits as usize) * 2 / 3;
        assert!(
            distinct.len() >= spread,
            "the kills are not spread: {reached:?}"
        );
    }

    /// Loads the old rows; then runs undisturbed, with a watch.
    fn prepare(&self) -> Known {
        let mut reader = Reader::start();
        let all = reader.read("csv", &flights());
        assert_eq!(all.rows, FLIGHTS);
        let before = Pipeline::new(Document::new(self.format, self.mode).commit_after(ROWS));
        let text = fs::read_to_string(flights()).unwrap();
        let old: Vec<_> = text.split_inclusive('\n').take(OLD as usize + 1).collect();
        before.write("in.csv", &old.concat());
        before.complete();
        let old = reader.read(self.format, &before.destination().visible);
        assert_eq!(old.rows, OLD);
        before.link("in.csv", &flights());

        let undisturbed = Pipeline::copy_of(before.folder.path(), before.document.clone());
        let destination = undisturbed.destination();
        let mut running = undisturbed.start();
        let mut times = Vec::new();
        for commits in [1, COMMITS as usize] {
            running.wait_until(|| destination.committed().len() >= commits);
            times.push(Instant::now());
        }
        let ended = running.wait().expect_exit(0);
        let commits = ended.figure("commits");
        assert!(commits >= COMMITS, "only {commits} commits");
        let pace = (times[1] - times[0]) / (COMMITS as u32 - 1);
        let new = reader.read(self.format, &destination.visible);
        match self.mode {
            "replace" => assert_eq!(new.rows(), all.rows()),
            _ => assert_eq!(new.rows, OLD + FLIGHTS),
        }
        Known {
            before,
            old,
            new,
            commits,
            pace,
        }
    }

    /// Kills a run at a point, runs again, and says after how many commits it
    /// was killed.
    fn kill_and_run_again(&self, known: &Known, point: usize, reader: &mut Reader) -> usize {
        for _ in 0..TRIES {
            let folder = known.before.folder.path();
            let pipeline = Pipeline::copy_of(folder, known.before.document.clone());
            if let Some(killed) = self.kill(known, &pipeline, point) {
                self.check_killed(known, &pipeline, reader);
                self.go_on(known, &pipeline, &killed, reader);
                return killed.commits;
            }
        }
        panic!("the run is always past point {point} before it can be killed");
    }

    /// Kills a run, unless it ends before.
    fn kill(&self, known: &Known, pipeline: &Pipeline, point: usize) -> Option<Killed> {
        let at = point as f64 * (known.commits - 1) as f64 / self.kills as f64;
        let destination = pipeline.destination();
        let mut running = pipeline.start();
        let begun = running.wait_until(|| {
            let commits = destination.committed().len();
            destination.run().is_some() && commits >= at as usize
        });
        if !begun {
            return None;
        }
        std::thread::sleep(known.pace.mul_f64(at.fract()));
        let ended = running.kill();
        let run = destination.run()?;
        if !ended.was_killed() {
            return None;
        }
        let parts = destination.committed();
        Some(Killed {
            run,
            commits: parts.len(),
            rows: parts.values().map(|part| part.rows).sum(),
        })
    }

    /// Makes sure that readers see nothing but what is committed, all of it
    /// readable.
    fn check_killed(&self, known: &Known, pipeline: &Pipeline, reader: &mut Reader) {
        let destination = pipeline.destination();
        let seen = reader.read(self.format, &destination.visible);
        if self.mode == "replace" {
            assert_eq!(seen, known.old, "the old rows are not what readers see");
            return;
        }
        let committed = destination.committed();
        let mut expected: BTreeMap<_, _> = known.old.files.clone();
        for (name, part) in &committed {
            let path = destination.visible.join(name);
            if let Ok(metadata) = path.metadata() {
                assert_eq!(metadata.len(), part.bytes, "{name}");
                expected.insert(name.clone(), part.rows);
            }
        }
        assert_eq!(seen.files, expected, "readers see what is not committed");
        let hidden = known.old.files.len() + committed.len() - expected.len();
        assert!(hidden <= 1, "{hidden} committed parts are not to be seen");
    }

    /// Runs again, and makes sure that every row is there once.
    fn go_on(&self, known: &Known, pipeline: &Pipeline, killed: &Killed, reader: &mut Reader) {
        let ended = pipeline.complete();
        let ended = ended.expect_said(&format!("going on with run {}", killed.run));
        let report = ended.report();
        assert_eq!(report["resumed"], true);
        assert_eq!(report["run"], killed.run);
        let read = ended.figure("rows_read");
        assert_eq!(
            read,
            FLIGHTS - killed.rows,
            "after {} commits",
            killed.commits
        );
        assert_eq!(ended.figure("rows_total"), FLIGHTS);
        let destination = pipeline.destination();
        let seen = reader.read(self.format, &destination.visible);
        assert_eq!(
            seen.rows(),
            known.new.rows(),
            "after {} commits",
            killed.commits
        );
        destination.expect_clean();
        assert_eq!(destination.finished().as_ref(), Some(&killed.run));
    }
}
