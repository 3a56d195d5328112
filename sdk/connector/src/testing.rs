//! Tests a connector natively: no sandbox, no host, the same code.
//!
//! The functions are async; [`block_on`] runs them in a plain `#[test]`. See
//! the [crate's first example](crate) for a test of a source.

mod item;

use futures::channel::mpsc;
use futures::{StreamExt, future};
use serde_json::Value;

use crate::config::Config;
use crate::destination::{Destination, Event, Load, LoadRequest, Receipt};
use crate::emitter::{Committed, Emitter};
use crate::error::{Error, Result};
use crate::frame::{Cursor, Frame, Reject};
use crate::native;
use crate::outlet::Outlet;
use crate::source::{Partition, Source, StreamRequest};
use crate::spec::Spec;
use crate::transform::Transform;

pub use futures::executor::block_on;
pub use item::{Item, Output};

/// How many frames lie between a connector and the test.
const CAPACITY: usize = 4;

/// Opens a source from its configuration.
///
/// # Errors
///
/// What [`Source::open`] says.
pub fn open_source<S: Source>(config: Value) -> Result<S> {
    S::open(configure(config, S::spec())?)
}

/// Opens a transform from its configuration.
///
/// # Errors
///
/// What [`Transform::open`] says.
pub fn open_transform<T: Transform>(config: Value) -> Result<T> {
    T::open(configure(config, T::spec())?)
}

/// Opens a destination from its configuration.
///
/// # Errors
///
/// What [`Destination::open`] says.
pub fn open_destination<D: Destination>(config: Value) -> Result<D> {
    D::open(configure(config, D::spec())?)
}

fn configure(config: Value, spec: Spec) -> Result<Config> {
    Config::from_value(config, &spec)
}

/// Reads all partitions of a stream from their start, one after another, each
/// with a source opened for it. The first failure ends it.
///
/// # Errors
///
/// What opening and planning say. What reading says is in the output.
pub async fn read<S: Source>(config: Value, request: impl Into<StreamRequest>) -> Result<Output> {
    let request = request.into();
    let plan = open_source::<S>(config.clone())?.plan(&request).await?;
    let mut all = Output::default();
    for partition in plan.partitions {
        let output = read_partition::<S>(config.clone(), &request, partition, None).await?;
        all.items.extend(output.items);
        all.outcome = output.outcome;
        if all.outcome.is_err() {
            break;
        }
    }
    Ok(all)
}

/// Reads one partition of a stream from a cursor on.
///
/// # Errors
///
/// What opening and planning say; `not-found` if the plan has no such
/// partition.
pub async fn resume<S: Source>(
    config: Value,
    request: impl Into<StreamRequest>,
    partition: &str,
    cursor: impl Into<Cursor>,
) -> Result<Output> {
    let request = request.into();
    let plan = open_source::<S>(config.clone())?.plan(&request).await?;
    let found = plan.partitions.into_iter().find(|one| one.id == partition);
    let found = found.ok_or_else(|| {
        Error::not_found("no-such-partition", format!("no partition {partition:?}"))
    })?;
    read_partition::<S>(config, &request, found, Some(cursor.into())).await
}

/// Reads a partition; tells the source of each checkpoint as if it had become
/// durable at once.
async fn read_partition<S: Source>(
    config: Value,
    request: &StreamRequest,
    partition: Partition,
    cursor: Option<Cursor>,
) -> Result<Output> {
    let source = open_source::<S>(config)?;
    let reading = native::read(source, request.clone(), partition, cursor, CAPACITY);
    let committed = reading.committed;
    let frames = reading.frames.inspect(move |frame| {
        if let Frame::Checkpoint(cursor) | Frame::Settle(cursor) = frame {
            // A source that does not listen has dropped the other end.
            let _ = committed.unbounded_send(cursor.clone());
        }
    });
    let (frames, outcome) = future::join(frames.collect::<Vec<_>>(), reading.outcome).await;
    Output::decode(frames, outcome)
}

/// Checks what exactly-once rests on: that reading a stream from any of its
/// checkpoints on gives the rows that came after it the first time.
///
/// # Errors
///
/// What reading says.
///
/// # Panics
///
/// If the rows differ, with the partition and the cursor.
pub async fn assert_resumable<S: Source>(
    config: Value,
    request: impl Into<StreamRequest>,
) -> Result<()> {
    let request = request.into();
    let plan = open_source::<S>(config.clone())?.plan(&request).await?;
    for partition in plan.partitions {
        let whole = read_partition::<S>(config.clone(), &request, partition.clone(), None).await?;
        whole.outcome.clone()?;
        for (place, item) in whole.items.iter().enumerate() {
            let (Item::Checkpoint(cursor) | Item::Settle(cursor)) = item else {
                continue;
            };
            let again = Some(cursor.clone());
            let rest =
                read_partition::<S>(config.clone(), &request, partition.clone(), again).await?;
            rest.outcome.clone()?;
            assert_eq!(
                Output::from(whole.items[place..].to_vec()).concat()?,
                rest.concat()?,
                "partition {:?} read from cursor {cursor:?} on (right) does not give the rows \
                 that came after it (left)",
                partition.id,
            );
        }
    }
    Ok(())
}

/// Takes items through a transform. Record batches are items.
///
/// # Errors
///
/// What opening says. What transforming says is in the output.
pub async fn transform<T: Transform>(
    config: Value,
    stream: &str,
    items: impl IntoIterator<Item = impl Into<Item>>,
) -> Result<Output> {
    let (input, feeding) = feed(items);
    let opened = open_transform::<T>(config)?;
    let (output, outcome) = native::transform(opened, stream, input, CAPACITY);
    let ((), frames, outcome) = future::join3(feeding, output.collect::<Vec<_>>(), outcome).await;
    Output::decode(frames, outcome)
}

/// What came of writing a partition.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The load, as it was begun.
    pub load: Load,
    /// What the destination said.
    pub events: Vec<Event>,
    /// How it ended.
    pub outcome: Result<()>,
}

impl Loaded {
    /// The receipts among the events.
    pub fn receipts(&self) -> Vec<&Receipt> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Committed(receipt) => Some(receipt),
                Event::Rejects(_) => None,
            })
            .collect()
    }

    /// The rejects among the events.
    pub fn rejects(&self) -> Vec<&Reject> {
        self.events
            .iter()
            .flat_map(|event| match event {
                Event::Rejects(rejects) => rejects.as_slice(),
                Event::Committed(_) => &[],
            })
            .collect()
    }
}

/// Begins a load and writes items as one of its partitions, as a run that ends
/// with the items does: without [`Destination::finish`]. Commit points are
/// [`Item::commit`] and [`Item::last`].
///
/// # Errors
///
/// What opening and beginning say. What writing says is in the result.
pub async fn load<D: Destination>(
    config: Value,
    request: &LoadRequest,
    partition: &str,
    items: impl IntoIterator<Item = impl Into<Item>>,
) -> Result<Loaded> {
    let load = open_destination::<D>(config.clone())?
        .begin(request)
        .await?;
    let writer = open_destination::<D>(config)?
        .writer(&load, partition)
        .await?;
    let (input, feeding) = feed(items);
    let (events, outcome) = native::write(writer, input, CAPACITY);
    let ((), events, outcome) = future::join3(feeding, events.collect(), outcome).await;
    Ok(Loaded {
        load,
        events,
        outcome,
    })
}

/// The items as frames, and the future that makes them.
fn feed(
    items: impl IntoIterator<Item = impl Into<Item>>,
) -> (mpsc::Receiver<Frame>, impl Future<Output = ()>) {
    let (sender, frames) = mpsc::channel(CAPACITY);
    let mut out = Emitter::new(Outlet::new(sender), Committed::none());
    let items: Vec<Item> = items.into_iter().map(Into::into).collect();
    let feeding = async move {
        for item in items {
            // The connector may end before its input does.
            if item.emit(&mut out).await.is_err() {
                break;
            }
        }
    };
    (frames, feeding)
}
