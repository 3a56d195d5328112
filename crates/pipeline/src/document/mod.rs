//! The document that describes a pipeline.
//!
//! [`Document::parse`] takes the bytes of a YAML file to a typed [`Document`],
//! or to all that is wrong with it, each with line and column. In between:
//!
//! 1. `syntax` reads YAML 1.2 into a tree of [`Value`]s with positions, bounds
//!    its size, and substitutes `${NAME}` (`variables`);
//! 2. `fields` checks the keys of each section against its table in [`keys`];
//! 3. `decode` and `streams` make the types of `model` of it, which cannot hold
//!    what a document may not say.
//!
//! The connectors' own configurations are checked later, by [`check_config`],
//! when the options that a connector declares are known.
//!
//! Invariants: nothing here reads a file or the environment; no input makes it
//! panic; a value that came from the environment is in no error message.
//!
//! ```
//! # use vesicle_pipeline::document::Document;
//! let text = br#"
//! version: "1.0"
//! pipeline: flights
//! source: { use: source-file, config: { path: "${DIR}/flights.csv" }, streams: [flights] }
//! destination: { use: dest-file, config: { path: out }, write_mod: replace }
//! "#;
//! let environment = |name: &str| (name == "DIR").then(|| "data".to_owned());
//! let errors = Document::parse("pipeline.yaml", text, &environment).unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "pipeline.yaml:5:55: unknown key \"write_mod\" in destination; did you mean \"write_mode\"?",
//! );
//! ```

mod config;
mod decode;
mod diagnostic;
mod endpoint;
mod fields;
pub mod keys;
mod model;
mod quantity;
mod redact;
mod reference;
mod scalars;
mod schema;
mod streams;
mod suggest;
mod syntax;
mod table;
mod value;
mod variables;
mod wording;
mod words;

pub use config::{OptionKind, OptionSpec, check_config, config_identity, hide_secrets};
pub use diagnostic::{Cause, Diagnostic, Diagnostics, Position, Spanned, quote};
pub use endpoint::Endpoint;
pub use model::{
    Checkpoint, Connector, Destination, Document, Limits, Permissions, Resources, SchemaEvolution,
    Source, StateStore, Stream, Streams, SyncMode, Transform,
};
pub use quantity::{parse_duration, parse_size, show_duration, show_size};
pub use redact::Redactor;
pub use reference::reference;
pub use schema::json_schema;
pub use syntax::MAX_DOCUMENT_BYTES;
pub use table::{Key, Kind, Presence, Section};
pub use value::{Entry, Meaning, Node, Scalar, Value};
pub use variables::Environment;
pub use words::{
    Backend, Choice, Compression, NewColumn, Nullability, OnDataError, RemovedColumn, SyncWord,
    TypeChange, Word, WriteMode,
};

use diagnostic::Problems;
pub use suggest::nearest;

impl Document {
    /// Reads a document.
    ///
    /// `path` is what errors call it, `environment` looks up a variable.
    ///
    /// # Errors
    /// All that is wrong with the document, sorted by position.
    pub fn parse(
        path: &str,
        source: &[u8],
        environment: &Environment<'_>,
    ) -> Result<Document, Diagnostics> {
        let text = text(path, source)?;
        let problems = Problems::new(path);
        let document = syntax::read(text, environment, &problems)
            .and_then(|(root, used)| decode::document((path, text), &root, used, &problems));
        match (problems.finish(), document) {
            (Some(found), _) => Err(found),
            (None, Some(document)) => Ok(document),
            (None, None) => {
                let message = "the document cannot be read, for a reason that has no name";
                Err(Diagnostic::new(path, Position::START, message).into())
            }
        }
    }
}

/// The bytes as text, if they are UTF-8 and not too many.
fn text<'s>(path: &str, source: &'s [u8]) -> Result<&'s str, Diagnostic> {
    if source.len() > MAX_DOCUMENT_BYTES {
        let (size, limit) = (source.len(), show_size(MAX_DOCUMENT_BYTES as u64));
        let message = format!("the document has {size} bytes; {limit} is the limit");
        return Err(Diagnostic::new(path, Position::START, message));
    }
    std::str::from_utf8(source).map_err(|error| {
        let before = String::from_utf8_lossy(&source[..error.valid_up_to()]);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        let wide = source.starts_with(&[0xff, 0xfe]) || source.starts_with(&[0xfe, 0xff]);
        let found = if wide { "UTF-16" } else { "another encoding" };
        Diagnostic::new(
            path,
            Position { line, column },
            format!("the document is not UTF-8, it looks like {found}"),
        )
        .with_help("save it as UTF-8")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
