//! What a source or transform emits with.
//!
//! Owns the encoder and the order of frames. Invariants: a schema frame comes
//! before the batches it describes, and again when the schema changes; no
//! payload exceeds [`MAX_PAYLOAD`]; every call waits until the host has taken
//! what was emitted.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::Stream;
use futures::stream::{LocalBoxStream, StreamExt};

use crate::error::{Error, Result};
use crate::frame::{Batch, Change, Cursor, Frame, Operation, Reject};
use crate::ipc::{Encoder, MAX_PAYLOAD, TARGET_PAYLOAD};
use crate::outlet::Outlet;
use crate::size::{compact, pieces};
use crate::spec::Format;

/// Takes what a source or transform makes of its input.
pub struct Emitter {
    frames: Outlet<Frame>,
    shape: Option<Shape>,
    committed: Option<Committed>,
    /// Bytes of the source that no emitted batch accounts for yet.
    source_bytes: u64,
    /// Whether something was emitted that no checkpoint covers.
    uncovered: bool,
}

/// The schema that the reader knows, and the encoder for it.
struct Shape {
    schema: SchemaRef,
    encoder: Encoder,
}

impl Emitter {
    pub(crate) fn new(frames: Outlet<Frame>, committed: Committed) -> Self {
        Self {
            frames,
            shape: None,
            committed: Some(committed),
            source_bytes: 0,
            uncovered: false,
        }
    }

    /// Tells the shape of what follows, unless the reader knows it. Batches do
    /// so themselves; call it where there may be none.
    ///
    /// # Errors
    ///
    /// `unsupported` for a type that Arrow IPC cannot carry; stopped.
    pub async fn schema(&mut self, schema: &SchemaRef) -> Result<()> {
        if let Some(shape) = &mut self.shape
            && (std::sync::Arc::ptr_eq(&shape.schema, schema) || shape.schema == *schema)
        {
            // The next comparison with this one is of pointers.
            shape.schema = schema.clone();
            return Ok(());
        }
        let (encoder, message) = Encoder::new(schema)?;
        self.shape = Some(Shape {
            schema: schema.clone(),
            encoder,
        });
        self.frames.send(Frame::Schema(message)).await
    }

    /// Emits rows, in pieces of about [`TARGET_PAYLOAD`] bytes. `source_bytes`
    /// is how many bytes of the source were consumed for them: it drives the
    /// progress that people see. A transform says 0; what its input said is
    /// passed on. A batch without rows tells its schema and no more.
    ///
    /// # Errors
    ///
    /// `data` (`row-too-large`) if one row takes more than [`MAX_PAYLOAD`];
    /// stopped.
    pub async fn batch(&mut self, batch: RecordBatch, source_bytes: u64) -> Result<()> {
        self.rows(None, batch, source_bytes).await
    }

    /// Emits consecutive changes of one kind. The batch has all the columns of
    /// the schema; what is in those of `change.unchanged` and, where rows are
    /// deleted or get other keys, in those outside the key, means nothing.
    ///
    /// # Errors
    ///
    /// As of [`Emitter::batch`].
    pub async fn changes(
        &mut self,
        change: Change,
        batch: RecordBatch,
        source_bytes: u64,
    ) -> Result<()> {
        self.rows(Some(change), batch, source_bytes).await
    }

    /// Emits rows that are encoded already, in a format that the spec names
    /// under `emits`. The schema has to be told before, with
    /// [`Emitter::schema`].
    ///
    /// # Errors
    ///
    /// `data` (`payload-too-large`) above [`MAX_PAYLOAD`]; stopped.
    pub async fn encoded(
        &mut self,
        format: Format,
        rows: u64,
        payload: Vec<u8>,
        source_bytes: u64,
    ) -> Result<()> {
        if payload.len() > MAX_PAYLOAD {
            let message = format!("a payload of {} bytes is above 64 MiB", payload.len());
            return Err(Error::data("payload-too-large", message));
        }
        let source_bytes = source_bytes + std::mem::take(&mut self.source_bytes);
        self.uncovered = true;
        let batch = Batch {
            format,
            rows,
            source_bytes,
            payload,
        };
        self.frames.send(Frame::Batch(batch)).await
    }

    /// All that was emitted before is covered by this cursor: reading from it
    /// on gives exactly what comes after. Cheap; emit one wherever reading
    /// could start again. A source ends with one.
    ///
    /// # Errors
    ///
    /// Stopped.
    pub async fn checkpoint(&mut self, cursor: impl Into<Cursor>) -> Result<()> {
        self.uncovered = false;
        self.frames.send(Frame::Checkpoint(cursor.into())).await
    }

    /// As [`Emitter::checkpoint`], and asks for a commit at once, whatever the
    /// document says of when. For a source that waits until the cursor is among
    /// those of [`Emitter::committed`].
    ///
    /// # Errors
    ///
    /// Stopped.
    pub async fn settle(&mut self, cursor: impl Into<Cursor>) -> Result<()> {
        self.uncovered = false;
        self.frames.send(Frame::Settle(cursor.into())).await
    }

    /// Passes on a row that is not fit for the stream, as JSON or as found,
    /// with the reason. What becomes of it is the user's decision.
    ///
    /// # Errors
    ///
    /// Stopped.
    pub async fn reject(&mut self, row: impl Into<String>, reason: Error) -> Result<()> {
        self.uncovered = true;
        let row = row.into();
        self.frames
            .send(Frame::Reject(Reject { row, reason }))
            .await
    }

    /// The cursors that become durable at the destination, in order. A source
    /// that holds something back for its reader (a replication slot, a queue)
    /// may let go of what they cover. Ends when the source is asked to end. To
    /// be taken once; what is taken later
    /// has ended.
    pub fn committed(&mut self) -> Committed {
        self.committed.take().unwrap_or_else(Committed::none)
    }

    /// Passes a frame on as it is.
    pub(crate) async fn forward(&mut self, frame: Frame) -> Result<()> {
        self.frames.send(frame).await
    }

    /// Adds to what the next batch says it consumed.
    pub(crate) fn consumed(&mut self, source_bytes: u64) {
        self.source_bytes += source_bytes;
    }

    /// Whether something was emitted that no checkpoint covers.
    pub(crate) fn is_uncovered(&self) -> bool {
        self.uncovered
    }

    async fn rows(
        &mut self,
        change: Option<Change>,
        batch: RecordBatch,
        source_bytes: u64,
    ) -> Result<()> {
        self.schema(batch.schema_ref()).await?;
        self.source_bytes += source_bytes;
        let mut rows_left = batch.num_rows() as u64;
        let truncates = |change: &Change| change.operation == Operation::Truncate;
        if rows_left == 0 && !change.as_ref().is_some_and(truncates) {
            return Ok(());
        }
        self.uncovered = true;
        for (piece, size) in pieces(batch, TARGET_PAYLOAD) {
            let rows = piece.num_rows() as u64;
            let payload = self.encode(piece, size)?;
            // The rows of a batch share its bytes; nothing is lost in rounding.
            let share =
                u128::from(self.source_bytes) * u128::from(rows) / u128::from(rows_left.max(1));
            let share = share as u64;
            self.source_bytes -= share;
            rows_left -= rows;
            let batch = Batch {
                format: Format::ArrowIpc,
                rows,
                source_bytes: share,
                payload,
            };
            let frame = match &change {
                Some(change) => Frame::Changes(change.clone(), batch),
                None => Frame::Batch(batch),
            };
            self.frames.send(frame).await?;
        }
        Ok(())
    }

    fn encode(&mut self, piece: RecordBatch, size: usize) -> Result<Vec<u8>> {
        let too_large = |size: usize| {
            let message = format!("a row takes {size} bytes; no more than 64 MiB can be passed on");
            Error::data("row-too-large", message)
        };
        if size > MAX_PAYLOAD {
            return Err(too_large(size));
        }
        let shape = self
            .shape
            .as_mut()
            .ok_or_else(|| Error::internal("no-schema", "rows were emitted before their schema"))?;
        let payload = shape.encoder.encode(&compact(piece)?, size)?;
        if payload.len() > MAX_PAYLOAD {
            return Err(too_large(payload.len()));
        }
        Ok(payload)
    }
}

/// The cursors that become durable, in order, as a stream.
pub struct Committed(LocalBoxStream<'static, Cursor>);

impl Committed {
    pub(crate) fn new(cursors: impl Stream<Item = Cursor> + 'static) -> Self {
        Self(cursors.boxed_local())
    }

    /// A stream that has ended.
    pub(crate) fn none() -> Self {
        Self::new(futures::stream::empty())
    }
}

impl Stream for Committed {
    type Item = Cursor;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Cursor>> {
        self.0.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Int64Array, LargeBinaryArray, record_batch};
    use futures::channel::mpsc;
    use futures::executor::block_on;
    use futures::future;

    use super::*;

    /// The frames of what `emit` emits, and what it says.
    fn emitted(emit: impl AsyncFnOnce(&mut Emitter) -> Result<()>) -> (Vec<Frame>, Result<()>) {
        let (sender, frames) = mpsc::channel(1);
        let emitting = async {
            let mut out = Emitter::new(Outlet::new(sender), Committed::none());
            emit(&mut out).await
        };
        block_on(future::join(frames.collect(), emitting))
    }

    fn numbers(count: i64) -> RecordBatch {
        let numbers = Int64Array::from_iter_values(0..count);
        RecordBatch::try_from_iter([("n", Arc::new(numbers) as _)]).unwrap()
    }

    fn batches(frames: &[Frame]) -> Vec<&Batch> {
        frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Batch(batch) => Some(batch),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_schema_comes_first_and_again_only_when_it_changes() {
        let (frames, outcome) = emitted(async |out| {
            out.batch(numbers(1), 0).await?;
            out.batch(numbers(2), 0).await?;
            out.batch(record_batch!(("m", Int64, [1]))?, 0).await
        });
        outcome.unwrap();
        let schemas = frames.iter().map(|frame| matches!(frame, Frame::Schema(_)));
        assert_eq!(
            schemas.collect::<Vec<_>>(),
            [true, false, false, true, false]
        );
    }

    #[test]
    fn a_large_batch_is_cut_to_about_a_mebibyte_and_its_bytes_are_shared_out() {
        let (frames, outcome) = emitted(async |out| out.batch(numbers(500_000), 1_000_001).await);
        outcome.unwrap();
        let batches = batches(&frames);
        assert_eq!(batches.len(), 4);
        assert!(
            batches
                .iter()
                .all(|batch| batch.payload.len() < TARGET_PAYLOAD * 3 / 2)
        );
        assert_eq!(batches.iter().map(|batch| batch.rows).sum::<u64>(), 500_000);
        assert_eq!(
            batches.iter().map(|batch| batch.source_bytes).sum::<u64>(),
            1_000_001
        );
    }

    #[test]
    fn a_batch_without_rows_tells_its_schema_and_leaves_its_bytes_to_the_next() {
        let (frames, outcome) = emitted(async |out| {
            out.batch(numbers(0), 30).await?;
            out.batch(numbers(1), 12).await
        });
        outcome.unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(batches(&frames)[0].source_bytes, 42);
    }

    #[test]
    fn a_row_above_the_limit_is_an_error_and_the_rows_before_it_are_not_lost() {
        let (frames, outcome) = emitted(async |out| {
            let large = vec![0_u8; MAX_PAYLOAD + 1];
            let rows = LargeBinaryArray::from_iter_values([&b"small"[..], &large]);
            let batch = RecordBatch::try_from_iter([("bytes", Arc::new(rows) as _)])?;
            out.batch(batch, 0).await
        });
        let error = outcome.unwrap_err();
        assert_eq!(error.code, "row-too-large");
        assert_eq!(error.category, crate::Category::Data);
        assert_eq!(batches(&frames).len(), 1);
    }

    #[test]
    fn a_row_of_many_mebibytes_below_the_limit_passes() {
        let (frames, outcome) = emitted(async |out| {
            let large = vec![7_u8; MAX_PAYLOAD - 4096];
            let rows = BinaryArray::from_iter_values([large]);
            out.batch(
                RecordBatch::try_from_iter([("bytes", Arc::new(rows) as _)])?,
                0,
            )
            .await
        });
        outcome.unwrap();
        let payload = batches(&frames)[0].payload.len();
        assert!((MAX_PAYLOAD - 4096..=MAX_PAYLOAD).contains(&payload));
    }

    #[test]
    fn once_the_reader_has_hung_up_every_call_says_stopped() {
        let (sender, frames) = mpsc::channel(1);
        drop(frames);
        let mut out = Emitter::new(Outlet::new(sender), Committed::none());
        for _ in 0..2 {
            assert!(block_on(out.batch(numbers(1), 0)).unwrap_err().is_stopped());
            assert!(block_on(out.checkpoint("1")).unwrap_err().is_stopped());
        }
    }

    #[test]
    fn a_slow_reader_makes_the_emitter_wait() {
        let (sender, mut frames) = mpsc::channel(1);
        let mut out = Emitter::new(Outlet::new(sender), Committed::none());
        let mut emitting = Box::pin(async {
            for n in 0..100 {
                out.checkpoint(n.to_string()).await?;
            }
            Ok::<(), Error>(())
        });
        let mut context = Context::from_waker(std::task::Waker::noop());
        for _ in 0..10 {
            assert!(emitting.as_mut().poll(&mut context).is_pending());
        }
        let mut waiting = 0;
        while frames.try_recv().is_ok() {
            waiting += 1;
        }
        assert!(waiting <= 2, "{waiting} frames lay unread");
    }
}
