//! What the tests of this connector share: folders, loads, reading back.
#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use dest_file::FileDestination;
use dest_file::disk::Disk;
use serde_json::{Value, json};
use source_file::FileSource;
use tempfile::TempDir;
use vesicle_connector::testing::{self, block_on};
use vesicle_connector::{
    CommitRequest, Destination, Load, LoadRequest, Result, Summary, WriteMode, Writer,
};

/// A folder in memory where there is one: crashing at every step syncs
/// thousands of times, and the order of syncs is tested apart.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Rows with the numbers from `from` to `to`.
pub fn numbers(from: i64, to: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(
        (from..to).map(|id| format!("row {id}")),
    ));
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

pub fn schema() -> SchemaRef {
    numbers(0, 0).schema()
}

pub fn config(root: &Path, format: &str) -> Value {
    json!({ "path": root, "format": format })
}

pub fn destination(config: &Value) -> FileDestination {
    testing::open_destination(config.clone()).unwrap()
}

pub fn request(run: &str, mode: WriteMode) -> LoadRequest {
    let mut request = LoadRequest::new("s", run, schema());
    request.write_mode = mode;
    request.snapshot = Some("the snapshot".to_owned());
    request
}

/// A source of the numbers up to a count: its cursor is the next number. It
/// commits after each `step`.
pub struct Numbers {
    pub count: i64,
    pub step: i64,
}

impl Numbers {
    /// Does what a host does, from the beginning of a run to its end.
    pub fn load(&self, destination: &FileDestination, request: &LoadRequest) -> Result<Summary> {
        let load = block_on(destination.begin(request))?;
        if load.complete {
            return Ok(Summary::default());
        }
        self.write(destination, &load)?;
        block_on(destination.finish(&load))
    }

    /// Writes what the load does not have yet.
    pub fn write(&self, destination: &FileDestination, load: &Load) -> Result<()> {
        let done = load.cursors.iter().find(|cursor| cursor.partition == "all");
        let mut next: i64 = done.map_or(0, |cursor| cursor.cursor.parse().unwrap());
        if done.is_some_and(|cursor| cursor.last) {
            return Ok(());
        }
        let mut writer = block_on(destination.writer(load, "all"))?;
        loop {
            let end = (next + self.step).min(self.count);
            let middle = (next + end) / 2;
            block_on(writer.batch(numbers(next, middle)))?;
            block_on(writer.batch(numbers(middle, end)))?;
            next = end;
            let last = next == self.count;
            let commit = CommitRequest {
                cursor: next.to_string(),
                last,
            };
            let receipt = block_on(writer.commit(&commit))?;
            assert_eq!((receipt.cursor, receipt.last), (commit.cursor, commit.last));
            if last {
                return Ok(());
            }
        }
    }
}

/// The numbers that a reader of the visible folder finds, in order.
pub fn visible(root: &Path) -> Vec<i64> {
    let files = files(&root.join("s"));
    if files.is_empty() {
        return Vec::new();
    }
    let config = json!({ "path": files, "columns": Value::Null });
    let output = block_on(testing::read::<FileSource>(config, "s")).unwrap();
    output.outcome.clone().unwrap();
    let mut ids: Vec<i64> = Vec::new();
    for batch in output.batches() {
        if let Some(column) = batch["id"].as_primitive_opt::<Int64Type>() {
            ids.extend(column.iter().flatten());
        }
    }
    ids.sort_unstable();
    ids
}

/// The paths of what a folder holds, sorted; none if it is not there.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Whether nothing of a load is left but its record.
pub fn is_clean(root: &Path) -> bool {
    let left = files(&root.join(".vesicle/s"));
    left == [root.join(".vesicle/s/load.json")]
}

/// A destination whose file system fails at a step and from there on.
pub fn crashing(config: &Value, after: usize) -> FileDestination {
    let steps = std::cell::Cell::new(0);
    destination(config).on(Disk::watched(move |_| {
        steps.set(steps.get() + 1);
        match steps.get() > after {
            true => Err(std::io::Error::other("crash")),
            false => Ok(()),
        }
    }))
}
