//! A suite that any connector can be run through: whatever happens to a run,
//! and whenever, the next one makes good.
//!
//! A pipeline that uses the connector is run to its end once; what its
//! destination then holds is what has to be there each time. Then it is begun
//! anew again and again, and each time disturbed at another boundary: the
//! process is killed, or held while whoever certifies does something to the
//! other side. What the connector says of itself counts for nothing: commands
//! of whoever certifies put the scene back to its beginning, and look at what
//! is there.
//!
//! Invariants: a boundary that a run does not come to is no cell that has
//! held; a cell holds only if what was looked at is the same as undisturbed.

mod cell;
mod child;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub use cell::{Cell, Outcome, Trouble};

use crate::run::fail_point::{ALL, ENDED, SESSION_WRITE};
use crate::state::{RunStatus, StateAt};
use child::{Child, Ended};

/// How long a run, or a command, may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a certification needs.
pub struct Suite {
    /// This program.
    pub program: PathBuf,
    /// The document of the pipeline.
    pub document: PathBuf,
    /// Where the state of the pipeline is.
    pub state: StateAt,
    /// The pipeline's name.
    pub pipeline: String,
    /// Whether readers may see nothing but the old rows or all new ones.
    pub is_replace: bool,
    /// Puts everything back to the beginning.
    pub reset: String,
    /// Prints what is there.
    pub check: String,
    /// Does something to the other side while the run is held.
    pub disturb: Option<String>,
    /// How many runs are killed by the clock, at times spread over a run.
    pub kills: u32,
    /// Of the boundaries within connectors, which are many, every so many-th
    /// is tried; at least 1.
    pub stride: u64,
}

/// Why nothing can be certified.
#[derive(Debug, thiserror::Error)]
pub enum Uncertifiable {
    /// A command of whoever certifies fails.
    #[error("{what} failed: {command}\n  {said}")]
    Command {
        /// Which one: `--check`.
        what: &'static str,
        /// Itself.
        command: String,
        /// What it printed.
        said: String,
    },
    /// The undisturbed run does not succeed.
    #[error("the pipeline fails without being disturbed:\n  {0}")]
    Fails(String),
    /// The check sees nothing.
    #[error(
        "--check prints the same before and after a run, so it does not see what the run writes: \
         {0}"
    )]
    Blind(String),
    /// The check is not the same for the same run.
    #[error(
        "two undisturbed runs leave what --check prints differently:\n  {0}\n  {1}\nlet it print \
         only what every run leaves the same"
    )]
    Unsteady(String, String),
    /// A process cannot be started or waited for.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl Suite {
    /// Goes through all cells; tells each to `told` as it ends.
    ///
    /// # Errors
    ///
    /// Where the scene is not one that anything can be certified in.
    pub fn run(&self, mut told: impl FnMut(&Cell)) -> Result<Vec<Cell>, Uncertifiable> {
        let known = self.undisturbed()?;
        let mut cells = Vec::new();
        let mut tell = |cell: Cell, cells: &mut Vec<Cell>| {
            told(&cell);
            cells.push(cell);
        };
        let mut troubles = vec![Trouble::Kill];
        troubles.extend(self.disturb.as_ref().map(|_| Trouble::Disturb));
        for trouble in troubles {
            for point in ALL.iter().chain([&ENDED, &SESSION_WRITE]) {
                let stride = match *point == SESSION_WRITE {
                    true => self.stride.max(1),
                    false => 1,
                };
                let mut passage = 1;
                loop {
                    let cell = self.cell(&known, point, passage, trouble)?;
                    let reached = cell.outcome != Outcome::NotReached;
                    if reached {
                        tell(cell, &mut cells);
                    } else {
                        break;
                    }
                    passage += stride;
                }
            }
        }
        for kill in 1..=self.kills {
            let after = known.took * kill / (self.kills + 1);
            let cell = self.killed_after(&known, after)?;
            if cell.outcome != Outcome::NotReached {
                tell(cell, &mut cells);
            }
        }
        Ok(cells)
    }

    /// Runs without a disturbance, twice.
    fn undisturbed(&self) -> Result<Known, Uncertifiable> {
        let mut before = self.beginning()?;
        let run = || -> Result<(String, Duration), Uncertifiable> {
            let began = Instant::now();
            let ended = Child::start(self.command())?.wait(PATIENCE)?;
            let took = began.elapsed();
            match ended {
                Ended::Exited(0, _) => Ok((self.look()?, took)),
                other => Err(Uncertifiable::Fails(other.to_string())),
            }
        };
        let (after, _) = run()?;
        if after == before {
            return Err(Uncertifiable::Blind(after));
        }
        before = self.beginning()?;
        let (again, took) = run()?;
        if again != after {
            return Err(Uncertifiable::Unsteady(after, again));
        }
        Ok(Known {
            before,
            after,
            took,
        })
    }

    fn cell(
        &self,
        known: &Known,
        point: &'static str,
        passage: u64,
        trouble: Trouble,
    ) -> Result<Cell, Uncertifiable> {
        self.beginning()?;
        let last = self.completed();
        let mut command = self.command();
        let stop = match trouble {
            Trouble::Kill => "",
            Trouble::Disturb => ":stop",
        };
        command.env(
            crate::run::fail_point::VARIABLE,
            format!("{point}:{passage}{stop}"),
        );
        let mut child = Child::start(command)?;
        let mut reached = trouble == Trouble::Kill;
        if let (Trouble::Disturb, Some(disturb)) = (trouble, &self.disturb) {
            reached = child.wait_until_stopped(PATIENCE)?;
            if reached {
                shell("--disturb", disturb)?;
                child.go_on()?;
            }
        }
        let ended = child.wait(PATIENCE)?;
        let outcome = match (trouble, &ended) {
            (_, Ended::Exited(0, _)) if !reached => Outcome::NotReached,
            (Trouble::Kill, Ended::Exited(0, _)) => Outcome::NotReached,
            // It has tried again by itself.
            (Trouble::Disturb, Ended::Exited(0, _)) => self.compare(known)?,
            (Trouble::Kill, Ended::Killed) | (Trouble::Disturb, Ended::Exited(..)) => {
                self.made_good(known, last)?
            }
            (_, other) => Outcome::Broken(format!("the run ended otherwise: {other}")),
        };
        Ok(Cell {
            point: point.to_owned(),
            passage,
            trouble,
            outcome,
        })
    }

    fn killed_after(&self, known: &Known, after: Duration) -> Result<Cell, Uncertifiable> {
        self.beginning()?;
        let last = self.completed();
        let child = Child::start(self.command())?;
        std::thread::sleep(after);
        let outcome = match child.kill()? {
            true => self.made_good(known, last)?,
            false => Outcome::NotReached,
        };
        Ok(Cell {
            point: format!("{} ms", after.as_millis()),
            passage: 1,
            trouble: Trouble::Kill,
            outcome,
        })
    }

    /// Runs once more and looks at what is there.
    /// `last` is the run that had completed before.
    fn made_good(&self, known: &Known, last: Option<String>) -> Result<Outcome, Uncertifiable> {
        let seen = self.look()?;
        if self.is_replace && seen != known.before && seen != known.after {
            return Ok(Outcome::Broken(format!(
                "readers saw neither the old rows nor the new ones: {seen}"
            )));
        }
        if self.completed().is_some_and(|run| Some(run) != last) {
            // The next run would be another one.
            return self.compare(known);
        }
        let ended = Child::start(self.command())?.wait(PATIENCE)?;
        if !matches!(ended, Ended::Exited(0, _)) {
            return Ok(Outcome::Broken(format!("the run after it fails: {ended}")));
        }
        self.compare(known)
    }

    fn compare(&self, known: &Known) -> Result<Outcome, Uncertifiable> {
        let after = self.look()?;
        if after == known.after {
            return Ok(Outcome::Held);
        }
        Ok(Outcome::Broken(format!(
            "there is something else than after an undisturbed run: {after} instead of {}",
            known.after
        )))
    }

    /// The last run, if it has noted its end. While there is no state that can
    /// be read, none has.
    fn completed(&self) -> Option<String> {
        let state = self.state.open_existing();
        let shown = state.and_then(|state| state.show(&self.pipeline));
        let last = shown.ok().and_then(|shown| shown.summary.last_run)?;
        (last.status == RunStatus::Completed).then_some(last.id)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--quiet").arg(&self.document);
        command.env_remove(crate::run::fail_point::VARIABLE);
        command
    }

    /// Puts everything back, and looks. The state of the pipeline is forgotten
    /// before: a command that puts back may run the pipeline to begin from there.
    fn beginning(&self) -> Result<String, Uncertifiable> {
        let mut forget = Command::new(&self.program);
        forget.args(["state", "reset"]).arg(&self.document);
        // Fails where there is no state yet.
        Child::start(forget)?.wait(PATIENCE)?;
        shell("--reset", &self.reset)?;
        self.look()
    }

    fn look(&self) -> Result<String, Uncertifiable> {
        shell("--check", &self.check)
    }
}

/// An undisturbed run.
struct Known {
    before: String,
    after: String,
    took: Duration,
}

/// Runs a command of whoever certifies; what it prints.
fn shell(what: &'static str, command: &str) -> Result<String, Uncertifiable> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    match Child::start(shell)?.wait(PATIENCE)? {
        Ended::Exited(0, said) => Ok(said.trim_end().to_owned()),
        other => Err(Uncertifiable::Command {
            what,
            command: command.to_owned(),
            said: other.to_string(),
        }),
    }
}
