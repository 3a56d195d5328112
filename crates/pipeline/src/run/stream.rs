//! One stream: planned, begun, moved partition by partition, finished; and
//! tried again where the connectors say that this may help.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use vesicle_flow::Stop;

use super::fail_point::fail_point;
use super::partition::Move;
use super::progress::{Progress, StreamProgress};
use super::report::StreamReport;
use crate::Result;
use crate::connector::bindings::types::{SyncMode, WriteMode as WitWrite};
use crate::connector::bindings::{Load, LoadRequest, ReadPlan, evolution as wit};
use crate::connector::{DestinationCalls, Failure};
use crate::document::{
    NewColumn, Nullability, OnDataError, RemovedColumn, SchemaEvolution, TypeChange, WriteMode,
};
use crate::plan::{Plan, StreamPlan};
use crate::shape::{Shape, by};
use crate::state::{AdoptedCursor, Start, State, StreamStatus};

/// How often a stream is tried again without getting further.
pub(super) const RETRIES: u32 = 5;
/// The first wait before trying again; it doubles.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait, unless a connector asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait that a connector can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// What streams of a run have in common.
pub(crate) struct Context<'a> {
    pub plan: &'a Plan,
    pub state: &'a Arc<dyn State>,
    pub run: &'a str,
    pub fresh: bool,
    pub progress: &'a Arc<Progress>,
    pub stop: &'a Stop,
}

/// How far a stream came.
enum Outcome {
    Complete(crate::connector::bindings::Summary),
    /// A run before this one had completed it.
    WasComplete,
    Stopped,
}

impl Context<'_> {
    /// Moves a stream, and tells what was done even if it failed.
    pub async fn stream(&self, stream: &StreamPlan) -> (StreamReport, Result<()>) {
        let name = &stream.request.name;
        let progress = self.progress.stream(name);
        let mut retries = 0;
        let outcome = self.tried(stream, &progress, &mut retries).await;
        let mut report = StreamReport {
            name: name.clone(),
            rows_read: progress.rows_read(),
            bytes_read: progress.bytes_read(),
            rows_written: progress.rows_committed(),
            rows_rejected: progress.rows_rejected(),
            commits: progress.commits(),
            retries,
            queue_peak_bytes: progress.gauge.peak() as u64,
            stages: progress.stages(),
            ..StreamReport::default()
        };
        match outcome {
            Ok(Outcome::Complete(summary)) => {
                report.complete = true;
                report.rows_total = Some(summary.rows);
                report.bytes_total = Some(summary.bytes);
                report.places = summary.places;
                (report, Ok(()))
            }
            Ok(Outcome::WasComplete) => {
                report.complete = true;
                (report, Ok(()))
            }
            Ok(Outcome::Stopped) => (report, Ok(())),
            Err(error) => (report, Err(error)),
        }
    }

    async fn tried(
        &self,
        stream: &StreamPlan,
        progress: &Arc<StreamProgress>,
        retries: &mut u32,
    ) -> Result<Outcome> {
        let mut in_vain = 0;
        let mut wait = FIRST_WAIT;
        let mut fresh = self.fresh;
        loop {
            let commits = progress.commits();
            let error = match self.attempt(stream, progress, &mut fresh).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            let Some(asked) = error.retry() else {
                return Err(error);
            };
            if progress.commits() > commits {
                (in_vain, wait) = (0, FIRST_WAIT);
            }
            if in_vain == RETRIES || self.stop.is_asked() {
                return Err(error);
            }
            let pause = asked.unwrap_or(wait).min(LONGEST_ASKED);
            self.progress.say(&format!(
                "{error}; trying again in {:.1} s ({} of {RETRIES})",
                pause.as_secs_f32(),
                in_vain + 1
            ));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.asked() => return Err(error),
            }
            in_vain += 1;
            *retries += 1;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn attempt(
        &self,
        stream: &StreamPlan,
        progress: &Arc<StreamProgress>,
        fresh: &mut bool,
    ) -> Result<Outcome> {
        let Self {
            plan, state, run, ..
        } = *self;
        let name = &stream.request.name;
        let Shape { held, schema } = plan.shape(stream).await?;
        let load = self
            .begin(stream, &held.plan, schema, fresh)
            .await
            .map_err(|failure| by(&plan.destination, name, failure))?;
        fail_point("begun");
        if load.complete {
            state.begin_stream(run, name, held.plan.snapshot.as_deref(), Start::Onward)?;
            self.complete(stream)?;
            self.progress.say(&format!(
                "{name}: was complete already; only the note of it was missing"
            ));
            return Ok(Outcome::WasComplete);
        }
        self.adopt(name, &held.plan, &load)?;
        let bytes = held.plan.partitions.iter().filter_map(|p| p.estimate.bytes);
        progress.expect(bytes.fold(0, u64::saturating_add));
        if !self.partitions(stream, &held.plan, &load, progress).await? {
            return Ok(Outcome::Stopped);
        }
        fail_point("before-finish");
        let summary = DestinationCalls(&plan.destination)
            .finish(&load)
            .await
            .map_err(|failure| by(&plan.destination, name, failure))?;
        fail_point("finished");
        self.complete(stream)?;
        Ok(Outcome::Complete(summary))
    }

    /// Notes that a stream is complete. Where all of its rows were read again
    /// and take the place of those before, so do its dead letters.
    fn complete(&self, stream: &StreamPlan) -> Result<()> {
        let name = &stream.request.name;
        let replaces = self.plan.document.destination.write_mode.value == WriteMode::Replace;
        if stream.request.sync_mode == SyncMode::FullRefresh && replaces {
            let count = self.state.supersede_letters(self.run, name)?;
            if count > 0 {
                let letters = match count {
                    1 => "1 dead letter".to_owned(),
                    _ => format!("{count} dead letters"),
                };
                self.progress.say(&format!(
                    "{name}: discarded {letters} of runs before; this one has read the rows again"
                ));
            }
        }
        self.state
            .end_stream(self.run, name, StreamStatus::Completed)?;
        Ok(())
    }

    /// Begins the load, or goes on with the one that the destination has, if
    /// the source still shows what that one was begun with.
    async fn begin(
        &self,
        stream: &StreamPlan,
        read: &ReadPlan,
        schema: Vec<u8>,
        fresh: &mut bool,
    ) -> Result<Load, Failure> {
        let destination = DestinationCalls(&self.plan.destination);
        let mut request = LoadRequest {
            pipeline: self.plan.document.pipeline.value.clone(),
            stream_name: stream.request.name.clone(),
            run: self.run.to_owned(),
            write_mode: match self.plan.document.destination.write_mode.value {
                WriteMode::Append => WitWrite::Append,
                WriteMode::Replace => WitWrite::Replace,
                WriteMode::Upsert => WitWrite::Upsert,
            },
            sync_mode: stream.request.sync_mode,
            primary_key: stream.primary_key.clone(),
            schema,
            snapshot: read.snapshot.clone(),
            fresh: *fresh,
            rejects: self.plan.document.destination.on_data_error != OnDataError::Fail,
            evolution: evolution(self.plan.document.destination.schema_evolution),
            replay: false,
            newer_by: None,
        };
        let load = destination.begin(&request).await?;
        *fresh = false;
        // One of another run may have been begun with another snapshot.
        let goes_on = !load.complete && (!load.cursors.is_empty() || load.run != self.run);
        let same = read.snapshot.is_some() && read.snapshot == load.snapshot;
        if goes_on && stream.request.sync_mode == SyncMode::FullRefresh && !same {
            self.progress.say(&format!(
                "{}: the source has changed since this load began, or its snapshot is gone; \
                 starting again",
                stream.request.name
            ));
            request.fresh = true;
            return destination.begin(&request).await;
        }
        Ok(load)
    }

    /// Brings the state to what the destination says, which is the truth.
    fn adopt(&self, name: &str, read: &ReadPlan, load: &Load) -> Result<()> {
        let (start, cursors) = cursors_of(load);
        self.state
            .begin_stream(self.run, name, read.snapshot.as_deref(), start)?;
        self.state.take_over(self.run, name, &load.run)?;
        for moved in self.state.adopt(self.run, name, &cursors)? {
            if let Some(now) = &moved.now {
                let before = match &moved.before {
                    Some(before) => format!("the state had {before}"),
                    None => "the state had none".into(),
                };
                self.progress.say(&format!(
                    "{name}: adopted the destination's cursor for partition {}: {now} ({before})",
                    moved.partition
                ));
            }
        }
        Ok(())
    }

    /// Moves all partitions that are not at their end. `true` means that all are.
    async fn partitions(
        &self,
        stream: &StreamPlan,
        read: &ReadPlan,
        load: &Load,
        progress: &Arc<StreamProgress>,
    ) -> Result<bool> {
        let known = self
            .state
            .partitions(&self.plan.document.pipeline.value, &stream.request.name)?;
        let moves = read.partitions.iter().filter_map(|partition| {
            let at = load.cursors.iter().find(|c| c.partition == partition.id);
            if at.is_some_and(|at| at.last) {
                return None;
            }
            let sequence = known
                .iter()
                .find(|state| state.partition == partition.id)
                .map_or(0, |state| state.sequence);
            Some(Move {
                plan: self.plan,
                state: self.state,
                run: self.run,
                request: &stream.request,
                load,
                partition: partition.clone(),
                cursor: at.map(|at| at.cursor.clone()),
                sequence,
                progress,
                stop: self.stop,
            })
        });
        let at_once = stream.request.parallelism.max(1) as usize;
        stream::iter(moves)
            .map(|partition| async {
                if self.stop.is_asked() {
                    return Ok(false);
                }
                partition.run().await
            })
            .buffer_unordered(at_once)
            .try_fold(true, |all, ended| async move { Ok(all && ended) })
            .await
    }
}

/// What the document says of other shapes, as the contract has it.
pub(crate) fn evolution(policy: SchemaEvolution) -> wit::SchemaEvolution {
    wit::SchemaEvolution {
        new_column: match policy.new_column {
            NewColumn::Add => wit::NewColumn::Add,
            NewColumn::Ignore => wit::NewColumn::Ignore,
            NewColumn::Fail => wit::NewColumn::Fail,
        },
        removed_column: match policy.removed_column {
            RemovedColumn::Ignore => wit::RemovedColumn::Ignore,
            RemovedColumn::Fail => wit::RemovedColumn::Fail,
        },
        type_change: match policy.type_change {
            TypeChange::Coerce => wit::TypeChange::Coerce,
            TypeChange::Fail => wit::TypeChange::Fail,
            TypeChange::Null => wit::TypeChange::Null,
        },
        nullability: match policy.nullability {
            Nullability::Allow => wit::Nullability::Allow,
            Nullability::Fail => wit::Nullability::Fail,
        },
    }
}

/// The cursors of a load, as the state adopts them, and whether there are any
/// to go on from.
pub(super) fn cursors_of(load: &Load) -> (Start, Vec<AdoptedCursor>) {
    let cursors = load.cursors.iter().map(|at| AdoptedCursor {
        partition: at.partition.clone(),
        cursor: at.cursor.clone(),
        last: at.last,
    });
    let start = match load.cursors.is_empty() {
        true => Start::Afresh,
        false => Start::Onward,
    };
    (start, cursors.collect())
}
