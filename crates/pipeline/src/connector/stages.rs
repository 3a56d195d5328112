//! Connectors as stages of a flow: streams in, streams out, and a verdict.
//!
//! Invariants: a stage stays in its instance's event loop until the guest has
//! closed its stream and delivered its result; a guest that trapped, or closed
//! its stream without a result, has failed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use vesicle_engine::State;
use vesicle_flow::{Counters, Intake, Outlet, Pass, Receiver, Sender, Stop, Weigh};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Destination, FutureReader, Lift, StreamProducer, StreamReader, StreamResult,
};

use super::bindings::destination::DestinationComponent;
use super::bindings::source::SourceComponent;
use super::bindings::transform::TransformComponent;
use super::bindings::types::{CommitRequest, Error as GuestError, Frame};
use super::bindings::{Event, Load, Partition, StreamRequest};
use super::future::Handover;
use super::{Connector, Failure};

/// How long a guest may take to say how it went once its stream is closed from
/// our side.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The code of the error that the SDK reports when its stream was closed from
/// our side. It is no failure.
const HUNG_UP: &str = "stopped";

/// The cursors that have become durable, on their way to the source, until it
/// is asked to end.
pub struct CommittedCursors {
    cursors: mpsc::UnboundedReceiver<String>,
    asked: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl CommittedCursors {
    /// Those that are received, until an end is asked for.
    pub fn new(cursors: mpsc::UnboundedReceiver<String>, stop: &Stop) -> Self {
        let stop = stop.clone();
        Self {
            cursors,
            asked: Box::pin(async move { stop.asked().await }),
        }
    }
}

impl<D> StreamProducer<D> for CommittedCursors {
    type Item = String;
    type Buffer = Option<String>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, String, Option<String>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        match self.cursors.poll_recv(context) {
            Poll::Ready(Some(cursor)) => {
                destination.set_buffer(Some(cursor));
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Poll::Pending if self.asked.as_mut().poll(context).is_ready() => {
                Poll::Ready(Ok(StreamResult::Dropped))
            }
            Poll::Ready(None) => Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

type Verdict = Result<(), GuestError>;

/// A stream that a guest writes, and the result beside it.
type Emission<T> = (StreamReader<T>, FutureReader<Verdict>);

/// Pipes a guest's stream into a queue and waits until it has ended and the
/// guest has said how it went.
///
/// `Ok(None)` means that the stream was closed from our side.
async fn drain<T>(
    accessor: &Accessor<State>,
    (stream, outcome): Emission<T>,
    intake: Intake<T>,
    ended: oneshot::Receiver<()>,
    closed_by_us: impl Fn() -> bool,
) -> wasmtime::Result<Option<Verdict>>
where
    T: Weigh + Lift + Send + Sync + Unpin + 'static,
{
    let (handover, verdict) = Handover::new();
    accessor.with(|mut store| {
        stream.pipe(&mut store, intake)?;
        outcome.pipe(&mut store, handover)
    })?;
    // Fails exactly when the intake is dropped, which is the end of the stream.
    let _ = ended.await;
    if closed_by_us() {
        return Ok(match tokio::time::timeout(LAST_WORDS, verdict).await {
            Ok(Ok(Err(error))) if error.code != HUNG_UP => Some(Err(error)),
            _ => None,
        });
    }
    match verdict.await {
        Ok(verdict) => Ok(Some(verdict)),
        Err(_) => Err(wasmtime::Error::msg(
            "it closed its stream without saying how it went",
        )),
    }
}

fn settle(
    connector: &Connector,
    done: Result<Result<Option<Verdict>, GuestError>, vesicle_engine::Error>,
) -> Result<bool, Failure> {
    match done {
        Err(error) => Err(connector.failure(&error)),
        Ok(Err(error) | Ok(Some(Err(error)))) => Err(error.into()),
        Ok(Ok(Some(Ok(())))) => Ok(true),
        Ok(Ok(None)) => Ok(false),
    }
}

async fn instantiate(connector: &Connector) -> Result<vesicle_pool::Instance, Failure> {
    connector
        .wired
        .instantiate(connector.budget.with_deadline(None))
        .await
        .map_err(|error| connector.pool_failure(&error))
}

/// A partition being read.
pub struct ReadTask {
    /// The source.
    pub connector: Arc<Connector>,
    /// What the document asks of the stream.
    pub request: StreamRequest,
    /// The partition.
    pub partition: Partition,
    /// Where to go on.
    pub cursor: Option<String>,
    /// What has become durable.
    pub committed: CommittedCursors,
    /// Where frames go.
    pub frames: Sender<Frame>,
    /// The stage's counters.
    pub counters: Arc<Counters>,
    /// The request to end.
    pub stop: Stop,
}

impl ReadTask {
    /// Reads, through `valve`, until the partition ends or is stopped. `true`
    /// means that it was read to its end.
    ///
    /// # Errors
    ///
    /// The connector's, or [`Failure::Unheard`] where the queue was closed.
    pub async fn run(
        self,
        valve: impl FnMut(Frame) -> Pass<Frame> + Send + 'static,
    ) -> Result<bool, Failure> {
        let mut instance = instantiate(&self.connector).await?;
        let exports = instance.exports;
        let Self {
            connector,
            request,
            partition,
            cursor,
            committed,
            frames,
            counters,
            stop,
        } = self;
        let queue = frames.clone();
        let config = connector.config.clone();
        let reading = instance.store.run(async |store| {
            let bindings = SourceComponent::new(&mut *store, &exports)?;
            store
                .run_concurrent(async |accessor| {
                    let committed =
                        accessor.with(|mut store| StreamReader::new(&mut store, committed))?;
                    let emission = bindings
                        .vesicle_connector_source()
                        .call_read(accessor, config, request, partition, cursor, committed)
                        .await?;
                    let emission = match emission {
                        Ok(emission) => emission,
                        Err(error) => return Ok(Err(error)),
                    };
                    let (intake, ended) = Intake::new(frames, counters, valve);
                    drain(accessor, emission, intake, ended, || {
                        stop.is_asked() || queue.is_closed()
                    })
                    .await
                    .map(Ok)
                })
                .await?
        });
        let done = tokio::select! {
            done = reading => done,
            // A source that is silent when asked to stop has nothing to commit.
            () = async { stop.asked().await; tokio::time::sleep(LAST_WORDS).await } => return Ok(false),
        };
        let ended = settle(&connector, done)?;
        if queue.is_closed() {
            return Err(Failure::Unheard);
        }
        Ok(ended)
    }
}

/// A transform at work on the frames of a partition.
pub struct TransformTask {
    /// The transform.
    pub connector: Arc<Connector>,
    /// The name of the stream.
    pub stream: String,
    /// Where frames come from.
    pub incoming: Receiver<Frame>,
    /// Where they go.
    pub outgoing: Sender<Frame>,
    /// The stage's counters.
    pub counters: Arc<Counters>,
}

impl TransformTask {
    /// Passes frames on, through `valve`, until there are no more.
    ///
    /// # Errors
    ///
    /// The connector's, or [`Failure::Unheard`].
    pub async fn run(
        self,
        valve: impl FnMut(Frame) -> Pass<Frame> + Send + 'static,
    ) -> Result<(), Failure> {
        let mut instance = instantiate(&self.connector).await?;
        let exports = instance.exports;
        let Self {
            connector,
            stream,
            incoming,
            outgoing,
            counters,
        } = self;
        let queue = outgoing.clone();
        let config = connector.config.clone();
        let done = instance
            .store
            .run(async |store| {
                let bindings = TransformComponent::new(&mut *store, &exports)?;
                store
                    .run_concurrent(async |accessor| {
                        let outlet = Outlet::new(incoming, Arc::clone(&counters));
                        let frames =
                            accessor.with(|mut store| StreamReader::new(&mut store, outlet))?;
                        let emission = bindings
                            .vesicle_connector_transform()
                            .call_transform(accessor, config, stream, frames)
                            .await?;
                        let emission = match emission {
                            Ok(emission) => emission,
                            Err(error) => return Ok(Err(error)),
                        };
                        let (intake, ended) = Intake::new(outgoing, counters, valve);
                        drain(accessor, emission, intake, ended, || queue.is_closed())
                            .await
                            .map(Ok)
                    })
                    .await?
            })
            .await;
        settle(&connector, done)?;
        if queue.is_closed() {
            return Err(Failure::Unheard);
        }
        Ok(())
    }
}

/// A partition being written.
pub struct WriteTask {
    /// The destination.
    pub connector: Arc<Connector>,
    /// The load.
    pub load: Load,
    /// The partition.
    pub partition: String,
    /// Where frames come from.
    pub incoming: Receiver<Frame>,
    /// Where receipts and rejects go.
    pub events: Sender<Event>,
    /// The stage's counters.
    pub counters: Arc<Counters>,
    /// Asks for an end.
    pub stop: Stop,
}

impl WriteTask {
    /// Writes until there are no more frames or, once an end is asked for,
    /// until the next commit, however much waits behind it. `before_commit`
    /// sees each request before the destination does; events go through
    /// `valve`.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn run(
        self,
        mut before_commit: impl FnMut(&CommitRequest) -> Result<(), String> + Send + 'static,
        valve: impl FnMut(Event) -> Pass<Event> + Send + 'static,
    ) -> Result<(), Failure> {
        let mut instance = instantiate(&self.connector).await?;
        let exports = instance.exports;
        let Self {
            connector,
            load,
            partition,
            incoming,
            events,
            counters,
            stop,
        } = self;
        let queue = events.clone();
        let config = connector.config.clone();
        let done = instance
            .store
            .run(async |store| {
                let bindings = DestinationComponent::new(&mut *store, &exports)?;
                store
                    .run_concurrent(async |accessor| {
                        let outlet =
                            Outlet::new(incoming, Arc::clone(&counters)).until(move |frame| {
                                let Frame::Commit(request) = frame else {
                                    return Ok(false);
                                };
                                before_commit(request)?;
                                Ok(stop.is_asked())
                            });
                        let frames =
                            accessor.with(|mut store| StreamReader::new(&mut store, outlet))?;
                        let emission = bindings
                            .vesicle_connector_destination()
                            .call_write(accessor, config, load, partition, frames)
                            .await?;
                        let emission = match emission {
                            Ok(emission) => emission,
                            Err(error) => return Ok(Err(error)),
                        };
                        let (intake, ended) = Intake::new(events, counters, valve);
                        drain(accessor, emission, intake, ended, || queue.is_closed())
                            .await
                            .map(Ok)
                    })
                    .await?
            })
            .await;
        settle(&connector, done)?;
        Ok(())
    }
}
