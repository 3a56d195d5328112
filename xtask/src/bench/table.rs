//! Prints figures for people.

use super::figures::{Figure, Spread};

/// The titles of the columns.
const TITLES: [&str; 5] = ["case", "metric", "cost", "baseline", "ratio"];

/// A line a figure.
pub fn render(figures: &[Figure]) -> String {
    let rows: Vec<_> = figures.iter().map(cells).collect();
    let titles = TITLES.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows
            .iter()
            .chain([&titles])
            .map(|row: &[String; 5]| row[column].len());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let lines: Vec<_> = [&titles].into_iter().chain(&rows).map(line).collect();
    lines.join("\n") + "\n"
}

fn cells(figure: &Figure) -> [String; 5] {
    [
        figure.case.clone(),
        figure.metric.to_string(),
        spread(figure.value, &figure.unit),
        format!(
            "{} {}",
            figure.baseline,
            spread(figure.baseline_value, &figure.unit)
        ),
        format!("{:.2}", figure.ratio()),
    ]
}

fn spread(spread: Spread, unit: &str) -> String {
    let digits = if spread.median < 10.0 { 3 } else { 1 };
    let Spread {
        median,
        lowest,
        highest,
    } = spread;
    format!("{median:.digits$} {unit} [{lowest:.digits$}, {highest:.digits$}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let of = |case: &str, value| Figure {
            case: case.to_owned(),
            metric: "wall".into(),
            unit: "s".into(),
            value: Spread::of([value].into_iter()),
            baseline: "native".into(),
            baseline_value: Spread::of([1.0].into_iter()),
            runs: 1,
        };
        let expected = "\
case           metric  cost                    baseline                       ratio
csv to jsonl   wall    1.500 s [1.500, 1.500]  native 1.000 s [1.000, 1.000]  1.50
parquet        wall    12.0 s [12.0, 12.0]     native 1.000 s [1.000, 1.000]  12.00
";
        assert_eq!(
            render(&[of("csv to jsonl ", 1.5), of("parquet", 12.0)]),
            expected
        );
    }
}
