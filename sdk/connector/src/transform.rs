//! What a transform is: something that changes batches on their way.

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use crate::config::Config;
use crate::emitter::Emitter;
use crate::error::{Error, Result};
use crate::frame::Change;
use crate::spec::Spec;

/// Changes rows on their way.
///
/// One value serves one stream of frames, from its first to its last.
#[allow(
    async_fn_in_trait,
    reason = "a component runs on one thread; nothing has to be Send"
)]
pub trait Transform: Sized + 'static {
    /// What it is. Constant.
    fn spec() -> Spec;

    /// Makes it from its configuration.
    ///
    /// # Errors
    ///
    /// `configuration` for options that cannot work together.
    fn open(config: Config) -> Result<Self>;

    /// The shape of what comes out of the named stream for the shape of what
    /// goes in. Asked when a pipeline is planned, and again, of the value that
    /// gets the batches, before the first batch of each schema.
    ///
    /// # Errors
    ///
    /// `schema` or `configuration`: why this cannot be.
    fn plan(&self, stream: &str, schema: &Schema) -> Result<SchemaRef>;

    /// Takes a batch and emits what it becomes, now or later. Emit with 0
    /// `source_bytes`: what the input consumed is passed on by the SDK.
    ///
    /// # Errors
    ///
    /// Why the stream cannot go on. A row that cannot be changed is better
    /// passed to [`Emitter::reject`].
    async fn batch(&mut self, batch: RecordBatch, out: &mut Emitter) -> Result<()>;

    /// The same for changed rows. Refuses them unless it is written.
    ///
    /// # Errors
    ///
    /// As of [`Transform::batch`].
    async fn changes(
        &mut self,
        change: Change,
        batch: RecordBatch,
        out: &mut Emitter,
    ) -> Result<()> {
        let _ = (change, batch, out);
        let message = format!("{} does not take changes, only rows", Self::spec().name);
        Err(Error::unsupported("changes-unsupported", message))
    }

    /// Emits whatever was kept back. Called before each commit request, which
    /// covers all that was taken in, before the schema changes, and at the end.
    ///
    /// # Errors
    ///
    /// As of [`Transform::batch`].
    async fn flush(&mut self, out: &mut Emitter) -> Result<()> {
        let _ = out;
        Ok(())
    }
}
