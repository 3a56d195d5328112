//! Reads files as a host would, with small batches and small reads.

mod csv;
mod errors;
mod jsonl;
mod parquet;
mod property;
mod rejects;
mod several;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use vesicle_connector::Error;
use vesicle_connector::testing::{self, Output, block_on};

use crate::FileSource;

/// A folder of files to read.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with one file.
    fn with(name: &str, contents: impl AsRef<[u8]>) -> (Self, Value) {
        let files = Self::new();
        let path = files.add(name, contents);
        (files, json!({ "path": [path] }))
    }

    fn add(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A message without the name of the folder.
    fn clean(&self, message: &str) -> String {
        message.replace(&format!("{}/", self.path().display()), "")
    }
}

fn with(mut config: Value, key: &str, value: Value) -> Value {
    config[key] = value;
    config
}

fn read(config: &Value) -> Output {
    let output = block_on(testing::read::<FileSource>(config.clone(), "any")).unwrap();
    output.outcome.clone().unwrap();
    // Reading on from any cursor gives the rest: for whatever any test reads.
    block_on(testing::assert_resumable::<FileSource>(
        config.clone(),
        "any",
    ))
    .unwrap();
    output
}

fn fails(config: &Value) -> Error {
    match block_on(testing::read::<FileSource>(config.clone(), "any")) {
        Ok(output) => output.outcome.unwrap_err(),
        Err(error) => error,
    }
}

/// The error of a file with some contents, without the name of its folder.
fn failure(name: &str, contents: impl AsRef<[u8]>) -> String {
    let (files, config) = Files::with(name, contents);
    files.clean(&fails(&config).message)
}

/// `name: type` of each column.
fn columns(output: &Output) -> Vec<String> {
    let schema = output.schema().unwrap();
    schema
        .fields()
        .iter()
        .map(|field| format!("{}: {}", field.name(), field.data_type()))
        .collect()
}

/// Rows as text, values apart by `|`, NULL as `∅`.
fn rows(output: &Output) -> Vec<String> {
    let options = FormatOptions::new().with_null("∅");
    let of_batch = |batch: &RecordBatch| {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(known_zone).collect();
        let columns = columns.iter();
        let columns: Vec<_> = columns
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        (0..batch.num_rows())
            .map(|row| {
                let values = columns.iter().map(|column| column.value(row).to_string());
                values.collect::<Vec<_>>().join("|")
            })
            .collect::<Vec<_>>()
    };
    output.batches().into_iter().flat_map(of_batch).collect()
}

/// The column with an offset for a zone that Arrow knows only by a database.
fn known_zone(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(stamps) if stamps.timezone() == Some("UTC") => {
            Arc::new(stamps.clone().with_timezone("+00:00"))
        }
        _ => column.clone(),
    }
}

fn gzip(contents: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut encoder, contents.as_ref()).unwrap();
    encoder.finish().unwrap()
}
