//! Calls and instances of the pool, over the engine alone doing the same by
//! hand. A program of the pool's crate measures both sides in one process, in
//! turns, and gives its samples.

use serde_json::Value;

use super::figures::{Figure, Spread};
use crate::command::{self, cargo};
use crate::error::{Error, Result};
use crate::tree::Tree;

/// Measures all cases.
pub fn measure(tree: &Tree, runs: usize) -> Result<Vec<Figure>> {
    measure_by(tree, "calls", runs)
}

/// Has a program measure that gives a line of JSON for each case.
pub fn measure_by(tree: &Tree, program: &str, runs: usize) -> Result<Vec<Figure>> {
    let mut bench = cargo(&tree.root);
    bench
        .args(["bench", "--workspace", "--bench", program, "--target-dir"])
        .arg(&tree.target)
        .args(["--", &runs.to_string()]);
    let printed = command::output(&mut bench)?;
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    let figures: Vec<_> = lines
        .map(|line| figure(line, runs))
        .collect::<Result<_>>()?;
    match figures.is_empty() {
        false => Ok(figures),
        true => Err(Error::unmet("the bench has printed no figures")),
    }
}

fn figure(line: &str, runs: usize) -> Result<Figure> {
    let wrong = || Error::unmet(format!("the bench has printed {line:?}"));
    let found: Value = serde_json::from_str(line).map_err(|_| wrong())?;
    let text = |key: &str| found[key].as_str().map(str::to_owned).ok_or_else(wrong);
    let samples = |key: &str| {
        let samples = found[key].as_array().filter(|samples| !samples.is_empty());
        let samples = samples.ok_or_else(wrong)?.iter();
        let samples: Option<Vec<f64>> = samples.map(Value::as_f64).collect();
        Ok(Spread::of(samples.ok_or_else(wrong)?.into_iter()))
    };
    Ok(Figure {
        case: text("case")?,
        metric: text("metric")?.into(),
        unit: text("unit")?.into(),
        value: samples("subject")?,
        baseline: text("baseline")?.into(),
        baseline_value: samples("other")?,
        runs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_figure_and_anything_else_is_told() {
        let line = r#"{"case":"c","metric":"a call","unit":"ns","baseline":"by hand",
            "subject":[2.0,4.0,3.0],"other":[1.0,2.0,3.0]}"#;
        let found = figure(line, 3).unwrap();
        assert_eq!((found.ratio(), found.runs), (1.5, 3));
        let none =
            r#"{"case":"c","metric":"m","unit":"ns","baseline":"b","subject":[],"other":[1.0]}"#;
        assert!(figure(none, 3).is_err());
    }
}
