//! `source.streams`, and what its streams owe to the destination's mode.

use super::diagnostic::{Position, Spanned, quote};
use super::fields::Fields;
use super::keys;
use super::model::{Stream, Streams, SyncMode};
use super::value::{Node, Value};
use super::words::{SyncWord, WriteMode};
use std::collections::HashMap;

/// How the destination loads what is read.
#[derive(Clone, Copy)]
pub(super) struct Loading<'d> {
    /// Its mode, and where that is written.
    pub(super) write_mode: &'d Spanned<WriteMode>,
    /// The key of streams that have none of their own.
    pub(super) primary_key: &'d [Spanned<String>],
}

const ALL: &str = "*";

/// Reads `streams` of a source. `None` after a problem was noted.
///
/// Without `loading`, the destination is at fault; the streams are read for
/// the problems of their own.
pub(super) fn decode(source: &Fields<'_>, loading: Option<Loading<'_>>) -> Option<Streams> {
    let value = source.value("streams")?;
    match value.node() {
        Node::Scalar(scalar) if scalar.text == ALL => all(source, value, loading),
        Node::List(items) => {
            let named = named(source, items, loading);
            if items.is_empty() {
                let message = "\"streams\" in source is an empty list";
                let help = "name at least one stream, or write \"*\" for all";
                source
                    .problems()
                    .advise(value.position(), message, Some(help.to_owned()));
                return None;
            }
            Some(Streams::Named(named))
        }
        node => {
            let given = match node {
                Node::Scalar(_) if value.is_null() => "empty".to_owned(),
                Node::Scalar(_) => value.shown(),
                _ => value.kind().to_owned(),
            };
            let message =
                format!("\"streams\" in source must be \"*\" or a list of streams, not {given}");
            let help = match node {
                Node::Scalar(scalar) if !scalar.text.is_empty() => {
                    format!("write [{}]", scalar.shown())
                }
                _ => "write [name] or [{ name: …, … }]".to_owned(),
            };
            source
                .problems()
                .advise(value.position(), message, Some(help));
            None
        }
    }
}

fn all(source: &Fields<'_>, value: &Value, loading: Option<Loading<'_>>) -> Option<Streams> {
    let loading = loading?;
    if loading.write_mode.value == WriteMode::Upsert && loading.primary_key.is_empty() {
        let message = "write_mode: upsert needs a primary_key, and streams: \"*\" names none";
        let help = "write primary_key in destination, or list the streams";
        source
            .problems()
            .advise(loading.write_mode.position, message, Some(help.to_owned()));
    }
    let primary_key = loading
        .primary_key
        .iter()
        .map(|column| column.value.clone())
        .collect();
    Some(Streams::All {
        position: value.position(),
        primary_key,
    })
}

fn named(source: &Fields<'_>, items: &[Value], loading: Option<Loading<'_>>) -> Vec<Stream> {
    let mut seen: HashMap<String, Position> = HashMap::new();
    let mut streams = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("streams[{index}]");
        let stream = match item.node() {
            Node::Map(_) => {
                let fields = Fields::new(
                    &keys::STREAM,
                    item,
                    path.clone(),
                    item.position(),
                    source.problems(),
                );
                fields.and_then(|fields| stream(&fields))
            }
            _ => short(source, &path, item),
        };
        let Some(mut stream) = stream else { continue };
        if let Some(first) = seen.insert(stream.name.value.clone(), stream.name.position) {
            let message = format!("the stream {} is in the list twice", item_name(item));
            let help = format!("the first is at {first}");
            source
                .problems()
                .advise(stream.name.position, message, Some(help));
        }
        if let Some(loading) = loading {
            load(source, &path, item, &mut stream, loading);
        }
        streams.push(stream);
    }
    streams
}

/// An item that is only a name.
fn short(source: &Fields<'_>, path: &str, item: &Value) -> Option<Stream> {
    let problem = |message: String, help: &str| {
        source
            .problems()
            .advise(item.position(), message, Some(help.to_owned()));
        None
    };
    match item.as_text() {
        Some(ALL) => problem(
            "\"*\" in a list of streams".to_owned(),
            "it stands alone: streams: \"*\"",
        ),
        Some(name) if !name.trim().is_empty() && !name.contains('\0') => Some(Stream {
            name: Spanned::new(name.to_owned(), item.position()),
            sync: SyncMode::FullRefresh,
            primary_key: Vec::new(),
            columns: Vec::new(),
            partition_key: None,
        }),
        _ => problem(
            format!(
                "{path} must be a name or a map of keys, not {}",
                item.shown()
            ),
            "write a name, or { name: …, … }",
        ),
    }
}

/// The name of a stream, for a message.
fn item_name(item: &Value) -> String {
    let name = item.get("name").unwrap_or(item);
    name.scalar()
        .map_or_else(String::new, |scalar| match scalar.written {
            Some(_) => scalar.shown(),
            None => quote(&scalar.text),
        })
}

fn stream(fields: &Fields<'_>) -> Option<Stream> {
    let name = fields.text("name");
    let sync = sync_mode(fields);
    let stream = Stream {
        primary_key: fields.texts("primary_key"),
        columns: fields.texts("columns"),
        partition_key: fields.text("partition_key"),
        name: name?,
        sync: sync?,
    };
    if stream.name.value == ALL {
        let help = "it stands alone: streams: \"*\"";
        let message = "\"*\" as the name of one stream";
        fields
            .problems()
            .advise(stream.name.position, message, Some(help.to_owned()));
        return None;
    }
    Some(stream)
}

fn sync_mode(fields: &Fields<'_>) -> Option<SyncMode> {
    let word = fields.choice::<SyncWord>("sync_mode");
    let cursor_field = fields.text("cursor_field");
    let tie_breaker_field = fields.text("tie_breaker_field");
    match word? {
        SyncWord::Incremental if !fields.has("cursor_field") => {
            let message = format!(
                "sync_mode: incremental in {} needs \"cursor_field\"",
                fields.path()
            );
            let help = "name the column that grows with every change";
            fields.problems().advise(
                fields.position_of("sync_mode"),
                message,
                Some(help.to_owned()),
            );
            None
        }
        SyncWord::Incremental => Some(SyncMode::Incremental {
            cursor_field: cursor_field?,
            tie_breaker_field,
        }),
        other => {
            for key in ["cursor_field", "tie_breaker_field"] {
                if fields.has(key) {
                    let message = format!(
                        "\"{key}\" in {} goes with sync_mode: incremental only",
                        fields.path()
                    );
                    let help =
                        format!("remove it, or write sync_mode: incremental in place of {other}");
                    fields
                        .problems()
                        .advise(fields.position_of(key), message, Some(help));
                }
            }
            Some(match other {
                SyncWord::Cdc => SyncMode::Cdc,
                _ => SyncMode::FullRefresh,
            })
        }
    }
}

/// Gives a stream the destination's key if it has none, and notes what does
/// not go with the destination's mode.
fn load(source: &Fields<'_>, path: &str, item: &Value, stream: &mut Stream, loading: Loading<'_>) {
    if stream.primary_key.is_empty() {
        stream.primary_key = loading.primary_key.to_vec();
    }
    match loading.write_mode.value {
        WriteMode::Upsert if stream.primary_key.is_empty() => {
            let message = format!(
                "write_mode: upsert needs a primary_key, and {path} ({}) has none",
                item_name(item)
            );
            let help = "write primary_key in the stream or in destination";
            source
                .problems()
                .advise(stream.name.position, message, Some(help.to_owned()));
        }
        _ => {}
    }
    let help = match (&stream.sync, loading.write_mode.value) {
        (SyncMode::Incremental { .. }, WriteMode::Replace) => {
            "replacing would leave only what changed last; use append or upsert, or full_refresh"
        }
        (SyncMode::Cdc, WriteMode::Append) => {
            "rows that are changed or deleted cannot be appended; use upsert or replace"
        }
        _ => return,
    };
    let (word, mode) = (stream.sync.word(), loading.write_mode.value);
    let message = format!("sync_mode: {word} in {path} does not go with write_mode: {mode}");
    let position = item
        .entry("sync_mode")
        .map_or(stream.name.position, |entry| entry.position);
    source
        .problems()
        .advise(position, message, Some(help.to_owned()));
}
