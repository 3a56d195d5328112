//! `native-pipe files|postgres STREAM SOURCE.json DESTINATION.json`: one stream
//! through the connectors of that kind, compiled natively, in write mode
//! `replace`.
//!
//! It does what a run of the pipeline does with them, apart from the sandbox:
//! source and destination on threads of their own, joined by a channel of
//! encoded frames, and one commit at the end. The configurations are those that
//! connectors get, with paths resolved; the password is that of PGPASSWORD.

use std::error::Error;

use dest_file::FileDestination;
use dest_postgres::PostgresDestination;
use futures::{SinkExt as _, StreamExt as _, channel::mpsc, future};
use serde_json::Value;
use source_file::FileSource;
use source_postgres::PostgresSource;
use vesicle_connector::{
    CommitRequest, Destination, Event, Format, Frame, LoadRequest, Partition, Source,
    StreamRequest, SyncMode, WriteMode, Writer, native, testing,
};

/// How many frames may lie between the two; about as many as the default queue
/// of a pipeline holds.
const CHANNEL: usize = 32;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [kind, stream, source, destination] = &arguments[..] else {
        return Err("usage: native-pipe files|postgres STREAM SOURCE.json DESTINATION.json".into());
    };
    let source = serde_json::from_slice(&std::fs::read(source)?)?;
    let destination = serde_json::from_slice(&std::fs::read(destination)?)?;
    match kind.as_str() {
        "files" => pipe::<FileSource, FileDestination>(stream, source, destination),
        "postgres" => pipe::<PostgresSource, PostgresDestination>(stream, source, destination),
        other => Err(format!("there are no connectors for {other:?}").into()),
    }
}

/// Runs what is not `Send` on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, work))
}

fn pipe<S: Source, D: Destination>(stream: &str, source: Value, destination: Value) -> Result<()>
where
    D::Writer: Writer,
{
    let takes = D::spec().takes;
    let mut request = StreamRequest::new(stream);
    request.accepts = match takes.is_empty() {
        true => vec![Format::ArrowIpc],
        false => takes,
    };
    block_on(async move {
        let plan = testing::open_source::<S>(source.clone())?
            .plan(&request)
            .await?;
        // The snapshot that the partition is read in.
        let hold = plan.hold;
        let partition = plan.partitions.into_iter().next().ok_or("no partition")?;
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let reading = request.clone();
        let reader =
            std::thread::spawn(move || block_on(read::<S>(source, reading, partition, sender))?);
        let opened = testing::open_destination::<D>(destination)?;
        let load = opened
            .begin(&LoadRequest {
                run: format!("native-{}", std::process::id()),
                write_mode: WriteMode::Replace,
                sync_mode: SyncMode::FullRefresh,
                snapshot: plan.snapshot,
                fresh: true,
                rejects: false,
                evolution: Default::default(),
                replay: false,
                newer_by: None,
                ..LoadRequest::new(stream, "", plan.schema)
            })
            .await?;
        let writer = opened.writer(&load, "all").await?;
        let (events, outcome) = native::write(writer, receiver, 16);
        let (outcome, events) = future::join(outcome, events.collect::<Vec<Event>>()).await;
        outcome?;
        reader.join().map_err(|_| "the reader panicked")??;
        drop(hold);
        if !matches!(events.last(), Some(Event::Committed(receipt)) if receipt.last) {
            return Err("the last commit is missing".into());
        }
        let summary = opened.finish(&load).await?;
        println!("{} rows", summary.rows);
        Ok(())
    })?
}

/// Reads a partition to its end, and asks for one commit.
async fn read<S: Source>(
    source: Value,
    request: StreamRequest,
    partition: Partition,
    mut sender: mpsc::Sender<Frame>,
) -> Result<()> {
    let opened = testing::open_source::<S>(source)?;
    let mut reading = native::read(opened, request, partition, None, 1);
    let forward = async {
        let mut newest = String::new();
        while let Some(frame) = reading.frames.next().await {
            match frame {
                Frame::Checkpoint(cursor) | Frame::Settle(cursor) => newest = cursor,
                frame => sender.send(frame).await?,
            }
        }
        let last = CommitRequest {
            cursor: newest,
            last: true,
        };
        sender.send(Frame::Commit(last)).await
    };
    let (outcome, forwarded) = future::join(reading.outcome, forward).await;
    outcome?;
    Ok(forwarded?)
}
