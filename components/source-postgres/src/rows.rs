//! The rows of a COPY, batch by batch.

use arrow_array::RecordBatch;
use vesicle_connector::Result;
use vesicle_postgres::{Column, Decoder, Options as Mapping};
use vesicle_postgres_client::CopyOut;

/// A COPY under way, decoded as it comes.
pub struct Rows {
    copy: CopyOut,
    decoder: Decoder,
    /// Bytes that came and no batch accounts for.
    taken: u64,
    ended: bool,
}

impl Rows {
    /// The rows of a COPY of these columns.
    pub fn new(copy: CopyOut, columns: &[Column], mapping: Mapping) -> Self {
        Self {
            copy,
            decoder: Decoder::new(columns, mapping),
            taken: 0,
            ended: false,
        }
    }

    /// The next batch, never empty, and how many bytes came for it; none at the
    /// end.
    ///
    /// # Errors
    ///
    /// `data` for a value that cannot be represented; what the server says.
    pub async fn next(&mut self) -> Result<Option<(RecordBatch, u64)>> {
        loop {
            if let Some(batch) = self.decoder.next_batch() {
                return Ok(Some((batch, std::mem::take(&mut self.taken))));
            }
            if self.ended {
                return Ok(None);
            }
            match self.copy.next().await? {
                Some(bytes) => {
                    self.taken += bytes.len() as u64;
                    self.decoder.push(&bytes)?;
                }
                None => {
                    self.ended = true;
                    self.decoder.finish()?;
                }
            }
        }
    }
}
