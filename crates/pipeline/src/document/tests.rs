//! Documents as users write them, right and wrong.

mod config;
mod errors;
mod hostile;
mod model;
mod published;
mod variables;
mod yaml;

use super::{Diagnostics, Document};

/// Variables that the tests know.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "DIR" => "data",
        "PORT" => "5432",
        "PASSWORD" => "hunter2-and-more",
        "NUMERIC_PASSWORD" => "0123456",
        "TRUE_PASSWORD" => "true",
        "EMPTY" => "",
        "MANY" => "12",
        _ => return None,
    };
    Some(value.to_owned())
}

fn parse(text: &str) -> Result<Document, Diagnostics> {
    Document::parse("pipeline.yaml", text.as_bytes(), &environment)
}

/// The errors of a document, one a line.
fn errors(text: &str) -> String {
    parse(text)
        .expect_err("the document should be refused")
        .to_string()
}

/// A document with a source and a destination, and what is added to them.
fn document(source: &str, destination: &str, rest: &str) -> String {
    let indent =
        |text: &str| -> String { text.lines().map(|line| format!("  {line}\n")).collect() };
    let (source, destination) = (indent(source), indent(destination));
    format!(
        "version: \"1.0\"\npipeline: p\nsource:\n  use: s\n{source}destination:\n  use: d\n{destination}{rest}"
    )
}

/// The errors of a stream, without the name of the document.
fn stream_errors(stream: &str, destination: &str) -> String {
    errors(&document(&format!("streams:\n- {stream}"), destination, ""))
}
