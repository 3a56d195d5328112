//! What a bench found.

use std::borrow::Cow;

use serde_json::{Value, json};

/// A median, and how far the runs lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The lowest.
    pub lowest: f64,
    /// The highest.
    pub highest: f64,
}

impl Spread {
    /// Of the runs' values, of which there is at least one.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        assert!(!values.is_empty(), "no run was measured");
        values.sort_by(f64::total_cmp);
        let (lower, upper) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Self {
            median: f64::midpoint(lower, upper),
            lowest: values[0],
            highest: values[values.len() - 1],
        }
    }
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The work.
    pub case: String,
    /// What was measured.
    pub metric: Cow<'static, str>,
    /// In which unit.
    pub unit: Cow<'static, str>,
    /// The subject's cost.
    pub value: Spread,
    /// What it is compared with.
    pub baseline: Cow<'static, str>,
    /// The baseline's cost.
    pub baseline_value: Spread,
    /// How many times each side ran.
    pub runs: usize,
}

impl Figure {
    /// Cost over the baseline's cost: less is better.
    pub fn ratio(&self) -> f64 {
        self.value.median / self.baseline_value.median
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "case": self.case,
            "metric": self.metric,
            "value": self.value.median,
            "unit": self.unit,
            "baseline": self.baseline,
            "baseline_value": self.baseline_value.median,
            "ratio": self.ratio(),
            "runs": self.runs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let spread = Spread::of([4.0, 1.0, 2.0, 10.0].into_iter());
        assert_eq!(
            spread,
            Spread {
                median: 3.0,
                lowest: 1.0,
                highest: 10.0
            }
        );
        assert_eq!(Spread::of([4.0, 1.0, 2.0].into_iter()).median, 2.0);
    }

    #[test]
    fn a_ratio_is_cost_over_the_baseline_s() {
        let figure = Figure {
            case: "csv to parquet".into(),
            metric: "wall".into(),
            unit: "s".into(),
            value: Spread::of([3.0].into_iter()),
            baseline: "native".into(),
            baseline_value: Spread::of([2.0].into_iter()),
            runs: 1,
        };
        let expected = json!({
            "case": "csv to parquet", "metric": "wall", "value": 3.0, "unit": "s",
            "baseline": "native", "baseline_value": 2.0, "ratio": 1.5, "runs": 1,
        });
        assert_eq!(figure.to_json(), expected);
    }
}
