//! A set of stages that end together.
//!
//! A stage that ends closes its queues: the stages after it finish what they
//! have, commits included, and the stages before it learn that nobody listens.
//! So a failure needs no cancelling, only patience, which is bounded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

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

/// Stages that run, each on a task of its own.
pub struct Flow<E> {
    tasks: JoinSet<(Arc<Counters>, Result<(), E>)>,
    stages: Vec<Stage>,
}

struct Stage {
    counters: Arc<Counters>,
    /// For how long it may move nothing.
    idle_timeout: Duration,
}

impl<E> Default for Flow<E> {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            stages: Vec::new(),
        }
    }
}

impl<E: Send + 'static> Flow<E> {
    /// Starts a stage, which may move nothing for `idle_timeout` before it
    /// counts as stuck. Waiting for a neighbour does not count.
    pub fn spawn(
        &mut self,
        counters: &Arc<Counters>,
        idle_timeout: Duration,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.stages.push(Stage {
            counters: Arc::clone(counters),
            idle_timeout,
        });
        let counters = Arc::clone(counters);
        self.tasks.spawn(async move {
            let done = Timed::new(Arc::clone(&counters), work).await;
            counters.ended();
            (counters, done)
        });
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
                    self.tasks.abort_all();
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
            let found = match ended {
                None => break,
                Some(Ok((_, Ok(())))) => None,
                Some(Ok((counters, Err(error)))) => Some(Failure::Stage {
                    stage: counters.name.clone(),
                    error,
                }),
                Some(Err(join)) if join.is_cancelled() => None,
                Some(Err(join)) => Some(Failure::Panic {
                    stage: "a stage".into(),
                    reason: join.to_string(),
                }),
            };
            if let (None, Some(found)) = (&failure, found) {
                failure = Some(found);
                patience = Some(Instant::now() + PATIENCE);
            }
        }
        self.tasks.shutdown().await;
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
    async fn forcing_ends_a_flow_that_waits() {
        let mut flow = Flow::<String>::default();
        flow.spawn(&Counters::new("silent"), LONG, std::future::pending());
        let stop = Stop::default();
        stop.force();
        assert!(matches!(flow.join(&stop).await, Err(Failure::Forced)));
    }
}
