//! One disturbance of a run, and what came of it.

use std::fmt;

use serde::Serialize;

/// What is done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Its process is killed.
    Kill,
    /// It is held while something is done to the other side, and goes on.
    Disturb,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "why")]
pub enum Outcome {
    /// All is there, once.
    Held,
    /// The run ended before it came to that boundary.
    NotReached,
    /// It is not, and why.
    Broken(String),
}

/// One disturbance of a run, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The boundary, or the time.
    pub point: String,
    /// The how many-th time the run came to it.
    pub passage: u64,
    /// What was done.
    pub trouble: Trouble,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { point, passage, .. } = self;
        match self.trouble {
            Trouble::Kill => f.write_str("killed at ")?,
            Trouble::Disturb => f.write_str("disturbed at ")?,
        }
        write!(f, "{point}")?;
        if *passage > 1 {
            write!(f, ", passage {passage}")?;
        }
        match &self.outcome {
            Outcome::Held => f.write_str(": held"),
            Outcome::NotReached => f.write_str(": not reached"),
            Outcome::Broken(why) => write!(f, ": BROKEN, {why}"),
        }
    }
}
