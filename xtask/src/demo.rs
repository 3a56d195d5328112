//! The quickstart: penguins from CSV to Parquet.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::arguments::Profile;
use crate::build;
use crate::command::{self, heading};
use crate::error::{Error, Result};
use crate::files;
use crate::tree::Tree;

/// Builds everything, runs the example on a copy, and says what came of it.
pub fn run(tree: &Tree) -> Result<()> {
    build::all(tree, Profile::Dev)?;
    let folder = tree.target.join("demo");
    files::copy_folder(&tree.root.join("examples/penguins"), &folder, &[])?;
    let binary = tree.binaries(Profile::Dev).join("vesicle");
    let document = folder.join("pipeline.yaml");
    heading(&format!(
        "{} run {}",
        tree.shown(&binary),
        tree.shown(&document)
    ));
    let report = run_pipeline(&binary, &document)?;
    let lines = said(&report, &folder, tree)?;
    println!("\n{lines}");
    let look = tree.shown(&folder.join("look.yaml"));
    println!(
        "Look at it:\n\n    {} run --dry-run --limit 5 {look}\n",
        tree.shown(&binary)
    );
    Ok(())
}

/// Runs a pipeline, its progress on our stderr, and returns its report.
fn run_pipeline(binary: &Path, document: &Path) -> Result<Value> {
    let mut run = Command::new(binary);
    run.arg("run")
        .arg(document)
        .args(["--output", "json"])
        .stdin(Stdio::null());
    serde_json::from_str(&command::output(&mut run)?)
        .map_err(|error| Error::unmet(format!("the report is not JSON: {error}")))
}

/// What a report says was written, how many rows, and where.
fn said(report: &Value, folder: &Path, tree: &Tree) -> Result<String> {
    let status = report["status"].as_str().unwrap_or("unknown");
    let streams = report["streams"]
        .as_array()
        .filter(|streams| !streams.is_empty());
    let (Some(streams), "completed") = (streams, status) else {
        return Err(Error::unmet(format!(
            "the demo's run ended as {status:?}: {report}"
        )));
    };
    let mut lines = String::new();
    for stream in streams {
        let (Some(name), Some(rows)) = (stream["name"].as_str(), stream["rows_total"].as_u64())
        else {
            return Err(Error::unmet(format!(
                "the report has no count of rows: {report}"
            )));
        };
        let places = stream["places"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let places: Vec<_> = places
            .map(|place| shown_place(place, folder, tree))
            .collect();
        lines += &format!(
            "Wrote {rows} rows of {name} as Parquet to {}\n",
            places.join(", ")
        );
    }
    Ok(lines)
}

/// A place as it would be typed; the report's own is relative to the document.
fn shown_place(place: &str, folder: &Path, tree: &Tree) -> String {
    tree.shown(&folder.join(place))
}
