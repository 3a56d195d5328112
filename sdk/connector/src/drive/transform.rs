//! Takes the frames of a stream through a transform.
//!
//! Invariants: whatever a commit request or checkpoint covers leaves before
//! it; rejects and requests keep their place; the bytes that the input
//! consumed are passed on with what comes of it.

use arrow_array::RecordBatch;
use futures::{Stream, StreamExt};

use crate::drive::Unpacker;
use crate::emitter::Emitter;
use crate::error::{Error, Result};
use crate::frame::{Batch, Frame};
use crate::spec::Format;
use crate::transform::Transform;

pub(crate) async fn transform<T: Transform>(
    mut transform: T,
    stream: String,
    mut frames: impl Stream<Item = Frame> + Unpin,
    mut out: Emitter,
) -> Result<()> {
    let mut unpacker = Unpacker::default();
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Schema(message) => {
                transform.flush(&mut out).await?;
                let schema = unpacker.schema(message)?;
                out.schema(&transform.plan(&stream, &schema)?).await?;
            }
            Frame::Batch(batch) => {
                let batch = unpack::<T>(&mut unpacker, batch, &mut out)?;
                transform.batch(batch, &mut out).await?;
            }
            Frame::Changes(change, batch) => {
                let batch = unpack::<T>(&mut unpacker, batch, &mut out)?;
                transform.changes(change, batch, &mut out).await?;
            }
            frame @ (Frame::Checkpoint(_) | Frame::Settle(_) | Frame::Commit(_)) => {
                transform.flush(&mut out).await?;
                out.forward(frame).await?;
            }
            frame @ Frame::Reject(_) => out.forward(frame).await?,
        }
    }
    transform.flush(&mut out).await
}

fn unpack<T: Transform>(
    unpacker: &mut Unpacker,
    batch: Batch,
    out: &mut Emitter,
) -> Result<RecordBatch> {
    if batch.format != Format::ArrowIpc {
        let message = format!("{} does not take {:?}", T::spec().name, batch.format);
        return Err(Error::unsupported("format-unsupported", message));
    }
    out.consumed(batch.source_bytes);
    unpacker.batch(batch)
}

#[cfg(test)]
mod tests {
    use arrow_array::record_batch;
    use arrow_schema::{Schema, SchemaRef};
    use serde_json::json;

    use super::*;
    use crate::testing::{Item, block_on, transform};
    use crate::{Change, Config, Operation, Reject, Spec};

    /// Keeps every batch back until it is flushed.
    #[derive(Default)]
    struct Keeping(Vec<RecordBatch>);

    impl Transform for Keeping {
        fn spec() -> Spec {
            Spec::new("transform-keeping", "0", "")
        }

        fn open(_: Config) -> Result<Self> {
            Ok(Self::default())
        }

        fn plan(&self, stream: &str, schema: &Schema) -> Result<SchemaRef> {
            if schema.fields().is_empty() {
                return Err(Error::schema(
                    "no-columns",
                    format!("{stream} has no columns"),
                ));
            }
            Ok(schema.clone().into())
        }

        async fn batch(&mut self, batch: RecordBatch, _: &mut Emitter) -> Result<()> {
            self.0.push(batch);
            Ok(())
        }

        async fn flush(&mut self, out: &mut Emitter) -> Result<()> {
            for batch in self.0.drain(..) {
                out.batch(batch, 0).await?;
            }
            Ok(())
        }
    }

    fn rows() -> RecordBatch {
        record_batch!(("n", Int64, [1, 2])).unwrap()
    }

    fn kept(items: Vec<Item>) -> crate::testing::Output {
        block_on(transform::<Keeping>(json!({}), "s", items)).unwrap()
    }

    #[test]
    fn whatever_a_commit_request_covers_leaves_before_it() {
        let output = kept(vec![
            rows().into(),
            Item::commit("1"),
            rows().into(),
            Item::last("2"),
        ]);
        output.outcome.unwrap();
        let schema = Item::Schema(rows().schema());
        let (batch, commit, last) = (rows().into(), Item::commit("1"), Item::last("2"));
        assert_eq!(
            output.items,
            [schema, Item::from(rows()), commit, batch, last]
        );
    }

    #[test]
    fn what_is_kept_at_the_end_and_before_a_new_schema_is_not_lost() {
        let other = record_batch!(("m", Int64, [3])).unwrap();
        let output = kept(vec![rows().into(), other.clone().into()]);
        assert_eq!(output.batches(), [&rows(), &other]);
    }

    #[test]
    fn the_bytes_that_the_input_consumed_are_passed_on() {
        let output = kept(vec![
            Item::Batch(rows(), 40),
            Item::Batch(rows(), 2),
            Item::last(""),
        ]);
        let bytes = |item: &Item| {
            if let Item::Batch(_, bytes) = item {
                *bytes
            } else {
                0
            }
        };
        assert_eq!(output.items.iter().map(bytes).sum::<u64>(), 42);
    }

    #[test]
    fn rejects_pass_and_changes_are_refused_unless_the_transform_takes_them() {
        let reject = Reject {
            row: "{}".into(),
            reason: Error::data("bad", "bad"),
        };
        let change = Change {
            operation: Operation::Delete,
            key: vec!["n".into()],
            unchanged: Vec::new(),
        };
        let output = kept(vec![
            Item::Reject(reject.clone()),
            Item::Changes(change, rows()),
        ]);
        assert_eq!(output.rejects(), [&reject]);
        assert_eq!(output.outcome.unwrap_err().code, "changes-unsupported");
    }

    #[test]
    fn a_schema_that_the_transform_refuses_ends_it_with_the_stream_s_name() {
        let output = kept(vec![Item::Schema(Schema::empty().into())]);
        assert_eq!(output.outcome.unwrap_err().message, "s has no columns");
    }
}
