//! Reads one partition.

use crate::emitter::Emitter;
use crate::error::{Error, Result};
use crate::frame::Cursor;
use crate::source::{Partition, Source, StreamRequest};

/// Reads to the end, and makes sure that a checkpoint covers it: what follows
/// the last checkpoint could never become durable.
pub(crate) async fn read<S: Source>(
    source: S,
    request: StreamRequest,
    partition: Partition,
    cursor: Option<Cursor>,
    mut out: Emitter,
) -> Result<()> {
    source.read(&request, &partition, cursor, &mut out).await?;
    if out.is_uncovered() {
        let message = format!(
            "{} ended partition {:?} without a checkpoint after its last rows",
            S::spec().name,
            partition.id
        );
        return Err(Error::internal("uncovered-rows", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use arrow_array::record_batch;
    use futures::StreamExt;
    use serde_json::json;

    use super::*;
    use crate::testing::{block_on, read, resume};
    use crate::{Config, Plan, Spec, StreamInfo};

    /// Does what its configuration's `script` says: `r` a row, `c` a
    /// checkpoint, `w` waits until that is durable, `e` fails.
    struct Scripted {
        script: String,
    }

    impl Source for Scripted {
        fn spec() -> Spec {
            Spec::new("source-scripted", "0", "")
        }

        fn open(config: Config) -> Result<Self> {
            Ok(Self {
                script: config.required("script")?,
            })
        }

        async fn discover(&self) -> Result<Vec<StreamInfo>> {
            Ok(Vec::new())
        }

        async fn plan(&self, _: &StreamRequest) -> Result<Plan> {
            let rows = record_batch!(("n", Int64, [1]))?;
            Ok(Plan::new(rows.schema(), vec![Partition::new("only", "")]))
        }

        async fn read(
            &self,
            _: &StreamRequest,
            _: &Partition,
            cursor: Option<Cursor>,
            out: &mut Emitter,
        ) -> Result<()> {
            let mut committed = out.committed();
            let from: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
            for (place, step) in self.script.char_indices().skip(from) {
                match step {
                    'r' => out.batch(record_batch!(("n", Int64, [1]))?, 8).await?,
                    'c' => out.checkpoint((place + 1).to_string()).await?,
                    'w' => assert_eq!(committed.next().await.unwrap(), place.to_string()),
                    _ => return Err(Error::data("scripted", "as asked")),
                }
            }
            Ok(())
        }
    }

    #[test]
    fn an_error_after_some_batches_comes_behind_them() {
        let output = block_on(read::<Scripted>(json!({ "script": "rcre" }), "s")).unwrap();
        assert_eq!(output.rows(), 2);
        assert_eq!(output.checkpoints(), ["2"]);
        assert_eq!(output.outcome.unwrap_err().code, "scripted");
    }

    #[test]
    fn rows_without_a_checkpoint_behind_them_are_refused() {
        let output = block_on(read::<Scripted>(json!({ "script": "rcr" }), "s")).unwrap();
        assert_eq!(output.outcome.unwrap_err().code, "uncovered-rows");
        let output = block_on(read::<Scripted>(json!({ "script": "" }), "s")).unwrap();
        output.outcome.unwrap();
    }

    #[test]
    fn a_source_learns_which_cursors_are_durable() {
        let output = block_on(read::<Scripted>(json!({ "script": "rcwrcw" }), "s")).unwrap();
        assert_eq!(output.rows(), 2);
        output.outcome.unwrap();
    }

    #[test]
    fn a_partition_is_read_on_from_a_cursor() {
        let script = json!({ "script": "rrcrc" });
        let output = block_on(resume::<Scripted>(script, "s", "only", "3")).unwrap();
        assert_eq!(output.rows(), 1);
        assert_eq!(output.checkpoints(), ["5"]);
    }

    #[test]
    fn a_source_whose_reader_hangs_up_ends_as_stopped() {
        let source = Scripted {
            script: "rc".repeat(100),
        };
        let request = StreamRequest::new("s");
        let reading = crate::native::read(source, request, Partition::default(), None, 1);
        drop(reading.frames);
        assert!(block_on(reading.outcome).unwrap_err().is_stopped());
    }

    #[test]
    fn what_a_plan_holds_is_let_go_with_it() {
        struct Told(Arc<Mutex<bool>>);
        impl Drop for Told {
            fn drop(&mut self) {
                *self.0.lock().unwrap() = true;
            }
        }
        let gone = Arc::new(Mutex::new(false));
        let schema = record_batch!(("n", Int64, [1])).unwrap().schema();
        let plan = Plan::new(schema, Vec::new()).holding(Told(gone.clone()));
        assert!(!*gone.lock().unwrap());
        drop(plan);
        assert!(*gone.lock().unwrap());
    }
}
