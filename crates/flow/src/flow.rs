//! A set of stages that end together.
//!
//! A stage that ends closes its queues: the stages after it finish what they
//! have, commits included, and the stages before it learn that nobody listens.
//! So a failure needs no cancelling, only patience, which is bounded.
//!
//! Invariant: once [`Flow::join`] has returned, nothing of any stage runs.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::counters::Timed;
use crate::{Counters, Figures, Stop};

/// How long the other stages may take to finish once one has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often stages are looked at: an eighth of the shortest timeout, within
/// these bounds.
const SHORTEST_GLANCE: Duration = Duration::from_millis(10);
const LONGEST_GLANCE: Duration = Duration::from_secs(1);

/// Why a flow failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E> {
    /// A stage failed.
    #[error("{stage}: {error}")]
    Stage {
        /// Its name.
        stage: String,
        /// Its error.
        error: E,
    },
    /// A stage moved nothing for too long, and waited for no neighbour.
    #[error("{stage} moved nothing for {} s: {}", after.as_secs_f32(), if *computing { "it computes without end" } else { "it waits for something outside" })]
    Stuck {
        /// Its name.
        stage: String,
        /// For how long.
        after: Duration,
        /// Whether its code was running all the while.
        computing: bool,
    },
    /// The code of a stage on the host's side panicked.
    #[error("{stage}: a defect in the host: {reason}")]
    Panic {
        /// Its name.
        stage: String,
        /// What it said.
        reason: String,
    },
    /// An end at once was asked for.
    #[error("ended at once, as asked")]
    Forced,
}

/// Stages that run.
pub struct Flow<E> {
    tasks: JoinSet<(Arc<Counters>, End<E>)>,
    stages: Vec<Stage>,
    token: CancellationToken,
    /// Cancels the token, also when the flow is dropped.
    cancel: DropGuard,
}

struct Stage {
    counters: Arc<Counters>,
    /// For how long it may move nothing.
    idle_timeout: Duration,
}

/// How a stage ended.
enum End<E> {
    Done(Result<(), E>),
    Cancelled,
    Panicked(String),
}

impl<E> Default for Flow<E> {
    fn default() -> Self {
        let token = CancellationToken::new();
        Self {
            tasks: JoinSet::new(),
            stages: Vec::new(),
            cancel: token.clone().drop_guard(),
            token,
        }
    }
}

/// Works until it is done or cancelled.
async fn work<E>(
    counters: Arc<Counters>,
    cancelled: CancellationToken,
    work: impl Future<Output = Result<(), E>>,
) -> End<E> {
    let end = tokio::select! {
        biased;
        () = cancelled.cancelled() => End::Cancelled,
        done = Timed::new(Arc::clone(&counters), work) => End::Done(done),
    };
    counters.ended();
    end
}

/// The end of a stage that has a thread of its own.
async fn of_thread<E>(
    thread: io::Result<JoinHandle<()>>,
    ended: oneshot::Receiver<End<E>>,
) -> End<E> {
    match (ended.await, thread) {
        (Ok(end), _) => end,
        (Err(_), Err(error)) => End::Panicked(format!("no thread can be started: {error}")),
        // It has dropped what it would have said it with: it is as good as over.
        (Err(_), Ok(thread)) => End::Panicked(match thread.join() {
            Ok(()) => "its thread said nothing".into(),
            Err(panic) => said(panic.as_ref()),
        }),
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked").to_owned()
}

impl<E: Send + 'static> Flow<E> {
    /// Starts a stage that mostly waits, on a task. It may move nothing for
    /// `idle_timeout` before it counts as stuck; waiting for a neighbour does
    /// not count.
    pub fn spawn(
        &mut self,
        counters: &Arc<Counters>,
        idle_timeout: Duration,
        stage: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let stage = work(
            self.watch(counters, idle_timeout),
            self.token.clone(),
            stage,
        );
        let counters = Arc::clone(counters);
        self.tasks.spawn(async move { (counters, stage.await) });
    }

    /// Starts a stage that computes, on a thread of its own, so that
    /// neighbours compute at the same time: a task that is woken by a
    /// computing one stays behind it, on the same worker of the runtime.
    /// Otherwise as [`Flow::spawn`].
    pub fn spawn_thread(
        &mut self,
        counters: &Arc<Counters>,
        idle_timeout: Duration,
        stage: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let stage = work(
            self.watch(counters, idle_timeout),
            self.token.clone(),
            stage,
        );
        let runtime = Handle::current();
        let (ended, has_ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(counters.name.clone())
            .spawn(move || {
                // Nobody is left to tell if the flow was dropped.
                let _ = ended.send(runtime.block_on(stage));
            });
        let counters = Arc::clone(counters);
        self.tasks
            .spawn(async move { (counters, of_thread(thread, has_ended).await) });
    }

    fn watch(&mut self, counters: &Arc<Counters>, idle_timeout: Duration) -> Arc<Counters> {
        self.stages.push(Stage {
            counters: Arc::clone(counters),
            idle_timeout,
        });
        Arc::clone(counters)
    }

    /// Waits for all stages, and gives the first failure.
    ///
    /// # Errors
    ///
    /// The failure that came first; those that follow from it are dropped.
    pub async fn join(mut self, stop: &Stop) -> Result<Vec<Figures>, Failure<E>> {
        let mut failure = None;
        let mut patience: Option<Instant> = None;
        let shortest = self.stages.iter().map(|stage| stage.idle_timeout).min();
        let glance = shortest.map_or(LONGEST_GLANCE, |timeout| {
            (timeout / 8).clamp(SHORTEST_GLANCE, LONGEST_GLANCE)
        });
        let mut glances = tokio::time::interval(glance);
        loop {
            let ended = tokio::select! {
                biased;
                () = stop.forced() => {
                    failure = Some(Failure::Forced);
                    break;
                }
                ended = self.tasks.join_next() => ended,
                _ = glances.tick() => {
                    if failure.is_none() && let Some(stuck) = self.stuck() {
                        failure = Some(stuck);
                        break;
                    }
                    if patience.is_some_and(|end| Instant::now() > end) {
                        break;
                    }
                    continue;
                }
            };
            let Some(ended) = ended else { break };
            let found = match ended {
                Ok((_, End::Done(Ok(())) | End::Cancelled)) => None,
                Ok((counters, End::Done(Err(error)))) => Some(Failure::Stage {
                    stage: counters.name.clone(),
                    error,
                }),
                Ok((counters, End::Panicked(reason))) => Some(Failure::Panic {
                    stage: counters.name.clone(),
                    reason,
                }),
                Err(join) => Some(Failure::Panic {
                    stage: "a stage".into(),
                    reason: join.to_string(),
                }),
            };
            if let (None, Some(found)) = (&failure, found) {
                failure = Some(found);
                patience = Some(Instant::now() + PATIENCE);
            }
        }
        drop(self.cancel);
        while self.tasks.join_next().await.is_some() {}
        match failure {
            Some(failure) => Err(failure),
            None => Ok(self
                .stages
                .iter()
                .map(|stage| stage.counters.figures())
                .collect()),
        }
    }

    fn stuck(&self) -> Option<Failure<E>> {
        self.stages.iter().find_map(|stage| {
            let counters = &stage.counters;
            let after = counters.stalled_for();
            (after > stage.idle_timeout).then(|| Failure::Stuck {
                stage: counters.name.clone(),
                after,
                computing: counters.is_computing(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Doing, Gauge, queue};

    const LONG: Duration = Duration::from_secs(60);

    struct Item;
    impl crate::Weigh for Item {
        fn weight(&self) -> usize {
            1
        }
    }

    #[tokio::test]
    async fn the_first_failure_is_told_and_the_stages_after_it_finish() {
        let (sender, mut receiver) = queue::<Item>(10, Gauge::default());
        let mut flow = Flow::<String>::default();
        flow.spawn(&Counters::new("source"), LONG, async move {
            sender.send(Item).await.unwrap();
            Err("no more".into())
        });
        let (seen, was_seen) = tokio::sync::oneshot::channel();
        flow.spawn(&Counters::new("destination"), LONG, async move {
            let mut count = 0;
            while receiver.receive().await.is_some() {
                count += 1;
            }
            seen.send(count).unwrap();
            Ok(())
        });
        let failure = flow.join(&Stop::default()).await.unwrap_err();
        assert_eq!(failure.to_string(), "source: no more");
        assert_eq!(was_seen.await, Ok(1));
    }

    #[tokio::test]
    async fn a_stage_that_moves_nothing_is_named_and_its_neighbours_are_not() {
        let mut flow = Flow::<String>::default();
        let short = Duration::from_millis(50);
        flow.spawn(&Counters::new("calm"), LONG, std::future::pending());
        flow.spawn(&Counters::new("silent"), short, std::future::pending());
        let patient = Counters::new("patient");
        patient.doing(Doing::AwaitingInput);
        flow.spawn(&patient, short, std::future::pending());
        match flow.join(&Stop::default()).await {
            Err(Failure::Stuck {
                stage, computing, ..
            }) => {
                assert_eq!(stage, "silent");
                assert!(!computing);
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_panic_is_told_with_the_stage_and_its_words() {
        let mut flow = Flow::<String>::default();
        flow.spawn_thread(&Counters::new("rash"), LONG, async { panic!("no {}", 7) });
        let failure = flow.join(&Stop::default()).await.unwrap_err();
        assert_eq!(failure.to_string(), "rash: a defect in the host: no 7");
    }

    #[tokio::test]
    async fn nothing_of_a_stage_is_left_when_the_flow_has_ended() {
        let held = Arc::new(());
        let mut flow = Flow::<String>::default();
        for thread in [false, true] {
            let held = Arc::clone(&held);
            let silent = async move {
                let _held = held;
                std::future::pending().await
            };
            let counters = Counters::new("silent");
            match thread {
                true => flow.spawn_thread(&counters, LONG, silent),
                false => flow.spawn(&counters, LONG, silent),
            }
        }
        let stop = Stop::default();
        stop.force();
        assert!(flow.join(&stop).await.is_err());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn stages_with_threads_compute_at_the_same_time() {
        // Each waits for the other without giving way.
        let both = Arc::new(std::sync::Barrier::new(2));
        let mut flow = Flow::<String>::default();
        for _ in 0..2 {
            let both = Arc::clone(&both);
            flow.spawn_thread(&Counters::new("busy"), LONG, async move {
                both.wait();
                Ok(())
            });
        }
        flow.join(&Stop::default()).await.unwrap();
    }

    #[tokio::test]
    async fn forcing_ends_a_flow_that_waits() {
        let mut flow = Flow::<String>::default();
        flow.spawn(&Counters::new("silent"), LONG, std::future::pending());
        let stop = Stop::default();
        stop.force();
        assert!(matches!(flow.join(&stop).await, Err(Failure::Forced)));
    }
}
