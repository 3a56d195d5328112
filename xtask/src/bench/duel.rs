//! Lets a subject and a baseline do the same work in turns.

use std::path::Path;
use std::process::Command;

use super::child::{self, Cost};
use super::figures::{Figure, Spread};
use crate::error::Result;

/// One side of a comparison.
pub struct Side<'a> {
    /// What it is called.
    pub name: &'static str,
    /// Makes the command of one run, after whatever a run before it left has
    /// been removed. Not timed.
    pub prepare: Box<dyn Fn() -> Result<Command> + 'a>,
}

/// The same work by two sides.
pub struct Duel<'a> {
    /// What the work is.
    pub case: &'static str,
    /// What is looked at.
    pub subject: Side<'a>,
    /// What it is compared with.
    pub baseline: Side<'a>,
}

impl Duel<'_> {
    /// Runs both sides in turns, and compares wall time, CPU time and memory.
    /// What processes print goes to `log`.
    pub fn fight(&self, runs: usize, log: &Path) -> Result<Vec<Figure>> {
        let once = |side: &Side| -> Result<Cost> { child::measure(&mut (side.prepare)()?, log) };
        once(&self.subject)?;
        once(&self.baseline)?;
        let (mut subject, mut baseline) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            subject.push(once(&self.subject)?);
            baseline.push(once(&self.baseline)?);
            eprintln!(
                "{}, run {run} of {runs}: {} {:.3} s, {} {:.3} s",
                self.case,
                self.subject.name,
                subject[run - 1].wall.as_secs_f64(),
                self.baseline.name,
                baseline[run - 1].wall.as_secs_f64(),
            );
        }
        let figure = |metric: &'static str, unit: &'static str, of: fn(&Cost) -> f64| Figure {
            case: self.case.to_owned(),
            metric: metric.into(),
            unit: unit.into(),
            value: Spread::of(subject.iter().map(of)),
            baseline: self.baseline.name.into(),
            baseline_value: Spread::of(baseline.iter().map(of)),
            runs,
        };
        Ok(vec![
            figure("wall", "s", |cost| cost.wall.as_secs_f64()),
            figure("cpu", "s", |cost| cost.cpu.as_secs_f64()),
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            figure("peak memory", "MiB", |cost| cost.peak as f64 / 1_048_576.0),
        ])
    }
}
