//! Conversions of the types that all kinds of connectors share.

use crate::wasm::source::bindings::vesicle::connector::types as wit;
use crate::{
    Batch, Category, Change, CommitRequest, Error, Estimate, Format, Frame, Operation, Opt,
    OptionKind, Reject, Spec, SyncMode, WriteMode,
};

/// The outcome of a task that was dropped before it had one.
pub(super) fn unfinished() -> Result<(), wit::Error> {
    Err(Error::internal("unfinished", "the connector was stopped before it was done").into())
}

/// A frame on its way out of the sandbox.
pub(super) fn frame_out(frame: Frame) -> wit::Frame {
    match frame {
        Frame::Schema(message) => wit::Frame::Schema(message),
        Frame::Batch(batch) => wit::Frame::Batch(batch.into()),
        Frame::Changes(change, batch) => wit::Frame::Changes(wit::Changes {
            operation: change.operation.into(),
            key: change.key,
            unchanged: change.unchanged,
            batch: batch.into(),
        }),
        Frame::Reject(reject) => wit::Frame::Reject(reject.into()),
        Frame::Checkpoint(cursor) => wit::Frame::Checkpoint(cursor),
        Frame::Settle(cursor) => wit::Frame::Settle(cursor),
        Frame::Commit(request) => wit::Frame::Commit(wit::CommitRequest {
            cursor: request.cursor,
            last: request.last,
        }),
    }
}

/// A frame on its way in.
pub(super) fn frame_in(frame: wit::Frame) -> Frame {
    match frame {
        wit::Frame::Schema(message) => Frame::Schema(message),
        wit::Frame::Batch(batch) => Frame::Batch(batch.into()),
        wit::Frame::Changes(changes) => {
            let change = Change {
                operation: changes.operation.into(),
                key: changes.key,
                unchanged: changes.unchanged,
            };
            Frame::Changes(change, changes.batch.into())
        }
        wit::Frame::Reject(reject) => Frame::Reject(Reject {
            row: reject.row,
            reason: reject.reason.into(),
        }),
        wit::Frame::Checkpoint(cursor) => Frame::Checkpoint(cursor),
        wit::Frame::Settle(cursor) => Frame::Settle(cursor),
        wit::Frame::Commit(request) => Frame::Commit(CommitRequest {
            cursor: request.cursor,
            last: request.last,
        }),
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        let millis = |after: std::time::Duration| u64::try_from(after.as_millis());
        Self {
            category: error.category.into(),
            code: error.code,
            message: error.message,
            retryable: error.retryable,
            retry_after: error
                .retry_after
                .map(|after| millis(after).unwrap_or(u64::MAX)),
        }
    }
}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        Self {
            category: error.category.into(),
            code: error.code,
            message: error.message,
            retryable: error.retryable,
            retry_after: error.retry_after.map(std::time::Duration::from_millis),
        }
    }
}

impl From<Reject> for wit::Reject {
    fn from(reject: Reject) -> Self {
        Self {
            row: reject.row,
            reason: reject.reason.into(),
        }
    }
}

impl From<Batch> for wit::Batch {
    fn from(batch: Batch) -> Self {
        Self {
            format: batch.format.into(),
            rows: batch.rows,
            source_bytes: batch.source_bytes,
            payload: batch.payload,
        }
    }
}

impl From<wit::Batch> for Batch {
    fn from(batch: wit::Batch) -> Self {
        Self {
            format: batch.format.into(),
            rows: batch.rows,
            source_bytes: batch.source_bytes,
            payload: batch.payload,
        }
    }
}

impl From<Estimate> for wit::Estimate {
    fn from(estimate: Estimate) -> Self {
        Self {
            rows: estimate.rows,
            bytes: estimate.bytes,
        }
    }
}

impl From<wit::Estimate> for Estimate {
    fn from(estimate: wit::Estimate) -> Self {
        Self {
            rows: estimate.rows,
            bytes: estimate.bytes,
        }
    }
}

impl From<Spec> for wit::Spec {
    fn from(spec: Spec) -> Self {
        Self {
            name: spec.name,
            version: spec.version,
            doc: spec.doc,
            options: spec.options.into_iter().map(Into::into).collect(),
            sync_modes: spec.sync_modes.into_iter().map(Into::into).collect(),
            write_modes: spec.write_modes.into_iter().map(Into::into).collect(),
            emits: spec.emits.into_iter().map(Into::into).collect(),
            takes: spec.takes.into_iter().map(Into::into).collect(),
            evolves: spec.evolves,
        }
    }
}

impl From<Opt> for wit::ConfigOption {
    fn from(option: Opt) -> Self {
        Self {
            name: option.name,
            kind: option.kind.into(),
            required: option.required,
            default: option.default.map(|value| value.to_string()),
            secret: option.secret,
            identity: option.identity,
            doc: option.doc,
        }
    }
}

impl From<OptionKind> for wit::OptionKind {
    fn from(kind: OptionKind) -> Self {
        match kind {
            OptionKind::Text => Self::Text,
            OptionKind::Integer => Self::Integer,
            OptionKind::Number => Self::Number,
            OptionKind::Boolean => Self::Boolean,
            OptionKind::Choice(words) => Self::Choice(words),
            OptionKind::Texts => Self::Texts,
            OptionKind::Mapping => Self::Mapping,
            OptionKind::Files => Self::Files,
            OptionKind::Directory => Self::Directory,
        }
    }
}

/// Conversions, both ways, of enums whose cases have the same names.
macro_rules! same_cases {
    ($ours:ident = $wit:ident { $($case:ident),* $(,)? }) => {
        impl From<$ours> for wit::$wit {
            fn from(value: $ours) -> Self {
                match value { $($ours::$case => Self::$case,)* }
            }
        }

        impl From<wit::$wit> for $ours {
            fn from(value: wit::$wit) -> Self {
                match value { $(wit::$wit::$case => Self::$case,)* }
            }
        }
    };
}

same_cases!(
    SyncMode = SyncMode {
        FullRefresh,
        Incremental,
        Cdc
    }
);
same_cases!(
    WriteMode = WriteMode {
        Append,
        Replace,
        Upsert
    }
);
same_cases!(
    Format = Format {
        ArrowIpc,
        PostgresCopy
    }
);
same_cases!(
    Operation = Operation {
        Insert,
        Update,
        Delete,
        Truncate,
        Rekey
    }
);
same_cases!(
    Category = ErrorCategory {
        Configuration,
        Authentication,
        Permission,
        NotFound,
        Unavailable,
        Timeout,
        Throttled,
        Data,
        Schema,
        Conflict,
        Unsupported,
        Exhausted,
        Internal,
    }
);
