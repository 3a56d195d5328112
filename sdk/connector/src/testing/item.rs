//! Frames with their rows decoded.

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use std::sync::Arc;

use crate::drive::Unpacker;
use crate::emitter::Emitter;
use crate::error::Result;
use crate::frame::{Batch, Change, CommitRequest, Cursor, Frame, Reject};
use crate::spec::Format;

/// A frame with its rows decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// The shape of what follows.
    Schema(SchemaRef),
    /// Rows, and the bytes of the source that were consumed for them.
    Batch(RecordBatch, u64),
    /// Changed rows.
    Changes(Change, RecordBatch),
    /// Rows in another format than Arrow's.
    Encoded(Batch),
    /// A row that cannot be passed on.
    Reject(Reject),
    /// All before is covered by this cursor.
    Checkpoint(Cursor),
    /// The same, and the source waits for it to become durable.
    Settle(Cursor),
    /// All before is to be made durable.
    Commit(CommitRequest),
}

impl From<RecordBatch> for Item {
    fn from(batch: RecordBatch) -> Self {
        Self::Batch(batch, 0)
    }
}

impl Item {
    /// A commit request that is not the last.
    pub fn commit(cursor: impl Into<Cursor>) -> Self {
        Self::Commit(CommitRequest {
            cursor: cursor.into(),
            last: false,
        })
    }

    /// The last commit request of a partition.
    pub fn last(cursor: impl Into<Cursor>) -> Self {
        Self::Commit(CommitRequest {
            cursor: cursor.into(),
            last: true,
        })
    }

    pub(super) async fn emit(self, out: &mut Emitter) -> Result<()> {
        match self {
            Self::Schema(schema) => out.schema(&schema).await,
            Self::Batch(batch, source_bytes) => out.batch(batch, source_bytes).await,
            Self::Changes(change, batch) => out.changes(change, batch, 0).await,
            Self::Encoded(batch) => out.forward(Frame::Batch(batch)).await,
            Self::Reject(reject) => out.forward(Frame::Reject(reject)).await,
            Self::Checkpoint(cursor) => out.checkpoint(cursor).await,
            Self::Settle(cursor) => out.settle(cursor).await,
            Self::Commit(request) => out.forward(Frame::Commit(request)).await,
        }
    }
}

/// What came out of a connector.
#[derive(Clone, Debug)]
pub struct Output {
    /// Everything, in order.
    pub items: Vec<Item>,
    /// How it ended.
    pub outcome: Result<()>,
}

impl Default for Output {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<Item>> for Output {
    fn from(items: Vec<Item>) -> Self {
        Self {
            items,
            outcome: Ok(()),
        }
    }
}

impl Output {
    pub(super) fn decode(frames: Vec<Frame>, outcome: Result<()>) -> Result<Self> {
        let mut unpacker = Unpacker::default();
        let mut decode = |frame| -> Result<Item> {
            Ok(match frame {
                Frame::Schema(message) => Item::Schema(unpacker.schema(message)?),
                Frame::Batch(batch) if batch.format != Format::ArrowIpc => Item::Encoded(batch),
                Frame::Batch(batch) => {
                    let source_bytes = batch.source_bytes;
                    Item::Batch(unpacker.batch(batch)?, source_bytes)
                }
                Frame::Changes(change, batch) => Item::Changes(change, unpacker.batch(batch)?),
                Frame::Reject(reject) => Item::Reject(reject),
                Frame::Checkpoint(cursor) => Item::Checkpoint(cursor),
                Frame::Settle(cursor) => Item::Settle(cursor),
                Frame::Commit(request) => Item::Commit(request),
            })
        };
        let items = frames.into_iter().map(&mut decode).collect::<Result<_>>()?;
        Ok(Self { items, outcome })
    }

    /// The record batches.
    pub fn batches(&self) -> Vec<&RecordBatch> {
        self.items
            .iter()
            .filter_map(|item| match item {
                Item::Batch(batch, _) => Some(batch),
                _ => None,
            })
            .collect()
    }

    /// How many rows the batches have.
    pub fn rows(&self) -> usize {
        self.batches().iter().map(|batch| batch.num_rows()).sum()
    }

    /// The rows of all batches as one; without any rows, an empty batch
    /// without columns.
    ///
    /// # Errors
    ///
    /// `data` if the batches have not all the same columns.
    pub fn concat(&self) -> Result<RecordBatch> {
        let batches = self.batches();
        match batches.first() {
            Some(first) => {
                let schema = first.schema();
                Ok(arrow_select::concat::concat_batches(&schema, batches)?)
            }
            None => Ok(RecordBatch::new_empty(Arc::new(Schema::empty()))),
        }
    }

    /// The schema of the first schema frame.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.items.iter().find_map(|item| match item {
            Item::Schema(schema) => Some(schema),
            _ => None,
        })
    }

    /// The cursors of the checkpoints.
    pub fn checkpoints(&self) -> Vec<&str> {
        self.items
            .iter()
            .filter_map(|item| match item {
                Item::Checkpoint(cursor) | Item::Settle(cursor) => Some(cursor.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The rows that could not be passed on.
    pub fn rejects(&self) -> Vec<&Reject> {
        self.items
            .iter()
            .filter_map(|item| match item {
                Item::Reject(reject) => Some(reject),
                _ => None,
            })
            .collect()
    }
}
