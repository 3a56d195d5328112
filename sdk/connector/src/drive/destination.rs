//! Writes the frames of one partition.
//!
//! Invariants: each commit request is answered by one receipt, in order; the
//! host has its rejects before the commit is made; a receipt repeats the
//! request's cursor.

use futures::{Stream, StreamExt};

use crate::destination::{Event, Writer};
use crate::drive::Unpacker;
use crate::error::{Error, Result};
use crate::frame::{CommitRequest, Frame};
use crate::outlet::Outlet;
use crate::spec::Format;

pub(crate) async fn write<W: Writer>(
    mut writer: W,
    mut frames: impl Stream<Item = Frame> + Unpin,
    mut events: Outlet<Event>,
) -> Result<()> {
    let mut unpacker = Unpacker::default();
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Schema(message) => {
                let schema = unpacker.schema(message)?;
                writer.schema(schema).await?;
            }
            Frame::Batch(batch) if batch.format == Format::ArrowIpc => {
                writer.batch(unpacker.batch(batch)?).await?;
            }
            Frame::Batch(batch) => writer.encoded(batch).await?,
            Frame::Changes(change, batch) => {
                writer.changes(change, unpacker.batch(batch)?).await?;
            }
            Frame::Reject(reject) => events.send(Event::Rejects(vec![reject])).await?,
            // What it covers becomes durable with the commit request to come.
            Frame::Checkpoint(_) | Frame::Settle(_) => {}
            Frame::Commit(request) => {
                commit(&mut writer, &request, &mut events).await?;
                continue;
            }
        }
        report(&mut writer, &mut events).await?;
    }
    Ok(())
}

async fn commit<W: Writer>(
    writer: &mut W,
    request: &CommitRequest,
    events: &mut Outlet<Event>,
) -> Result<()> {
    writer.prepare().await?;
    report(writer, events).await?;
    let receipt = writer.commit(request).await?;
    if receipt.cursor != request.cursor || receipt.last != request.last {
        let message = format!(
            "asked to commit {:?}, the destination has committed {:?}",
            request.cursor, receipt.cursor
        );
        return Err(Error::internal("wrong-receipt", message));
    }
    if !writer.rejects().is_empty() {
        let message = "the destination has refused rows when they were committed already";
        return Err(Error::internal("late-rejects", message));
    }
    events.send(Event::Committed(receipt)).await
}

/// Tells of the rows that could not be written.
async fn report<W: Writer>(writer: &mut W, events: &mut Outlet<Event>) -> Result<()> {
    match writer.rejects() {
        none if none.is_empty() => Ok(()),
        rejects => events.send(Event::Rejects(rejects)).await,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use arrow_array::{RecordBatch, record_batch};
    use futures::executor::block_on;
    use futures::stream;

    use super::*;
    use crate::ipc::Encoder;
    use crate::{Batch, Receipt, Reject, native};

    /// Counts rows; finds fault with every second batch.
    #[derive(Default)]
    struct Counting {
        rows: u64,
        batches: u64,
        rejects: Vec<Reject>,
        fails: bool,
        wrong: bool,
        log: Rc<RefCell<Vec<String>>>,
    }

    impl Writer for Counting {
        async fn schema(&mut self, schema: arrow_schema::SchemaRef) -> Result<()> {
            self.log
                .borrow_mut()
                .push(format!("schema of {}", schema.fields().len()));
            Ok(())
        }

        async fn batch(&mut self, batch: RecordBatch) -> Result<()> {
            self.batches += 1;
            if self.batches.is_multiple_of(2) {
                self.rejects.push(reject("second"));
            } else {
                self.rows += batch.num_rows() as u64;
            }
            Ok(())
        }

        async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt> {
            if self.fails {
                return Err(Error::exhausted("disk-full", "no space left"));
            }
            let rows = std::mem::take(&mut self.rows);
            let mut receipt = Receipt::of(request, rows, 8 * rows);
            receipt.last ^= self.wrong;
            Ok(receipt)
        }

        fn rejects(&mut self) -> Vec<Reject> {
            std::mem::take(&mut self.rejects)
        }
    }

    fn reject(row: &str) -> Reject {
        Reject {
            row: row.to_owned(),
            reason: Error::data("bad", "bad"),
        }
    }

    fn commit(cursor: &str, last: bool) -> Frame {
        Frame::Commit(CommitRequest {
            cursor: cursor.to_owned(),
            last,
        })
    }

    /// A schema and two batches of two rows.
    fn rows() -> Vec<Frame> {
        let rows = record_batch!(("n", Int64, [1, 2])).unwrap();
        let (mut encoder, message) = Encoder::new(rows.schema_ref()).unwrap();
        let mut batch = || {
            let payload = encoder.encode(&rows, 16).unwrap();
            Frame::Batch(Batch {
                format: Format::ArrowIpc,
                rows: 2,
                source_bytes: 0,
                payload,
            })
        };
        vec![Frame::Schema(message), batch(), batch()]
    }

    fn written(writer: Counting, frames: Vec<Frame>) -> (Vec<Event>, Result<()>) {
        let (events, outcome) = native::write(writer, stream::iter(frames), 1);
        block_on(futures::future::join(events.collect(), outcome))
    }

    #[test]
    fn each_commit_request_is_answered_once_after_the_rejects_it_covers() {
        let mut frames = rows();
        frames.extend([
            Frame::Checkpoint("0".into()),
            commit("1", false),
            commit("2", true),
        ]);
        let (events, outcome) = written(Counting::default(), frames);
        outcome.unwrap();
        let receipt = |cursor: &str, last, rows| {
            Event::Committed(Receipt {
                cursor: cursor.into(),
                last,
                rows,
                bytes: 8 * rows,
            })
        };
        let second = Event::Rejects(vec![reject("second")]);
        assert_eq!(
            events,
            [second, receipt("1", false, 2), receipt("2", true, 0)]
        );
    }

    #[test]
    fn rejects_that_reach_the_destination_come_back_as_events() {
        let (events, _) = written(Counting::default(), vec![Frame::Reject(reject("upstream"))]);
        assert_eq!(events, [Event::Rejects(vec![reject("upstream")])]);
    }

    #[test]
    fn the_writer_learns_each_schema_before_its_batches() {
        let writer = Counting::default();
        let log = writer.log.clone();
        written(writer, rows()).1.unwrap();
        assert_eq!(*log.borrow(), ["schema of 1"]);
    }

    #[test]
    fn a_commit_that_fails_ends_the_events_without_a_receipt() {
        let mut frames = rows();
        frames.push(commit("1", true));
        let (events, outcome) = written(
            Counting {
                fails: true,
                ..Default::default()
            },
            frames,
        );
        let receipt = |event: &Event| matches!(event, Event::Committed(_));
        assert!(!events.iter().any(receipt));
        assert_eq!(outcome.unwrap_err().code, "disk-full");
    }

    #[test]
    fn a_receipt_for_something_else_never_leaves() {
        let wrong = Counting {
            wrong: true,
            ..Default::default()
        };
        let (events, outcome) = written(wrong, vec![commit("1", true)]);
        assert_eq!(events, []);
        assert_eq!(outcome.unwrap_err().code, "wrong-receipt");
    }

    #[test]
    fn a_batch_before_its_schema_and_one_with_a_wrong_count_are_errors() {
        let mut frames = rows();
        frames.remove(0);
        assert_eq!(
            written(Counting::default(), frames).1.unwrap_err().code,
            "no-schema"
        );
        let mut frames = rows();
        if let Frame::Batch(batch) = &mut frames[1] {
            batch.rows = 3;
        }
        let error = written(Counting::default(), frames).1.unwrap_err();
        assert_eq!(error.code, "wrong-row-count");
    }

    #[test]
    fn another_format_than_arrow_s_is_refused_unless_the_writer_takes_it() {
        let format = Format::PostgresCopy;
        let batch = Batch {
            format,
            rows: 0,
            source_bytes: 0,
            payload: Vec::new(),
        };
        let (_, outcome) = written(Counting::default(), vec![Frame::Batch(batch)]);
        assert_eq!(outcome.unwrap_err().code, "format-unsupported");
    }
}
