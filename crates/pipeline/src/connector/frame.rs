//! Frames and events, as the queues between stages see them.

use vesicle_flow::{Pass, Weigh};

use super::bindings::Event;
use super::bindings::types::{Batch, Frame, Reject};

/// How many bytes the payload of a batch may have.
const MAX_PAYLOAD: usize = 64 << 20;
/// How many bytes a schema message may have.
const MAX_SCHEMA: usize = 16 << 20;
/// How many bytes a cursor may have. It is kept in the state, and shown.
const MAX_CURSOR: usize = 1 << 20;

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
        Frame::Schema(_) | Frame::Reject(_) | Frame::Checkpoint(_) | Frame::Commit(_) => None,
    }
}

/// Takes a frame that a guest wrote, unless it is larger than the contract
/// allows.
pub fn within_limits(frame: Frame) -> Pass<Frame> {
    let too_large = |what: &str, bytes: usize, limit: usize| {
        Pass::Refused(format!(
            "it emitted {what} of {bytes} bytes; {limit} are allowed"
        ))
    };
    match &frame {
        Frame::Checkpoint(cursor) if cursor.len() > MAX_CURSOR => {
            return too_large("a cursor", cursor.len(), MAX_CURSOR);
        }
        Frame::Schema(schema) if schema.len() > MAX_SCHEMA => {
            return too_large("a schema", schema.len(), MAX_SCHEMA);
        }
        _ => {}
    }
    match batch(&frame) {
        Some(batch) if batch.payload.len() > MAX_PAYLOAD => {
            too_large("a payload", batch.payload.len(), MAX_PAYLOAD)
        }
        _ => Pass::On(frame),
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
                Self::Checkpoint(cursor) => cursor.len(),
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
            Self::Reject(reject) => reject_weight(reject),
        }
    }
}
