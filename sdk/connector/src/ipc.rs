//! Record batches to payloads and back, as messages of an Arrow IPC stream.
//!
//! Invariants: an encoder and a decoder serve one schema; dictionaries stand
//! from payload to payload until they are replaced, so payloads are decoded in
//! the order in which they were made, each once. Encoding copies each buffer
//! once; decoding copies none that is aligned.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Schema, SchemaRef};

use crate::error::{Error, Result};

/// The size, in bytes, that payloads are cut to where rows allow: 1 MiB.
pub const TARGET_PAYLOAD: usize = 1 << 20;

/// The size, in bytes, that no payload exceeds: 64 MiB.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// A schema as the encapsulated message that schema frames carry.
///
/// # Errors
///
/// `unsupported` for a type that Arrow IPC cannot carry.
pub fn encode_schema(schema: &Schema) -> Result<Vec<u8>> {
    Ok(Encoder::new(schema)?.1)
}

/// A schema from the message that a schema frame carries.
///
/// # Errors
///
/// `schema` if the bytes are not such a message.
pub fn decode_schema(bytes: &[u8]) -> Result<SchemaRef> {
    let schema = try_schema_from_ipc_buffer(bytes)
        .map_err(|error| Error::schema("bad-schema-message", error.to_string()))?;
    Ok(Arc::new(schema))
}

/// Makes payloads of record batches of one schema.
pub(crate) struct Encoder {
    writer: StreamWriter<Vec<u8>>,
}

impl Encoder {
    /// The encoder, and the schema message that comes before its payloads.
    pub(crate) fn new(schema: &Schema) -> Result<(Self, Vec<u8>)> {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)
            .map_err(|error| Error::unsupported("unsupported-type", error.to_string()))?;
        let message = std::mem::take(writer.get_mut());
        Ok((Self { writer }, message))
    }

    /// The payload of a batch whose buffers take `size` bytes.
    pub(crate) fn encode(&mut self, batch: &RecordBatch, size: usize) -> Result<Vec<u8>> {
        // Metadata is about 100 bytes a column, padding below 64 a buffer.
        let overhead = 512 + 320 * batch.num_columns();
        *self.writer.get_mut() = Vec::with_capacity(size + overhead);
        self.writer.write(batch)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}

/// Makes record batches of payloads of one schema.
pub(crate) struct Decoder {
    inner: StreamDecoder,
    schema: SchemaRef,
}

impl Decoder {
    /// A decoder of the payloads that follow this schema message.
    pub(crate) fn new(message: Vec<u8>) -> Result<Self> {
        let schema = decode_schema(&message)?;
        let mut inner = StreamDecoder::new();
        inner.decode(&mut Buffer::from(message))?;
        Ok(Self { inner, schema })
    }

    /// The schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The one record batch of a payload.
    pub(crate) fn decode(&mut self, payload: Vec<u8>) -> Result<RecordBatch> {
        let mut rest = Buffer::from(payload);
        let mut batch = self.inner.decode(&mut rest)?;
        if batch.is_none() {
            // A message without a body is handed out only when bytes follow
            // it, which stay unread. Whatever takes some of them was cut short.
            let mut more = Buffer::from([0xff_u8; 4]);
            batch = self.inner.decode(&mut more)?.filter(|_| more.len() == 4);
        }
        match batch {
            Some(batch) if rest.is_empty() => Ok(batch),
            Some(_) => Err(bad_payload("holds more than one record batch")),
            None => Err(bad_payload("ends before its record batch does")),
        }
    }
}

fn bad_payload(what: &str) -> Error {
    Error::data("bad-payload", format!("a payload {what}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int32Type, Int64Type};
    use arrow_array::{Array, DictionaryArray, RecordBatchOptions, record_batch};

    use super::*;
    use crate::size::batch_size;

    fn encode(encoder: &mut Encoder, batch: &RecordBatch) -> Vec<u8> {
        encoder.encode(batch, batch_size(batch)).unwrap()
    }

    #[test]
    fn what_was_encoded_is_decoded_as_it_was() {
        let batch = record_batch!(
            ("id", Int64, [Some(1), None, Some(3)]),
            ("name", Utf8, [Some("a"), Some("b"), None]),
            ("good", Boolean, [true, false, true])
        )
        .unwrap();
        let (mut encoder, message) = Encoder::new(batch.schema_ref()).unwrap();
        let mut decoder = Decoder::new(message).unwrap();
        assert_eq!(decoder.schema(), batch.schema_ref());
        for _ in 0..2 {
            assert_eq!(decoder.decode(encode(&mut encoder, &batch)).unwrap(), batch);
        }
    }

    #[test]
    fn decoding_shares_the_payload_s_memory() {
        let batch = record_batch!(("id", Int64, [1, 2, 3])).unwrap();
        let (mut encoder, message) = Encoder::new(batch.schema_ref()).unwrap();
        let payload = encode(&mut encoder, &batch);
        let within = payload.as_ptr_range();
        let decoded = Decoder::new(message).unwrap().decode(payload).unwrap();
        let values = decoded.column(0).as_primitive::<Int64Type>().values();
        assert!(within.contains(&values.inner().as_ptr()));
    }

    #[test]
    fn a_payload_is_allocated_once() {
        let names: Vec<_> = (0..10_000).map(|n| Some(format!("name {n}"))).collect();
        let names = arrow_array::StringArray::from(names);
        let batch = RecordBatch::try_from_iter([("name", Arc::new(names) as _)]).unwrap();
        let (mut encoder, _) = Encoder::new(batch.schema_ref()).unwrap();
        let size = batch_size(&batch);
        let payload = encode(&mut encoder, &batch);
        assert!(payload.len() >= size);
        assert!(payload.capacity() <= size + 512 + 320);
    }

    #[test]
    fn a_dictionary_is_sent_once_and_stands_for_the_batches_that_follow() {
        let words: DictionaryArray<Int32Type> = ["red", "green", "red"].into_iter().collect();
        let batch = RecordBatch::try_from_iter([("colour", Arc::new(words) as _)]).unwrap();
        let (mut encoder, message) = Encoder::new(batch.schema_ref()).unwrap();
        let mut decoder = Decoder::new(message).unwrap();
        let first = encode(&mut encoder, &batch);
        let second = encode(&mut encoder, &batch.slice(1, 2));
        assert!(second.len() < first.len());
        assert_eq!(decoder.decode(first).unwrap(), batch);
        assert_eq!(decoder.decode(second).unwrap(), batch.slice(1, 2));
    }

    #[test]
    fn rows_without_columns_and_columns_without_rows_survive() {
        let options = RecordBatchOptions::new().with_row_count(Some(7));
        let bare =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        let empty = record_batch!(("id", Int64, [1])).unwrap().slice(0, 0);
        for batch in [bare, empty] {
            let (mut encoder, message) = Encoder::new(batch.schema_ref()).unwrap();
            let mut decoder = Decoder::new(message).unwrap();
            for _ in 0..2 {
                let decoded = decoder.decode(encode(&mut encoder, &batch)).unwrap();
                assert_eq!(decoded.num_rows(), batch.num_rows());
                assert_eq!(decoded.schema(), batch.schema());
            }
        }
    }

    #[test]
    fn a_payload_cut_short_or_doubled_is_an_error() {
        let batch = record_batch!(("id", Int64, [1, 2, 3])).unwrap();
        let (mut encoder, message) = Encoder::new(batch.schema_ref()).unwrap();
        let payload = encode(&mut encoder, &batch);
        for cut in [0, 3, 8, payload.len() / 2, payload.len() - 1] {
            let mut decoder = Decoder::new(message.clone()).unwrap();
            assert!(
                decoder.decode(payload[..cut].to_vec()).is_err(),
                "{cut} bytes"
            );
        }
        let doubled = [payload.clone(), payload].concat();
        assert!(Decoder::new(message).unwrap().decode(doubled).is_err());
        assert!(Decoder::new(b"not a schema".to_vec()).is_err());
    }

    #[test]
    fn a_slice_s_payload_holds_the_slice_only() {
        let ids = arrow_array::Int64Array::from_iter_values(0..100_000);
        let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as _)]).unwrap();
        let slice = batch.slice(50_000, 10);
        let (mut encoder, message) = Encoder::new(batch.schema_ref()).unwrap();
        let payload = encode(&mut encoder, &slice);
        assert!(payload.len() < 1024, "{} bytes", payload.len());
        let decoded = Decoder::new(message).unwrap().decode(payload).unwrap();
        assert_eq!(decoded.column(0).len(), 10);
        assert_eq!(decoded, slice);
    }
}
