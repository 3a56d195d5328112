//! A source. This one counts; make it read what you have.
//!
//! Natively it is a library that the tests below run; for `wasm32-wasip2` it
//! is a component that Vesicle runs in a sandbox.

use std::sync::Arc;

use vesicle_connector::arrow_array::{Int64Array, RecordBatch};
use vesicle_connector::arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{
    Config, Cursor, Emitter, Error, Estimate, Opt, Partition, Plan, Result, Source, Spec,
    StreamInfo, StreamRequest, SyncMode,
};

/// The only stream.
const STREAM: &str = "numbers";
/// The only partition. A large table would be cut into several, which are
/// read at the same time.
const PARTITION: &str = "all";
/// How many rows make a batch. A batch of a few hundred KiB is a good size.
const BATCH: u64 = 100;

/// Counts from 1. A value is opened for each call; nothing else is kept.
pub struct Numbers {
    count: u64,
}

impl Source for Numbers {
    /// What it is and which keys `config` may have. The host checks the
    /// user's document against it.
    fn spec() -> Spec {
        Spec::new("{{name}}", env!("CARGO_PKG_VERSION"), "Counts")
            .option(
                Opt::integer("count")
                    .default(1000)
                    .doc("How many numbers there are"),
            )
            .sync_modes(&[SyncMode::FullRefresh])
    }

    /// Reads the options, opens nothing.
    fn open(config: Config) -> Result<Self> {
        let count = config.required("count")?;
        Ok(Self { count })
    }

    /// The streams that `vesicle discover` prints and `streams: "*"` means.
    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        Ok(vec![StreamInfo {
            name: STREAM.to_owned(),
            schema: schema(),
            key: vec!["n".to_owned()],
            sync_modes: vec![SyncMode::FullRefresh],
            estimate: self.estimate(),
        }])
    }

    /// Lays a stream out in partitions, each with a cursor of its own.
    async fn plan(&self, request: &StreamRequest) -> Result<Plan> {
        if request.name != STREAM {
            let message = format!("there is no stream {:?}, only {STREAM:?}", request.name);
            return Err(Error::not_found("no-such-stream", message));
        }
        let mut partition = Partition::new(PARTITION, "");
        partition.estimate = self.estimate();
        // The snapshot names the state of the data. An interrupted run is gone
        // on with only as long as it stays the same: for a file, take its size
        // and time of change; for a log, its position.
        let snapshot = format!("{STREAM}-{}", self.count);
        Ok(Plan::new(schema(), vec![partition]).with_snapshot(snapshot))
    }

    /// Emits the rows after the cursor, a batch and a checkpoint at a time.
    async fn read(
        &self,
        _request: &StreamRequest,
        _partition: &Partition,
        cursor: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()> {
        // Told first, so that a stream without rows has columns too.
        out.schema(&schema()).await?;
        let mut done = cursor.as_deref().map_or(Ok(0), parse_cursor)?;
        while done < self.count {
            let next = (done + BATCH).min(self.count);
            let batch = numbers(done + 1, next)?;
            // The second argument drives the progress that people see.
            out.batch(batch, 8 * (next - done)).await?;
            done = next;
            // "All I have emitted is covered by this cursor." It says where
            // reading goes on, so that `read` from it gives exactly the rows
            // that are missing. Cheap: the host commits at some of them.
            out.checkpoint(done.to_string()).await?;
        }
        Ok(())
    }
}

impl Numbers {
    fn estimate(&self) -> Estimate {
        Estimate {
            rows: Some(self.count),
            bytes: Some(8 * self.count),
        }
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("square", DataType::Int64, false),
    ]))
}

/// The rows from `first` to `last`.
fn numbers(first: u64, last: u64) -> Result<RecordBatch> {
    let n = || (first..=last).map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let square = n().map(|n| n.saturating_mul(n));
    let columns = vec![
        Arc::new(Int64Array::from_iter_values(n())) as _,
        Arc::new(Int64Array::from_iter_values(square)) as _,
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// Cursors are text that only their source understands.
fn parse_cursor(cursor: &str) -> Result<u64> {
    cursor.parse().map_err(|_| {
        let message = format!("the cursor {cursor:?} is not one of this source");
        Error::internal("bad-cursor", message)
    })
}

vesicle_connector::export_source!(Numbers);

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vesicle_connector::testing::{assert_resumable, block_on, open_source, read, resume};

    use super::*;

    #[test]
    fn every_number_comes_once_and_the_last_is_covered() {
        let output = block_on(read::<Numbers>(json!({ "count": 250 }), STREAM)).unwrap();
        output.outcome.clone().unwrap();
        assert_eq!(output.concat().unwrap(), numbers(1, 250).unwrap());
        assert_eq!(output.checkpoints(), ["100", "200", "250"]);
    }

    #[test]
    fn reading_goes_on_after_the_cursor() {
        let config = json!({ "count": 250 });
        let output = block_on(resume::<Numbers>(config, STREAM, PARTITION, "200")).unwrap();
        assert_eq!(output.concat().unwrap(), numbers(201, 250).unwrap());
    }

    /// What exactly once rests on: any checkpoint is as good as another.
    #[test]
    fn it_can_be_resumed_from_every_checkpoint() {
        block_on(assert_resumable::<Numbers>(json!({ "count": 250 }), STREAM)).unwrap();
    }

    #[test]
    fn a_stream_that_is_not_there_is_refused_by_name() {
        let error = block_on(read::<Numbers>(json!({}), "letters")).unwrap_err();
        assert_eq!(
            error.message,
            r#"there is no stream "letters", only "numbers""#
        );
    }

    #[test]
    fn a_count_that_is_no_number_is_told_with_its_key() {
        let error = open_source::<Numbers>(json!({ "count": "many" }))
            .err()
            .unwrap();
        assert!(error.message.contains(r#""count""#), "{}", error.message);
    }
}
