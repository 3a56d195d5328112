//! `native-pipe SOURCE.json DESTINATION.json`: one file stream through the file
//! connectors, compiled natively, in write mode `replace`.
//!
//! It does what a run of the pipeline does with them, apart from the sandbox:
//! source and destination on threads of their own, joined by a channel of
//! encoded frames, and one commit at the end. The configurations are those that
//! connectors get, with paths resolved.

use std::error::Error;

use futures::executor::block_on;
use futures::{SinkExt as _, StreamExt as _, channel::mpsc, future};
use vesicle_connector::{
    CommitRequest, Destination as _, Event, Frame, LoadRequest, Source as _, StreamRequest,
    SyncMode, WriteMode, native, testing,
};

use dest_file::FileDestination;
use source_file::FileSource;

/// How many frames may lie between the two; about as many as the default queue
/// of a pipeline holds.
const CHANNEL: usize = 64;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(source), Some(destination)) = (arguments.next(), arguments.next()) else {
        return Err("usage: native-pipe SOURCE.json DESTINATION.json".into());
    };
    let source = serde_json::from_slice(&std::fs::read(source)?)?;
    let destination = serde_json::from_slice(&std::fs::read(destination)?)?;
    let request = StreamRequest::new("stream");
    let plan = block_on(
        testing::open_source::<FileSource>(serde_json::Value::clone(&source))?.plan(&request),
    )?;
    let (schema, snapshot) = (plan.schema.clone(), plan.snapshot.clone());
    let partition = plan.partitions.into_iter().next().ok_or("no partition")?;

    let (mut sender, receiver) = mpsc::channel(CHANNEL);
    let reader = std::thread::spawn(move || -> Result<()> {
        let opened = testing::open_source::<FileSource>(source)?;
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
        let (outcome, forwarded) = block_on(future::join(reading.outcome, forward));
        outcome?;
        Ok(forwarded?)
    });

    let opened = testing::open_destination::<FileDestination>(destination)?;
    let load = block_on(opened.begin(&LoadRequest {
        pipeline: "native".into(),
        stream_name: "stream".into(),
        run: format!("native-{}", std::process::id()),
        write_mode: WriteMode::Replace,
        sync_mode: SyncMode::FullRefresh,
        primary_key: Vec::new(),
        schema,
        snapshot,
        fresh: true,
    }))?;
    let writer = block_on(opened.writer(&load, "all"))?;
    let (events, outcome) = native::write(writer, receiver, 16);
    let (outcome, events) = block_on(future::join(outcome, events.collect::<Vec<Event>>()));
    outcome?;
    reader.join().map_err(|_| "the reader panicked")??;
    if !matches!(events.last(), Some(Event::Committed(receipt)) if receipt.last) {
        return Err("the last commit is missing".into());
    }
    let summary = block_on(opened.finish(&load))?;
    println!("{} rows", summary.rows);
    Ok(())
}
