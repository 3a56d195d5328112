//! Makes the plan: looks at the files and decides on their columns.

use vesicle_connector::{Error, Result};

use crate::csv;
use crate::infer::Guess;
use crate::jsonl;
use crate::layout::{ColumnLayout, FileLayout, Layout, Shape, no_such_column, same_names};
use crate::options::{Format, Options};
use crate::parquet;
use crate::sample::Sample;

/// Looks at all files.
///
/// # Errors
///
/// What is wrong with a file, as far as it is looked at.
pub fn survey(options: &Options) -> Result<Layout> {
    let paths = options.paths.iter();
    let files: Vec<FileLayout> = paths
        .map(|path| FileLayout::of(path))
        .collect::<Result<_>>()?;
    let shape = match options.format {
        Format::Csv => Shape::Text(declare(options, survey_csv(options)?, false)?),
        Format::Jsonl => {
            let sample = survey_jsonl(options)?;
            let whole = sample.whole;
            Shape::Text(declare(options, sample, !whole)?)
        }
        Format::Parquet => Shape::Arrow(parquet::survey(&options.paths)?),
    };
    Ok(Layout { files, shape })
}

/// The columns of the first file, with what all files show of them.
fn survey_csv(options: &Options) -> Result<Sample> {
    let first = &options.paths[0];
    let mut all = csv::sample(first, options)?;
    for path in &options.paths[1..] {
        let other = csv::sample(path, options)?;
        same_names(first, path, names(&all), names(&other))?;
        merge(&mut all, other);
    }
    Ok(all)
}

/// The columns of all files, as they come up.
fn survey_jsonl(options: &Options) -> Result<Sample> {
    let mut all = Sample {
        columns: Vec::new(),
        whole: true,
    };
    for path in &options.paths {
        merge(&mut all, jsonl::sample(path, options)?);
    }
    Ok(all)
}

fn names(sample: &Sample) -> impl Iterator<Item = &str> + Clone {
    sample.columns.iter().map(|(name, _)| name.as_str())
}

fn merge(all: &mut Sample, other: Sample) {
    all.whole &= other.whole;
    for (name, guess) in other.columns {
        match all.columns.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.merge(guess),
            None => all.columns.push((name, guess)),
        }
    }
}

/// The columns with the types the user declares, or else the inferred ones.
/// Where columns may come up later, declaring one is how it becomes known.
fn declare(options: &Options, sample: Sample, may_come_up: bool) -> Result<Vec<ColumnLayout>> {
    let undeclared = |(name, guess): (String, Guess)| ColumnLayout {
        name,
        kind: guess.kind(),
        declared: false,
        // Without a sample text is what the user asks for.
        untyped: guess.saw_nothing() && options.sample_rows > 0,
    };
    let mut columns: Vec<ColumnLayout> = sample.columns.into_iter().map(undeclared).collect();
    let nothing_seen = columns.is_empty();
    for (name, kind) in &options.declared {
        if let Some(column) = columns.iter_mut().find(|column| column.name == *name) {
            column.kind = *kind;
            column.declared = true;
            column.untyped = false;
        } else if may_come_up || nothing_seen {
            columns.push(ColumnLayout {
                name: name.clone(),
                kind: *kind,
                declared: true,
                untyped: false,
            });
        } else {
            let names = columns.iter().map(|column| column.name.as_str());
            return Err(no_such_column("columns", name, names));
        }
    }
    if columns.is_empty() {
        let message = format!(
            "{}: the file has no rows, so that its columns are not known; declare them: \
             columns: {{ name: type }}",
            options.paths[0]
        );
        return Err(Error::data("empty-file", message));
    }
    Ok(columns)
}
