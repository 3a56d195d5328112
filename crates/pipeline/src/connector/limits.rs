//! How large what a guest hands over may be, as the contract in
//! `wit/vesicle-connector` says.

use std::collections::HashSet;

use vesicle_flow::Pass;

use super::Failure;
use super::bindings::ReadPlan;
use super::bindings::types::{Format, Frame};
use super::frame::batch;

/// How many bytes the payload of a batch may have.
const MAX_PAYLOAD: usize = 64 << 20;
/// How many bytes a schema message may have.
const MAX_SCHEMA: usize = 16 << 20;
/// How many bytes a cursor may have. It is kept in the state, and shown.
const MAX_CURSOR: usize = 1 << 20;
/// How many partitions a plan may have. Each has a place in the state, and one
/// in the load.
const MAX_PARTITIONS: usize = 10_000;
/// How many bytes the name of a partition may have. It is shown.
const MAX_PARTITION_ID: usize = 1 << 10;

/// Takes a frame that a guest wrote, unless it is larger than the contract
/// allows.
pub fn within_limits(frame: Frame) -> Pass<Frame> {
    let too_large = |what: &str, bytes: usize, limit: usize| {
        Pass::Refused(format!(
            "it emitted {what} of {bytes} bytes; {limit} are allowed"
        ))
    };
    match &frame {
        Frame::Checkpoint(cursor) | Frame::Settle(cursor) if cursor.len() > MAX_CURSOR => {
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

/// Takes a plan that a guest made, unless it is larger than the contract
/// allows, names a partition twice, which would share a cursor, or is in a
/// format that nobody accepts.
pub fn sound_plan(plan: ReadPlan, accepts: &[Format]) -> Result<ReadPlan, Failure> {
    let refused = |message: String| Err(Failure::Crashed { message });
    if !accepts.contains(&plan.format) {
        return refused(format!(
            "it plans to emit {:?}, which nobody accepts",
            plan.format
        ));
    }
    let count = plan.partitions.len();
    if count > MAX_PARTITIONS {
        return refused(format!(
            "it planned {count} partitions; {MAX_PARTITIONS} are allowed"
        ));
    }
    if plan.schema.len() > MAX_SCHEMA {
        let bytes = plan.schema.len();
        return refused(format!(
            "it planned a schema of {bytes} bytes; {MAX_SCHEMA} are allowed"
        ));
    }
    let mut names = HashSet::with_capacity(count);
    for partition in &plan.partitions {
        let bytes = partition.id.len();
        if bytes > MAX_PARTITION_ID {
            return refused(format!(
                "it planned a partition with a name of {bytes} bytes; {MAX_PARTITION_ID} are allowed"
            ));
        }
        if !names.insert(&partition.id) {
            return refused(format!(
                "it planned two partitions with the name {:?}; each needs its own",
                partition.id
            ));
        }
    }
    Ok(plan)
}
