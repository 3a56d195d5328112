//! A source of the numbers 0 to 99 that fails with a typed error after each
//! `fail_after` rows of an attempt, `failures` times in all.
//!
//! It counts its attempts in a file of its `folder`, since an instance lives
//! for one attempt.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vesicle_connector::arrow_array::{Int64Array, RecordBatch};
use vesicle_connector::arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{
    Config, Cursor, Emitter, Error, Opt, Partition, Plan, Result, Source, Spec, StreamInfo,
    StreamRequest, SyncMode,
};

/// How many rows there are.
const ROWS: i64 = 100;
/// How many rows a batch has; a checkpoint follows each.
const BATCH: i64 = 10;

/// Fails now and then.
pub struct Flaky {
    folder: PathBuf,
    fail_after: i64,
    failures: u64,
    retryable: bool,
    wait_ms: u64,
}

fn schema() -> SchemaRef {
    let field = Field::new("n", DataType::Int64, false);
    Arc::new(Schema::new(vec![field]))
}

impl Flaky {
    /// Whether this attempt is one that fails; counts it.
    fn fails(&self) -> Result<bool> {
        let file = self.folder.join("attempts");
        let before: u64 = match fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().unwrap_or(0),
            Err(_) => 0,
        };
        fs::write(&file, (before + 1).to_string())?;
        Ok(before < self.failures)
    }

    fn failure(&self) -> Error {
        let mut error = Error::unavailable("flaky", "the server went away");
        error.retryable = self.retryable;
        error.retry_after = Some(Duration::from_millis(self.wait_ms));
        error
    }
}

impl Source for Flaky {
    fn spec() -> Spec {
        Spec::new("flaky-source", "0.1.0", "Fails now and then")
            .option(
                Opt::directory("folder")
                    .required()
                    .doc("Where attempts are counted"),
            )
            .option(
                Opt::integer("fail_after")
                    .required()
                    .doc("Rows before it fails"),
            )
            .option(
                Opt::integer("failures")
                    .required()
                    .doc("How often it fails"),
            )
            .option(
                Opt::boolean("retryable")
                    .required()
                    .doc("What it says of its failures"),
            )
            .option(
                Opt::integer("wait_ms")
                    .required()
                    .doc("How long it asks to wait"),
            )
            .sync_modes(&[SyncMode::FullRefresh])
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            folder: config.required("folder")?,
            fail_after: config.required("fail_after")?,
            failures: config.required("failures")?,
            retryable: config.required("retryable")?,
            wait_ms: config.required("wait_ms")?,
        })
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        Ok(Vec::new())
    }

    async fn plan(&self, _: &StreamRequest) -> Result<Plan> {
        let plan = Plan::new(schema(), vec![Partition::new("all", "")]);
        Ok(plan.with_snapshot("the numbers"))
    }

    async fn read(
        &self,
        _: &StreamRequest,
        _: &Partition,
        cursor: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()> {
        let start: i64 = cursor
            .as_deref()
            .map_or(Ok(0), str::parse)
            .map_err(|_| Error::internal("bad-cursor", "the cursor is no number"))?;
        let fails = self.fails()?;
        for first in (start..ROWS).step_by(10) {
            if fails && first - start >= self.fail_after {
                return Err(self.failure());
            }
            let numbers = Int64Array::from_iter_values(first..first + BATCH);
            let batch = RecordBatch::try_new(schema(), vec![Arc::new(numbers)])?;
            out.batch(batch, 80).await?;
            out.checkpoint((first + BATCH).to_string()).await?;
        }
        out.checkpoint(ROWS.to_string()).await
    }
}

vesicle_connector::export_source!(Flaky);
