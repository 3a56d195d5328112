//! The streams of a plan: what a document asks for, as far as the connectors'
//! specs allow it.

use crate::connector::bindings::StreamRequest;
use crate::connector::bindings::types::{Format, SyncMode as WitSync, WriteMode as WitWrite};
use crate::connector::{Connector, Role, SourceCalls};
use crate::document::{self, Cause, Document, OnDataError, Streams, SyncMode, WriteMode};
use crate::plan::StreamPlan;
use crate::workshop::Made;
use crate::{Error, Result};

/// The word for a sync mode in documents.
pub(crate) fn sync_word(mode: WitSync) -> &'static str {
    match mode {
        WitSync::FullRefresh => "full_refresh",
        WitSync::Incremental => "incremental",
        WitSync::Cdc => "cdc",
    }
}

/// A sync mode with its fields, as the contract has them.
fn sync_mode(sync: &SyncMode) -> (WitSync, Option<String>, Option<String>) {
    match sync {
        SyncMode::FullRefresh => (WitSync::FullRefresh, None, None),
        SyncMode::Incremental {
            cursor_field,
            tie_breaker_field,
        } => (
            WitSync::Incremental,
            Some(cursor_field.value.clone()),
            tie_breaker_field.as_ref().map(|f| f.value.clone()),
        ),
        SyncMode::Cdc => (WitSync::Cdc, None, None),
    }
}

/// The formats that all that comes after the source takes, best first.
pub(crate) fn accepted(transforms: &[Made], destination: &Connector) -> Vec<Format> {
    let takes = |format: &Format| {
        transforms.iter().all(|made| {
            let spec = &made.connector.spec;
            spec.takes.contains(format) && spec.emits.contains(format)
        })
    };
    let formats = destination.spec.takes.iter().copied();
    formats.filter(|format| takes(format)).collect()
}

/// The streams of a document, as its source is asked for them.
///
/// # Errors
///
/// What the document asks for and the connectors do not do; what the source
/// says where it has to name its streams.
pub(crate) async fn lay_out(
    document: &Document,
    source: &Connector,
    destination: &Connector,
    accepts: Vec<Format>,
) -> Result<Vec<StreamPlan>> {
    let mode = &document.destination.write_mode;
    let wanted = match mode.value {
        WriteMode::Append => WitWrite::Append,
        WriteMode::Replace => WitWrite::Replace,
        WriteMode::Upsert => WitWrite::Upsert,
    };
    if !destination.spec.write_modes.contains(&wanted) {
        let known: Vec<_> = destination
            .spec
            .write_modes
            .iter()
            .map(|mode| match mode {
                WitWrite::Append => "append",
                WitWrite::Replace => "replace",
                WitWrite::Upsert => "upsert",
            })
            .collect();
        let wrong = document
            .diagnostic(
                mode.position,
                format!(
                    "{} does not know write_mode {:?}",
                    destination.name,
                    mode.value.to_string()
                ),
            )
            .with_help(format!("it knows {}", known.join(", ")));
        return Err(Error::Document(wrong.into()));
    }
    let request = |name: &str| StreamRequest {
        pipeline: document.pipeline.value.clone(),
        name: name.to_owned(),
        sync_mode: WitSync::FullRefresh,
        cursor_field: None,
        tie_breaker_field: None,
        primary_key: Vec::new(),
        columns: Vec::new(),
        partition_key: None,
        parallelism: document.resources.parallelism,
        accepts: accepts.clone(),
        rejects: document.destination.on_data_error != OnDataError::Fail,
    };
    match &document.source.streams {
        Streams::All { position, .. } => {
            let found =
                SourceCalls(source)
                    .discover()
                    .await
                    .map_err(|failure| Error::Connector {
                        role: Role::Source,
                        component: source.name.clone(),
                        stream: None,
                        failure,
                    })?;
            if found.is_empty() {
                let message = format!("{} has no streams, and \"*\" stands for all", source.name);
                let wrong = document
                    .diagnostic(*position, message)
                    .because(Cause::Missing);
                return Err(Error::Document(wrong.into()));
            }
            Ok(found
                .into_iter()
                .map(|stream| StreamPlan {
                    primary_key: stream.key.clone(),
                    request: StreamRequest {
                        primary_key: stream.key,
                        ..request(&stream.name)
                    },
                })
                .collect())
        }
        Streams::Named(streams) => {
            let plans = streams
                .iter()
                .map(|stream| stream_plan(document, source, stream, request(&stream.name.value)))
                .collect::<Result<_>>()?;
            check_sync_modes(document, destination, streams)?;
            Ok(plans)
        }
    }
}

/// Whether the destination takes the rows of each reading.
fn check_sync_modes(
    document: &Document,
    destination: &Connector,
    streams: &[document::Stream],
) -> Result<()> {
    let taken = &destination.spec.sync_modes;
    for stream in streams {
        let (mode, _, _) = sync_mode(&stream.sync);
        if mode != WitSync::FullRefresh && !taken.contains(&mode) {
            let message = format!(
                "{} does not go on where the load before has ended, and stream {:?} with \
                 sync_mode {:?} asks for it",
                destination.name,
                stream.name.value,
                sync_word(mode)
            );
            let wrong = document.diagnostic(stream.name.position, message);
            let wrong = wrong.with_help("set sync_mode: full_refresh");
            return Err(Error::Document(wrong.into()));
        }
    }
    Ok(())
}

fn stream_plan(
    document: &Document,
    source: &Connector,
    stream: &document::Stream,
    request: StreamRequest,
) -> Result<StreamPlan> {
    let texts = |list: &[document::Spanned<String>]| {
        list.iter().map(|s| s.value.clone()).collect::<Vec<_>>()
    };
    let (sync_mode, cursor_field, tie_breaker_field) = sync_mode(&stream.sync);
    if !source.spec.sync_modes.contains(&sync_mode) {
        let known: Vec<_> = source
            .spec
            .sync_modes
            .iter()
            .map(|m| sync_word(*m))
            .collect();
        let wrong = document
            .diagnostic(
                stream.name.position,
                format!(
                    "{} does not know sync_mode {:?}, which stream {:?} asks for",
                    source.name,
                    sync_word(sync_mode),
                    stream.name.value
                ),
            )
            .with_help(format!("it knows {}", known.join(", ")));
        return Err(Error::Document(wrong.into()));
    }
    Ok(StreamPlan {
        primary_key: texts(&stream.primary_key),
        request: StreamRequest {
            sync_mode,
            cursor_field,
            tie_breaker_field,
            primary_key: texts(&stream.primary_key),
            columns: texts(&stream.columns),
            partition_key: stream.partition_key.as_ref().map(|k| k.value.clone()),
            ..request
        },
    })
}
