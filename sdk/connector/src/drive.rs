//! What turns the wheels: frames in, calls of the author's code, frames or
//! events out. The same natively and in the sandbox.

pub(crate) mod destination;
pub(crate) mod source;
pub(crate) mod transform;

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::frame::Batch;
use crate::ipc::Decoder;

/// Decodes the batches of a stream of frames by the schema frames in it.
#[derive(Default)]
pub(crate) struct Unpacker(Option<Decoder>);

impl Unpacker {
    /// Takes a schema frame; decodes what follows by it.
    pub(crate) fn schema(&mut self, message: Vec<u8>) -> Result<arrow_schema::SchemaRef> {
        let decoder = self.0.insert(Decoder::new(message)?);
        Ok(decoder.schema().clone())
    }

    /// The rows of a batch in Arrow's format.
    pub(crate) fn batch(&mut self, batch: Batch) -> Result<RecordBatch> {
        let decoder = self
            .0
            .as_mut()
            .ok_or_else(|| Error::schema("no-schema", "a batch came before its schema"))?;
        let rows = batch.rows;
        let batch = decoder.decode(batch.payload)?;
        if batch.num_rows() as u64 != rows {
            let message = format!("a batch of {rows} rows holds {}", batch.num_rows());
            return Err(Error::data("wrong-row-count", message));
        }
        Ok(batch)
    }
}
