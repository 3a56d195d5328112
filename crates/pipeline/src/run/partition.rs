//! One partition: a flow from the source through the transforms to the
//! destination, and the receipts on their way back.

use std::sync::Arc;

use tokio::sync::mpsc;
use vesicle_flow::{Counters, Doing, Flow, Receiver, Sender, Stop, queue};

use super::fail_point::fail_point;
use super::policy::Policy;
use super::progress::StreamProgress;
use super::rejects::Rejects;
use crate::connector::bindings::types::{CommitRequest, Frame, SyncMode};
use crate::connector::bindings::{Event, Load, Partition, Receipt, StreamRequest};
use crate::connector::{
    CommittedCursors, Connector, Failure, ReadTask, Role, TransformTask, WriteTask,
};
use crate::document::OnDataError;
use crate::plan::Plan;
use crate::state::{self, Slice, State};
use crate::{Error, Result};

/// The queue of receipts, in bytes. They are small.
const EVENTS: usize = 1 << 20;

/// A partition that is moved.
pub(crate) struct Move<'a> {
    pub plan: &'a Plan,
    pub state: &'a Arc<dyn State>,
    pub run: &'a str,
    pub request: &'a StreamRequest,
    pub load: &'a Load,
    pub partition: Partition,
    pub cursor: Option<String>,
    /// The sequence number of the newest commit.
    pub sequence: u64,
    pub progress: &'a Arc<StreamProgress>,
    pub stop: &'a Stop,
}

/// A failure of a stage, and whose it is.
pub(crate) type StageError = (Role, String, Failure);

/// Attaches to a failure whose it is. A stage that was not heard is no failure
/// of its own: whoever did not listen has one.
fn blame<T>(connector: &Connector, done: Result<T, Failure>) -> Result<Option<T>, StageError> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Unheard) => Ok(None),
        Err(failure) => Err((connector.role, connector.name.clone(), failure)),
    }
}

impl Move<'_> {
    /// Moves the partition from the source on. `true` means to its end.
    pub async fn run(self) -> Result<bool> {
        let policy = self.plan.document.destination.on_data_error;
        let source = |flow: &mut Flow<StageError>, frames, committed, rejects: &Arc<Rejects>| {
            self.spawn_source(flow, frames, committed, rejects);
        };
        self.through(policy, 0, source).await
    }

    /// Moves frames that `spawn` makes through the transforms from one on, and
    /// into the destination. `true` means to the last commit.
    pub async fn through(
        &self,
        policy: OnDataError,
        first: usize,
        spawn: impl FnOnce(
            &mut Flow<StageError>,
            Sender<Frame>,
            mpsc::UnboundedReceiver<String>,
            &Arc<Rejects>,
        ),
    ) -> Result<bool> {
        let (plan, stream) = (self.plan, self.request.name.clone());
        let mut flow = Flow::<StageError>::default();
        let queues = plan.transforms.len() + 1;
        let share = usize::try_from(plan.document.resources.queue).unwrap_or(usize::MAX) / queues;
        let new_queue = || queue::<Frame>(share, self.progress.gauge.clone());

        let (committed, committed_cursors) = mpsc::unbounded_channel();
        let (frames, mut incoming) = new_queue();
        let rejects = Arc::new(self.rejects(policy));
        spawn(&mut flow, frames, committed_cursors, &rejects);
        for transform in plan.transforms.iter().skip(first) {
            let (outgoing, next) = new_queue();
            self.spawn_transform(&mut flow, transform, incoming, outgoing, &rejects);
            incoming = next;
        }
        let (events, receipts) = queue(EVENTS, self.progress.gauge.clone());
        self.spawn_destination(&mut flow, incoming, events, &rejects);
        let ended = self.spawn_receipts(&mut flow, receipts, committed, &rejects);
        flow.join(self.stop)
            .await
            .map_err(|failure| match rejects.fault() {
                Some((role, component, failure)) => Error::Connector {
                    role,
                    component,
                    stream: Some(stream.clone()),
                    failure,
                },
                None => Error::of_flow(&stream, failure),
            })?;
        let ended = ended.await.unwrap_or(false);
        if !ended && !self.stop.is_asked() {
            return Err(Error::Connector {
                role: Role::Destination,
                component: plan.destination.name.clone(),
                stream: Some(stream),
                failure: Failure::Crashed {
                    message: "it ended without making the last commit durable".into(),
                },
            });
        }
        Ok(ended)
    }

    fn slice(&self) -> Slice {
        Slice {
            run: self.run.to_owned(),
            stream: self.request.name.clone(),
            partition: self.partition.id.clone(),
        }
    }

    fn rejects(&self, policy: OnDataError) -> Rejects {
        Rejects::new(
            policy,
            Arc::clone(self.state),
            self.slice(),
            self.sequence,
            self.plan.redactor.clone(),
        )
    }

    fn counters(&self, name: &str) -> Arc<Counters> {
        let counters = Counters::new(name);
        self.progress.add_stage(&counters);
        counters
    }

    fn spawn_source(
        &self,
        flow: &mut Flow<StageError>,
        frames: Sender<Frame>,
        committed: mpsc::UnboundedReceiver<String>,
        rejects: &Arc<Rejects>,
    ) {
        let source = Arc::clone(&self.plan.source);
        let idle_timeout = source.idle_timeout;
        let counters = self.counters(&format!("source {}", source.name));
        let (taking, from) = (Arc::clone(rejects), Arc::clone(&source));
        let take_reject = move |passed, reject| taking.take(&from, passed, vec![reject]);
        let policy = Policy::new(
            self.plan.document.checkpoint,
            self.stop.clone(),
            Arc::clone(self.progress),
            self.cursor.clone(),
            Arc::new(take_reject),
        );
        if self.request.sync_mode == SyncMode::Cdc {
            // Nothing may happen for hours.
            counters.waits_for_others();
        }
        let task = ReadTask {
            connector: Arc::clone(&source),
            request: self.request.clone(),
            partition: self.partition.clone(),
            cursor: self.cursor.clone(),
            committed: CommittedCursors::new(committed, self.stop),
            frames: frames.clone(),
            counters: Arc::clone(&counters),
            stop: self.stop.clone(),
        };
        flow.spawn_thread(&counters, idle_timeout, async move {
            let valve = policy.clone();
            let read = tokio::select! {
                read = task.run(move |frame| valve.pass(frame)) => read,
                () = policy.tick(&frames) => Ok(false),
            };
            if blame(&source, read)? == Some(true) {
                // The queue is closed only if the destination has failed.
                let _ = frames.send(policy.last()).await;
            }
            Ok(())
        });
    }

    fn spawn_transform(
        &self,
        flow: &mut Flow<StageError>,
        transform: &Arc<Connector>,
        incoming: Receiver<Frame>,
        outgoing: Sender<Frame>,
        rejects: &Arc<Rejects>,
    ) {
        let transform = Arc::clone(transform);
        let idle_timeout = transform.idle_timeout;
        let counters = self.counters(&format!("transform {}", transform.name));
        let task = TransformTask {
            connector: Arc::clone(&transform),
            stream: self.request.name.clone(),
            incoming,
            outgoing,
            counters: Arc::clone(&counters),
        };
        let valve = rejects.of_transform(&transform);
        flow.spawn_thread(&counters, idle_timeout, async move {
            blame(&transform, task.run(valve).await)?;
            Ok(())
        });
    }

    fn spawn_destination(
        &self,
        flow: &mut Flow<StageError>,
        incoming: Receiver<Frame>,
        events: Sender<Event>,
        rejects: &Arc<Rejects>,
    ) {
        let destination = Arc::clone(&self.plan.destination);
        let idle_timeout = destination.idle_timeout;
        let counters = self.counters(&format!("destination {}", destination.name));
        let task = WriteTask {
            connector: Arc::clone(&destination),
            load: self.load.clone(),
            partition: self.partition.id.clone(),
            incoming,
            events,
            counters: Arc::clone(&counters),
            stop: self.stop.clone(),
        };
        let valve = rejects.of_destination(&destination);
        let (rejects, asked) = (Arc::clone(rejects), Arc::clone(&destination));
        let mut number = 0;
        let before_commit = move |request: &CommitRequest| {
            number += 1;
            rejects.before_commit(&asked, number, request)
        };
        flow.spawn_thread(&counters, idle_timeout, async move {
            blame(&destination, task.run(before_commit, valve).await)?;
            Ok(())
        });
    }

    /// Moves the state with each receipt, then tells the source. The result
    /// says whether the last commit was among them.
    fn spawn_receipts(
        &self,
        flow: &mut Flow<StageError>,
        mut receipts: Receiver<Event>,
        committed: mpsc::UnboundedSender<String>,
        rejects: &Arc<Rejects>,
    ) -> tokio::sync::oneshot::Receiver<bool> {
        let destination = Arc::clone(&self.plan.destination);
        let state = Arc::clone(self.state);
        let progress = Arc::clone(self.progress);
        let slice = self.slice();
        let rejects = Arc::clone(rejects);
        let mut sequence = self.sequence;
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let idle_timeout = destination.idle_timeout;
        let counters = Counters::new("receipts");
        // It waits for the destination, and has no pace of its own.
        counters.doing(Doing::AwaitingInput);
        flow.spawn(&counters, idle_timeout, async move {
            let mut last = false;
            while let Some(event) = receipts.receive().await {
                // Rejects are taken before they come here.
                let Event::Committed(receipt) = event else {
                    continue;
                };
                fail_point("committed");
                sequence += 1;
                last = receipt.last;
                progress.committed(receipt.rows, receipt.bytes);
                let cursor = receipt.cursor.clone();
                store(&state, &slice, sequence, receipt)
                    .await
                    .map_err(|failure| (destination.role, destination.name.clone(), failure))?;
                progress.rejected(rejects.committed(sequence));
                fail_point("state-moved");
                // A source that has ended does not listen any more.
                let _ = committed.send(cursor);
            }
            // Nobody is left to tell if the flow was dropped.
            let _ = ended.send(last);
            Ok(())
        });
        has_ended
    }
}

async fn store(
    state: &Arc<dyn State>,
    slice: &Slice,
    sequence: u64,
    receipt: Receipt,
) -> Result<(), Failure> {
    let state = Arc::clone(state);
    let receipt = state::Receipt {
        slice: slice.clone(),
        sequence,
        cursor: receipt.cursor,
        last: receipt.last,
        rows: receipt.rows,
        bytes: receipt.bytes,
    };
    let stored = tokio::task::spawn_blocking(move || state.commit(&receipt)).await;
    match stored {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::State {
            message: error.to_string(),
        }),
        Err(panic) => Err(Failure::State {
            message: panic.to_string(),
        }),
    }
}
