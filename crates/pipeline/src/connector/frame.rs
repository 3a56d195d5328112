//! Frames and events, as the queues between stages see them.

use vesicle_flow::Weigh;

use super::bindings::Event;
use super::bindings::types::{Batch, Frame, Reject};

/// What an item costs beside its payload.
const OVERHEAD: usize = 64;

fn reject_weight(reject: &Reject) -> usize {
    reject.row.len() + reject.reason.message.len() + OVERHEAD
}

/// The batch in a frame, where there is one.
#[must_use]
pub fn batch(frame: &Frame) -> Option<&Batch> {
    match frame {
        Frame::Batch(batch) => Some(batch),
        Frame::Changes(changes) => Some(&changes.batch),
        Frame::Schema(_)
        | Frame::Reject(_)
        | Frame::Checkpoint(_)
        | Frame::Settle(_)
        | Frame::Commit(_) => None,
    }
}

impl Weigh for Frame {
    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Schema(schema) => schema.len(),
                Self::Batch(batch) => batch.payload.len(),
                Self::Changes(changes) => changes.batch.payload.len(),
                Self::Reject(reject) => reject_weight(reject),
                Self::Checkpoint(cursor) | Self::Settle(cursor) => cursor.len(),
                Self::Commit(request) => request.cursor.len(),
            }
    }

    fn batch(&self) -> Option<(u64, u64)> {
        batch(self).map(|batch| (batch.rows, batch.payload.len() as u64))
    }
}

impl Weigh for Event {
    fn weight(&self) -> usize {
        match self {
            Self::Committed(receipt) => receipt.cursor.len() + OVERHEAD,
            Self::Rejects(rejects) => rejects.iter().map(reject_weight).sum(),
        }
    }
}
