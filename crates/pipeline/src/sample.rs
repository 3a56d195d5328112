//! A look at the first rows of a stream, without writing anything.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_json::WriterBuilder;
use arrow_json::writer::JsonArray;
use arrow_schema::{ArrowError, DataType};
use tokio::sync::mpsc;
use vesicle_flow::{Counters, Failure as FlowFailure, Flow, Gauge, Pass, Receiver, Stop, queue};

use crate::connector::bindings::Partition;
use crate::connector::bindings::types::{Format, Frame, SyncMode};
use crate::connector::limits::within_limits;
use crate::connector::{CommittedCursors, Connector, Failure, ReadTask, Role, TransformTask};
use crate::plan::{Plan, StreamPlan};
use crate::shape::{Shape, by};
use crate::{Error, Result};

/// The queue of a sample, in bytes.
const QUEUE: usize = 8 << 20;

/// The first rows of a stream, through the transforms.
///
/// # Errors
///
/// Whatever a connector says.
pub async fn sample(plan: &Plan, stream: &StreamPlan, limit: usize) -> Result<Vec<RecordBatch>> {
    let name = &stream.request.name;
    // It is decoded here.
    let mut stream = stream.clone();
    stream.request.accepts = vec![Format::ArrowIpc];
    // To read a log is to leave something at the server.
    if stream.request.sync_mode == SyncMode::Cdc {
        stream.request.sync_mode = SyncMode::FullRefresh;
    }
    let stream = &stream;
    let Shape { held, schema } = plan.shape(stream).await?;
    let mut rows = Rows::new(limit);
    let broken = |error: ArrowError| {
        let last = plan.transforms.last().unwrap_or(&plan.source);
        let message = format!("what it emitted cannot be decoded: {error}");
        by(last, name, Failure::Crashed { message })
    };
    rows.take(Frame::Schema(schema)).map_err(broken)?;
    for partition in &held.plan.partitions {
        if rows.full() {
            break;
        }
        let stop = Stop::default();
        let mut flow = Flow::<StageError>::default();
        // Nothing is committed, and nobody is told that nothing will be.
        let (_committed, cursors) = mpsc::unbounded_channel();
        let committed = CommittedCursors::new(cursors, &stop);
        let incoming = start(plan, stream, partition, committed, &stop, &mut flow);
        let filling = async {
            let filled = rows.fill(incoming).await;
            if rows.full() {
                // There is nothing more to be had from anybody.
                stop.force();
            }
            filled
        };
        let (ended, filled) = tokio::join!(flow.join(&stop), filling);
        match ended {
            Ok(_) | Err(FlowFailure::Forced) => {}
            Err(failure) => return Err(Error::of_flow(name, failure)),
        }
        filled.map_err(broken)?;
    }
    Ok(rows.batches)
}

/// Starts the stages that read a partition, and gives what comes out of them.
fn start(
    plan: &Plan,
    stream: &StreamPlan,
    partition: &Partition,
    committed: CommittedCursors,
    stop: &Stop,
    flow: &mut Flow<StageError>,
) -> Receiver<Frame> {
    let (frames, mut incoming) = queue(QUEUE, Gauge::default());
    let counters = Counters::new(&format!("source {}", plan.source.name));
    let task = ReadTask {
        connector: Arc::clone(&plan.source),
        request: stream.request.clone(),
        partition: partition.clone(),
        cursor: None,
        committed,
        frames,
        counters: Arc::clone(&counters),
        stop: stop.clone(),
    };
    let source = Arc::clone(&plan.source);
    flow.spawn(&counters, source.idle_timeout, async move {
        blame(&source, task.run(pass_rows).await.map(|_| ()))
    });
    for transform in &plan.transforms {
        let (outgoing, next) = queue(QUEUE, Gauge::default());
        let counters = Counters::new(&format!("transform {}", transform.name));
        let task = TransformTask {
            connector: Arc::clone(transform),
            stream: stream.request.name.clone(),
            incoming,
            outgoing,
            counters: Arc::clone(&counters),
        };
        incoming = next;
        let transform = Arc::clone(transform);
        flow.spawn(&counters, transform.idle_timeout, async move {
            blame(&transform, task.run(within_limits).await)
        });
    }
    incoming
}

type StageError = (Role, String, Failure);

/// Attaches to a failure whose it is. That a sample is full is none.
fn blame(connector: &Connector, done: Result<(), Failure>) -> Result<(), StageError> {
    match done {
        Ok(()) | Err(Failure::Unheard) => Ok(()),
        Err(failure) => Err((connector.role, connector.name.clone(), failure)),
    }
}

/// Checkpoints mean nothing to a sample.
fn pass_rows(frame: Frame) -> Pass<Frame> {
    match within_limits(frame) {
        Pass::On(Frame::Checkpoint(_) | Frame::Settle(_) | Frame::Commit(_)) => Pass::Kept,
        passed => passed,
    }
}

/// The rows taken so far.
struct Rows {
    limit: usize,
    batches: Vec<RecordBatch>,
    decoder: StreamDecoder,
}

impl Rows {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            batches: Vec::new(),
            decoder: StreamDecoder::new(),
        }
    }

    fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn full(&self) -> bool {
        self.count() >= self.limit
    }

    async fn fill(&mut self, mut incoming: Receiver<Frame>) -> Result<(), ArrowError> {
        while !self.full()
            && let Some(frame) = incoming.receive().await
        {
            self.take(frame)?;
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame) -> Result<(), ArrowError> {
        let batch = match frame {
            Frame::Schema(schema) => {
                self.decoder = StreamDecoder::new();
                try_schema_from_ipc_buffer(&schema)?;
                self.decoder.decode(&mut schema.into())?;
                return Ok(());
            }
            Frame::Batch(batch) => batch,
            _ => return Ok(()),
        };
        let mut decoded = self.decoder.decode(&mut batch.payload.into())?;
        if decoded.is_none() {
            // A batch without buffers is handed out when bytes follow it,
            // which stay unread. Whatever takes some of them was cut short.
            let mut more = vec![0xff_u8; 4].into();
            decoded = self.decoder.decode(&mut more)?.filter(|_| more.len() == 4);
        }
        let cut_short =
            || ArrowError::IpcError("a payload ends before its record batch does".into());
        let decoded = decoded.ok_or_else(cut_short)?;
        let room = self.limit.saturating_sub(self.count());
        if room > 0 {
            self.batches
                .push(decoded.slice(0, decoded.num_rows().min(room)));
        }
        Ok(())
    }
}

/// A column, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type: by the word that documents use for it, or by Arrow's name
    /// where there is none.
    pub data_type: String,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// The columns of a schema, as connectors encode it.
///
/// # Errors
///
/// [`Error::Defect`] where it cannot be decoded.
pub fn columns(schema: &[u8]) -> Result<Vec<Column>> {
    let schema = try_schema_from_ipc_buffer(schema)
        .map_err(|e| Error::Defect(format!("a schema cannot be decoded: {e}")))?;
    Ok(schema
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name().clone(),
            data_type: word(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect())
}

/// The word for a type in documents.
fn word(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Date32 => "date".into(),
        DataType::Time64(_) => "time".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        number if number.is_integer() || number.is_floating() => number.to_string().to_lowercase(),
        other => other.to_string(),
    }
}

/// Rows as a table for people.
///
/// # Errors
///
/// [`Error::Defect`] where a value cannot be shown.
pub fn table(rows: &[RecordBatch]) -> Result<String> {
    arrow_cast::pretty::pretty_format_batches(rows)
        .map(|table| table.to_string())
        .map_err(|e| Error::Defect(e.to_string()))
}

/// Rows as objects, for programs: numbers as numbers, NULL as null, the types
/// that JSON does not have as texts.
///
/// # Errors
///
/// [`Error::Defect`] where a value cannot be shown.
pub fn rows(rows: &[RecordBatch]) -> Result<serde_json::Value> {
    let defect = |error: &dyn std::fmt::Display| Error::Defect(error.to_string());
    let mut text = Vec::new();
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, JsonArray>(&mut text);
    let rows: Vec<_> = rows.iter().collect();
    writer.write_batches(&rows).map_err(|e| defect(&e))?;
    writer.finish().map_err(|e| defect(&e))?;
    serde_json::from_slice(&text).map_err(|e| defect(&e))
}
