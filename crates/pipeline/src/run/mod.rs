//! A plan, carried out.
//!
//! The destination's record is the truth about what is durable; the state is
//! brought to it at the start of each stream and moved with each receipt. See
//! [`crate::state`] for the order in which a commit becomes durable.

pub mod fail_point;
mod letters;
mod partition;
mod policy;
mod progress;
mod rejects;
mod replay;
mod report;
mod stream;

pub use progress::{Notices, Progress, Reading, StreamProgress};
pub use replay::{Replayed, replay};
pub use report::{Report, Status, StreamReport};

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use vesicle_flow::Stop;

use crate::connector::bindings::types::SyncMode;
use crate::plan::Plan;
use crate::state::{Run, RunLock, RunStatus, State, StateError, StreamStatus};
use crate::{Error, Result};
use stream::Context;

/// How long a run may take to end once it has lost its lock.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a run is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether an interrupted run is abandoned rather than gone on with.
    pub fresh: bool,
}

/// Carries out a plan. The report tells what was done even where the run
/// failed; it is `None` only where it did not begin.
pub async fn run(
    plan: &Plan,
    options: Options,
    progress: &Arc<Progress>,
    stop: &Stop,
) -> (Option<Report>, Result<()>) {
    let began = Instant::now();
    let compiled_rss_bytes = report::peak_rss();
    let prepared = open(plan, progress, stop)
        .await
        .and_then(|state| prepare(plan, state, options, progress));
    let (state, lock, run, resumed) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return (None, Err(error)),
    };
    let context = Context {
        plan,
        state: &state,
        run: &run.id,
        fresh: options.fresh,
        progress,
        stop,
    };
    let (streams, done) = tokio::select! {
        ended = streams(&context, resumed) => ended,
        () = cut_off(&lock, stop) => (Vec::new(), Err(Error::Forced)),
    };
    let done = match lock.is_lost() {
        Some(reason) => Err(Error::State(StateError::LockLost {
            pipeline: plan.document.pipeline.value.clone(),
            reason,
        })),
        None => done.map_err(|error| plan.place(error)),
    };
    let status = match &done {
        Ok(())
            if streams.iter().all(|stream| stream.complete)
                && streams.len() == plan.streams.len() =>
        {
            Status::Completed
        }
        Ok(()) | Err(Error::Forced) => Status::Interrupted,
        Err(_) => Status::Failed,
    };
    let error = done
        .as_ref()
        .err()
        .map(|error| plan.redactor.redact(&error.to_string()));
    let noted = note_end(&state, &run, status, error.as_deref());
    fail_point::fail_point(fail_point::ENDED);
    let report = Report {
        report: 1,
        pipeline: plan.document.pipeline.value.clone(),
        run: run.id.clone(),
        status,
        resumed,
        error,
        dead_letters: state.letter_count(&run.id).unwrap_or_default(),
        streams,
        audit: plan.audit.entries(),
        audit_dropped: plan.audit.dropped(),
        elapsed_ms: millis(began.elapsed() + plan.compiling),
        compiling_ms: millis(plan.compiling),
        peak_rss_bytes: report::peak_rss(),
        compiled_rss_bytes,
    };
    (Some(report), done.and(noted))
}

/// Ends everything once the lock is lost: somebody else may be at it. Returns
/// if that does not help.
async fn cut_off(lock: &RunLock, stop: &Stop) {
    lock.lost().await;
    stop.force();
    tokio::time::sleep(LAST_WORDS).await;
}

type Prepared = (Arc<dyn State>, RunLock, Run, bool);

/// Opens the state, and tries again where that may help.
async fn open(plan: &Plan, progress: &Progress, stop: &Stop) -> Result<Arc<dyn State>> {
    let mut wait = stream::FIRST_WAIT;
    for left in (0..=stream::RETRIES).rev() {
        let at = plan.state.clone();
        let opened = tokio::task::spawn_blocking(move || at.open()).await;
        let error = match opened.map_err(|panic| Error::Defect(panic.to_string()))? {
            Ok(state) => return Ok(state),
            Err(error) => error,
        };
        if left == 0 || !error.is_passing() || stop.is_asked() {
            return Err(error.into());
        }
        progress.say(&format!(
            "{error}; trying again in {:.1} s ({} of {})",
            wait.as_secs_f32(),
            stream::RETRIES + 1 - left,
            stream::RETRIES
        ));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.asked() => return Err(error.into()),
        }
        wait *= 2;
    }
    Err(Error::Defect("no state".into()))
}

/// Claims the pipeline, and finds the run to go on with.
fn prepare(
    plan: &Plan,
    state: Arc<dyn State>,
    options: Options,
    progress: &Progress,
) -> Result<Prepared> {
    let name = &plan.document.pipeline.value;
    let lock = state.lock(name)?;
    state.claim(name, &plan.identity)?;
    make_folders(plan)?;
    let destination = &plan.destination_identity;
    let (run, resumed) = match state.unfinished(name)? {
        Some(run) if options.fresh => {
            progress.say(&format!(
                "abandoned run {}, which had written {}",
                run.id,
                rows(run.rows)
            ));
            state.end_run(&run.id, RunStatus::Abandoned, None)?;
            let begun = state.begin_run(name, destination)?;
            fail_point::fail_point(fail_point::OF_FRESH);
            (begun, false)
        }
        Some(run) => {
            let resumed = state.resume_run(&run.id, destination)?;
            // Nobody else runs it: the lock is ours.
            let ended = match run.status {
                RunStatus::Running => "cut off".to_owned(),
                status => status.to_string(),
            };
            let before = format!("run {}, begun {} and {ended}", run.id, run.started);
            progress.say(&match run.rows {
                0 => format!("going on with {before}, which had written nothing"),
                count => format!(
                    "going on with {before}, with {} written; --fresh would begin anew",
                    rows(count)
                ),
            });
            (resumed, true)
        }
        None => (state.begin_run(name, destination)?, false),
    };
    Ok((state, lock, run, resumed))
}

/// Makes the folders that connectors are granted to write in.
fn make_folders(plan: &Plan) -> Result<()> {
    for connector in plan.connectors() {
        for folder in &connector.grants.folders {
            make_folder(&folder.host).map_err(|error| Error::Folder {
                folder: folder.guest.clone(),
                error,
            })?;
        }
    }
    Ok(())
}

/// Makes a folder and those it lies in, durably: whatever a connector syncs in
/// one goes with it if its name is lost.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder(parent)?;
    match std::fs::create_dir(folder) {
        Err(error) if !folder.is_dir() => return Err(error),
        _ => {}
    }
    std::fs::File::open(parent)?.sync_all()
}

/// Moves the streams one after another. Those that are read from a log come
/// last and go side by side, since none of them need ever end.
async fn streams(context: &Context<'_>, resumed: bool) -> (Vec<StreamReport>, Result<()>) {
    let complete = match complete_streams(context, resumed) {
        Ok(complete) => complete,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut reports = Vec::new();
    let mut logs = Vec::new();
    for stream in &context.plan.streams {
        if complete.contains(&stream.request.name) {
            reports.push(StreamReport {
                name: stream.request.name.clone(),
                complete: true,
                ..StreamReport::default()
            });
            continue;
        }
        if stream.request.sync_mode == SyncMode::Cdc {
            logs.push(stream);
            continue;
        }
        if context.stop.is_asked() {
            break;
        }
        let (report, done) = context.stream(stream).await;
        reports.push(report);
        if let Err(error) = done {
            return (reports, Err(error));
        }
    }
    if context.stop.is_asked() {
        return (reports, Ok(()));
    }
    let logs = logs.into_iter().map(|stream| async move {
        let (report, done) = context.stream(stream).await;
        if done.is_err() {
            // The others would go on for ever.
            context.stop.ask();
        }
        (report, done)
    });
    let mut first = Ok(());
    for (report, done) in join_all(logs).await {
        reports.push(report);
        first = first.and(done);
    }
    (reports, first)
}

/// The streams that the run gone on with has completed.
fn complete_streams(context: &Context<'_>, resumed: bool) -> Result<Vec<String>> {
    if !resumed {
        return Ok(Vec::new());
    }
    let streams = context.state.streams(context.run)?;
    let complete: Vec<_> = streams
        .into_iter()
        .filter(|stream| stream.status == StreamStatus::Completed)
        .map(|stream| stream.stream)
        .collect();
    if !complete.is_empty() {
        context.progress.say(&format!(
            "complete in that run already, and not read again: {}; run once more for what is new \
             there",
            complete.join(", ")
        ));
    }
    Ok(complete)
}

fn note_end(state: &Arc<dyn State>, run: &Run, status: Status, error: Option<&str>) -> Result<()> {
    let status = match status {
        Status::Completed => RunStatus::Completed,
        Status::Interrupted => RunStatus::Interrupted,
        Status::Failed => RunStatus::Failed,
    };
    state.end_run(&run.id, status, error)?;
    Ok(())
}

fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        _ => format!("{count} rows"),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
