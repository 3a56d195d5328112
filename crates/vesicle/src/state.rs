//! `vesicle state`

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use vesicle_pipeline::state::{PipelineState, State, StateAt, StateError};
use vesicle_pipeline::{Error, Exit};

use crate::cli::{Format, ResetArgs, StateAction, StateArgs, StateFrom, StateOf};
use crate::output::{Failed, count, print_json, print_text};
use crate::session;

/// Looks at the state of pipelines, or resets it.
pub fn run(args: StateArgs) -> Result<Exit, Failed> {
    match args.action {
        StateAction::List(from) => list(&from),
        StateAction::Show(of) => show(&of),
        StateAction::Reset(args) => reset(&args),
    }
}

/// The failure that an error of the state is.
pub fn failed(error: StateError) -> Failed {
    Error::State(error).into()
}

/// Where the state is, and the pipeline where a document was given.
fn locate(from: &Path) -> Result<(StateAt, Option<String>), Failed> {
    let is_document = from
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    if !is_document {
        return Ok((StateAt::File(from.to_owned()), None));
    }
    let read = session::read(from)?;
    let at = session::state_of(&read)?;
    Ok((at, Some(read.document.pipeline.value.clone())))
}

/// The state, and the pipeline that is meant.
pub fn open(of: &StateOf) -> Result<(Arc<dyn State>, String), Failed> {
    let (at, named) = locate(&of.from.from)?;
    let state = at.open_existing().map_err(failed)?;
    let pipeline = match of.pipeline.clone().or(named) {
        Some(pipeline) => pipeline,
        None => only(&*state, &at)?,
    };
    Ok((state, pipeline))
}

/// The pipeline of a state that has no other.
fn only(state: &dyn State, at: &StateAt) -> Result<String, Failed> {
    let mut pipelines = state.list().map_err(failed)?;
    if pipelines.len() > 1 {
        let names: Vec<_> = pipelines.iter().map(|p| p.pipeline.as_str()).collect();
        let message = format!(
            "{at} has the state of {}; name one with --pipeline",
            names.join(", ")
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    let message = format!("{at} has the state of no pipeline yet");
    let only = pipelines
        .pop()
        .ok_or_else(|| Failed::new(Exit::State, message))?;
    Ok(only.pipeline)
}

fn list(from: &StateFrom) -> Result<Exit, Failed> {
    let (at, _) = locate(&from.from)?;
    let state = at.open_existing().map_err(failed)?;
    let pipelines = state.list().map_err(failed)?;
    match from.output.output {
        Format::Json => print_json(
            &pipelines
                .iter()
                .map(|p| {
                    json!({
                        "pipeline": p.pipeline,
                        "created": p.created.to_string(),
                        "last_run": p.last_run.as_ref().map(|run| json!({
                            "id": run.id, "status": run.status.to_string(), "rows": run.rows,
                        })),
                        "cursors": p.cursors,
                        "dead_letters": p.letters,
                    })
                })
                .collect(),
        ),
        Format::Text => {
            for pipeline in &pipelines {
                let last = match &pipeline.last_run {
                    Some(run) => format!(
                        "last run {} at {}, {}",
                        run.status,
                        run.started,
                        count(run.rows, "row")
                    ),
                    None => "never run".into(),
                };
                print_text(&format!("{}: {last}", pipeline.pipeline));
            }
        }
    }
    Ok(Exit::Success)
}

fn show(of: &StateOf) -> Result<Exit, Failed> {
    let (state, pipeline) = open(of)?;
    let found = state.show(&pipeline).map_err(failed)?;
    match of.from.output.output {
        Format::Json => print_json(&as_json(&found)),
        Format::Text => print_text(&as_text(&found)),
    }
    Ok(Exit::Success)
}

fn as_text(state: &PipelineState) -> String {
    let mut lines = vec![format!("pipeline {}", state.summary.pipeline)];
    for run in &state.runs {
        lines.push(format!(
            "  run {} {} since {}, {}",
            run.id,
            run.status,
            run.started,
            count(run.rows, "row")
        ));
        if let Some(error) = &run.error {
            lines.push(format!("    {error}"));
        }
    }
    for stream in &state.streams {
        lines.push(format!(
            "  stream {} {}, {}",
            stream.stream,
            stream.status,
            count(stream.rows, "row")
        ));
    }
    for partition in &state.partitions {
        let last = if partition.last { ", at its end" } else { "" };
        lines.push(format!(
            "  cursor {}/{} = {}{last}",
            partition.stream, partition.partition, partition.cursor
        ));
    }
    lines.join("\n")
}

fn as_json(state: &PipelineState) -> serde_json::Value {
    json!({
        "pipeline": state.summary.pipeline,
        "runs": state.runs.iter().map(|run| json!({
            "id": run.id, "status": run.status.to_string(), "started": run.started.to_string(),
            "ended": run.ended.map(|at| at.to_string()), "attempts": run.attempts,
            "rows": run.rows, "bytes": run.bytes, "error": run.error,
        })).collect::<Vec<_>>(),
        "streams": state.streams.iter().map(|stream| json!({
            "stream": stream.stream, "run": stream.run, "status": stream.status.to_string(),
            "rows": stream.rows, "bytes": stream.bytes, "snapshot": stream.snapshot,
        })).collect::<Vec<_>>(),
        "partitions": state.partitions.iter().map(|p| json!({
            "stream": p.stream, "partition": p.partition, "cursor": p.cursor, "last": p.last,
            "rows": p.rows, "updated": p.updated.to_string(),
        })).collect::<Vec<_>>(),
    })
}

fn must_have(state: &dyn State, pipeline: &str, stream: &str) -> Result<(), Failed> {
    let found = state.show(pipeline).map_err(failed)?;
    let mut names: Vec<_> = found.streams.iter().map(|s| s.stream.as_str()).collect();
    names.extend(found.partitions.iter().map(|p| p.stream.as_str()));
    names.sort_unstable();
    names.dedup();
    if names.contains(&stream) {
        return Ok(());
    }
    let known = match names.as_slice() {
        [] => "it has none yet".to_owned(),
        names => format!("it has {}", names.join(", ")),
    };
    let message = format!("pipeline {pipeline} has no stream {stream}; {known}");
    Err(Failed::new(Exit::State, message))
}

fn reset(args: &ResetArgs) -> Result<Exit, Failed> {
    let (state, pipeline) = open(&args.of)?;
    if let Some(stream) = &args.stream {
        must_have(&*state, &pipeline, stream)?;
    }
    let removed = state
        .reset(&pipeline, args.stream.as_deref())
        .map_err(failed)?;
    print_text(&format!(
        "forgot {}, {} and {} of {pipeline}; its data stays",
        count(removed.runs, "run"),
        count(removed.cursors, "cursor"),
        count(removed.letters, "dead letter"),
    ));
    Ok(Exit::Success)
}
