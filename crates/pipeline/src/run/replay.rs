//! Dead letters, sent again through the stages that could not pass them on.
//!
//! A replay is a run of its own, kept under a name that no pipeline has
//! ([`replays_of`]), so that it can be gone on with after a crash and disturbs
//! no cursor of the pipeline. It claims letters and reads them, by number, as
//! one partition for each stage that they failed at: that stage gets the rows
//! as it had them, and those after it what comes of them. Rows are added to
//! what is there, or take the place of older ones with the same key; a table is
//! never replaced.
//!
//! Invariant: the claimed letters go once their load is published, all at once.
//! Rows that fail again are letters of the replay, stored as those of any run,
//! and count once it is complete.

mod selection;

use std::sync::Arc;

use vesicle_flow::Stop;

use self::selection::{ByStage, by_stream, find, replayable};
use super::letters::Letters;
use super::partition::Move;
use super::progress::{Progress, StreamProgress};
use super::stream::{cursors_of, evolution};
use crate::connector::bindings::types::{ErrorCategory, Estimate, SyncMode, WriteMode as WitWrite};
use crate::connector::bindings::{Load, LoadRequest, Partition};
use crate::connector::{DestinationCalls, Failure, SourceCalls, TransformCalls};
use crate::document::{OnDataError, WriteMode};
use crate::plan::{Plan, StreamPlan};
use crate::shape::by;
use crate::state::{
    LetterQuery, Run, RunStatus, Start, State, StateError, StreamStatus, replays_of,
};
use crate::{Error, Result};

/// How many letters are sent in one commit, or looked at together.
const AT_ONCE: u32 = 500;

/// What came of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Replayed {
    /// Letters that were sent again.
    pub replayed: u64,
    /// Rows that failed again, and are letters with new reasons.
    pub failed: u64,
    /// Letters whose rows the source could not read: they cannot be sent.
    pub unreadable: u64,
}

/// Sends the dead letters of a pipeline that a query means again. Goes on with
/// an interrupted replay first, if there is one, whatever is asked for.
///
/// # Errors
///
/// [`Error::State`] while the pipeline has a run to be gone on with; whatever a
/// connector says.
pub async fn replay(
    plan: &Plan,
    query: LetterQuery,
    progress: &Arc<Progress>,
    stop: &Stop,
) -> Result<Replayed> {
    let name = &plan.document.pipeline.value;
    let state = super::open(plan, progress, stop).await?;
    let _lock = state.lock(name)?;
    if let Some(run) = state.unfinished(name)? {
        return Err(StateError::Unfinished {
            pipeline: name.clone(),
            run: run.id,
        }
        .into());
    }
    let own = replays_of(name);
    state.claim(&own, &plan.identity)?;
    super::make_folders(plan)?;
    let destination = &plan.destination_identity;
    let run = match go_on(plan, &state, &own, progress)? {
        Some(run) => run,
        None => {
            let streams = replayable(plan, &state, &query, progress)?;
            let run = state.begin_run(&own, destination)?;
            for stream in streams {
                let of_stream = LetterQuery {
                    stream: Some(stream),
                    ..query.clone()
                };
                state.claim_letters(&run.id, &of_stream)?;
            }
            run
        }
    };
    let claimed = claimed_by(name, &run);
    let context = Context {
        plan,
        state: &state,
        run: &run.id,
        claimed,
        progress,
        stop,
    };
    let done = context.streams().await.map_err(|error| plan.place(error));
    let status = match &done {
        Ok(_) if !stop.is_asked() => RunStatus::Completed,
        Ok(_) | Err(Error::Forced) => RunStatus::Interrupted,
        Err(_) => RunStatus::Failed,
    };
    let error = done
        .as_ref()
        .err()
        .map(|error| plan.redactor.redact(&error.to_string()));
    state.end_run(&run.id, status, error.as_deref())?;
    let replayed = done?;
    let left = state.letters(&LetterQuery { limit: 0, ..query })?;
    let unreadable = left.iter().filter(|it| it.stage.starts_with("source"));
    Ok(Replayed {
        replayed,
        failed: state.letter_count(&run.id)?,
        unreadable: unreadable.count() as u64,
    })
}

fn claimed_by(pipeline: &str, run: &Run) -> LetterQuery {
    LetterQuery {
        pipeline: pipeline.to_owned(),
        claimed_by: Some(run.id.clone()),
        ..LetterQuery::default()
    }
}

/// The interrupted replay, if there is one with letters left. One without has
/// done all it had to, or had claimed nothing.
fn go_on(
    plan: &Plan,
    state: &Arc<dyn State>,
    own: &str,
    progress: &Progress,
) -> Result<Option<Run>> {
    let Some(run) = state.unfinished(own)? else {
        return Ok(None);
    };
    let run = state.resume_run(&run.id, &plan.destination_identity)?;
    let first = LetterQuery {
        limit: 1,
        ..claimed_by(&plan.document.pipeline.value, &run)
    };
    if state.letters(&first)?.is_empty() {
        state.end_run(&run.id, RunStatus::Completed, None)?;
        return Ok(None);
    }
    progress.say(&format!(
        "going on with the replay {}, begun {}",
        run.id, run.started
    ));
    Ok(Some(run))
}

struct Context<'a> {
    plan: &'a Plan,
    state: &'a Arc<dyn State>,
    run: &'a str,
    claimed: LetterQuery,
    progress: &'a Arc<Progress>,
    stop: &'a Stop,
}

impl Context<'_> {
    /// Replays every stream. How many letters that were.
    async fn streams(&self) -> Result<u64> {
        let streams = by_stream(self.state, &self.claimed)?;
        let mut replayed = 0;
        for (name, stages) in &streams {
            if self.stop.is_asked() {
                break;
            }
            if self.stream(name, stages).await? {
                replayed += stages.values().sum::<u64>();
            }
        }
        Ok(replayed)
    }

    /// Replays a stream. Whether to its end.
    async fn stream(&self, name: &str, stages: &ByStage) -> Result<bool> {
        let begun = match find(self.plan, name) {
            Ok(stream) => self.open(stream).await.map(|opened| (stream, opened)),
            Err(error) => Err(error),
        };
        let (stream, (shapes, load)) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.give_back(name)?;
                return Err(error);
            }
        };
        if !load.complete {
            self.adopt(name, &load)?;
            let progress = self.progress.stream(name);
            for stage in stages.keys() {
                if !self.stage(stream, &load, stage, &shapes, &progress).await? {
                    return Ok(false);
                }
            }
            super::fail_point::fail_point("before-finish");
            DestinationCalls(&self.plan.destination)
                .finish(&load)
                .await
                .map_err(|failure| by(&self.plan.destination, name, failure))?;
            super::fail_point::fail_point("finished");
        }
        self.state
            .begin_stream(self.run, name, Some(self.run), Start::Onward)?;
        self.state
            .end_stream(self.run, name, StreamStatus::Completed)?;
        self.state.remove_letters(&LetterQuery {
            stream: Some(name.to_owned()),
            ..self.claimed.clone()
        })?;
        Ok(true)
    }

    /// The shapes of a stream, and its load.
    async fn open(&self, stream: &StreamPlan) -> Result<(Vec<Vec<u8>>, Load)> {
        let shapes = self.shapes(stream).await?;
        let load = self.begin(stream, &shapes).await?;
        Ok((shapes, load))
    }

    /// Lets go of the letters of a stream whose load was never begun, so that
    /// they can be discarded, or claimed by another replay.
    fn give_back(&self, name: &str) -> Result<()> {
        let begun = self.state.streams(self.run)?;
        if begun.iter().all(|stream| stream.stream != name) {
            self.state.release_letters(&LetterQuery {
                stream: Some(name.to_owned()),
                ..self.claimed.clone()
            })?;
        }
        Ok(())
    }

    /// The schemas of what goes into each transform and, last, into the
    /// destination.
    async fn shapes(&self, stream: &StreamPlan) -> Result<Vec<Vec<u8>>> {
        let name = &stream.request.name;
        let held = SourceCalls(&self.plan.source)
            .plan(&stream.request)
            .await
            .map_err(|failure| by(&self.plan.source, name, failure))?;
        let mut schemas = vec![held.plan.schema.clone()];
        for transform in &self.plan.transforms {
            let last = schemas.last().map_or(&[][..], Vec::as_slice);
            let next = TransformCalls(transform)
                .plan(name, last)
                .await
                .map_err(|failure| by(transform, name, failure))?;
            schemas.push(next);
        }
        Ok(schemas)
    }

    async fn begin(&self, stream: &StreamPlan, shapes: &[Vec<u8>]) -> Result<Load> {
        let document = &self.plan.document;
        let request = LoadRequest {
            pipeline: document.pipeline.value.clone(),
            stream_name: stream.request.name.clone(),
            run: self.run.to_owned(),
            write_mode: match document.destination.write_mode.value {
                WriteMode::Append | WriteMode::Replace => WitWrite::Append,
                WriteMode::Upsert => WitWrite::Upsert,
            },
            sync_mode: SyncMode::FullRefresh,
            primary_key: stream.primary_key.clone(),
            schema: shapes.last().cloned().unwrap_or_default(),
            snapshot: Some(self.run.to_owned()),
            fresh: false,
            rejects: true,
            evolution: evolution(document.destination.schema_evolution),
            replay: true,
            newer_by: match stream.request.sync_mode {
                SyncMode::Incremental => stream.request.cursor_field.clone(),
                _ => None,
            },
        };
        let destination = &self.plan.destination;
        let name = &stream.request.name;
        let load = DestinationCalls(destination)
            .begin(&request)
            .await
            .map_err(|failure| by(destination, name, failure))?;
        super::fail_point::fail_point("begun");
        if load.run == self.run {
            return Ok(load);
        }
        let message = format!(
            "the load of run {} is under way there, and has to be finished first: run the pipeline",
            load.run
        );
        let failure = Failure::Reported {
            category: ErrorCategory::Conflict,
            code: "other-load".into(),
            message,
            retryable: false,
            retry_after: None,
        };
        Err(by(destination, name, failure))
    }

    /// Brings the state to what the destination says, which is the truth.
    fn adopt(&self, name: &str, load: &Load) -> Result<()> {
        let (start, cursors) = cursors_of(load);
        self.state
            .begin_stream(self.run, name, Some(self.run), start)?;
        self.state.adopt(self.run, name, &cursors)?;
        Ok(())
    }

    /// Sends the letters of a stage, from the cursor on. Whether to the end.
    async fn stage(
        &self,
        stream: &StreamPlan,
        load: &Load,
        stage: &str,
        shapes: &[Vec<u8>],
        progress: &Arc<StreamProgress>,
    ) -> Result<bool> {
        let name = &stream.request.name;
        let transforms = &self.plan.transforms;
        let at = transforms
            .iter()
            .position(|transform| stage == format!("{} {}", transform.role, transform.name));
        // What is no transform's any more goes to the destination.
        let first = at.unwrap_or(transforms.len());
        let id = format!("dead letters of {stage}");
        let cursor = load.cursors.iter().find(|cursor| cursor.partition == id);
        if cursor.is_some_and(|cursor| cursor.last) {
            return Ok(true);
        }
        let known = self
            .state
            .partitions(&replays_of(&self.claimed.pipeline), name)?;
        let sequence = known.iter().find(|known| known.partition == id);
        let cursor = cursor.map(|cursor| cursor.cursor.clone());
        let after = cursor.as_deref().and_then(|cursor| cursor.parse().ok());
        let letters = Letters {
            state: Arc::clone(self.state),
            query: LetterQuery {
                stream: Some(name.clone()),
                limit: AT_ONCE,
                after,
                ..self.claimed.clone()
            },
            stage: stage.to_owned(),
            schema: shapes.get(first).cloned().unwrap_or_default(),
            to: Arc::clone(transforms.get(first).unwrap_or(&self.plan.destination)),
        };
        let moved = Move {
            plan: self.plan,
            state: self.state,
            run: self.run,
            request: &stream.request,
            load,
            partition: Partition {
                id,
                detail: String::new(),
                estimate: Estimate {
                    rows: None,
                    bytes: None,
                },
            },
            cursor,
            sequence: sequence.map_or(0, |known| known.sequence),
            progress,
            stop: self.stop,
        };
        moved
            .through(OnDataError::Dlq, first, |flow, frames, _, rejects| {
                letters.spawn(flow, frames, rejects);
            })
            .await
    }
}
