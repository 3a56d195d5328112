//! Rows of dead letters, JSON objects, as payloads of record batches.
//!
//! Invariant: a row has the columns of the schema and no others; a value is one
//! of its column's type, and NULL only where the column may be.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_ipc::writer::StreamWriter;
use arrow_json::ReaderBuilder;
use arrow_schema::SchemaRef;

use crate::state::Letter;

/// Makes payloads of rows of one schema.
pub struct LetterRows {
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
}

/// A payload, how many rows it has, and the letters that are not in it with the
/// reason.
pub type Encoded<'l> = (Vec<u8>, u64, Vec<(&'l Letter, String)>);

impl LetterRows {
    /// For a schema as connectors encode it.
    ///
    /// # Errors
    ///
    /// If it cannot be decoded.
    pub fn new(schema: &[u8]) -> Result<Self, String> {
        let told = |error: arrow_schema::ArrowError| error.to_string();
        let schema = Arc::new(try_schema_from_ipc_buffer(schema).map_err(told)?);
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(told)?;
        // The stages know the schema.
        writer.get_mut().clear();
        Ok(Self { schema, writer })
    }

    /// The payload of some letters' rows.
    ///
    /// # Errors
    ///
    /// If the batch cannot be encoded.
    pub fn encode<'l>(
        &mut self,
        letters: impl Iterator<Item = &'l Letter>,
    ) -> Result<Encoded<'l>, String> {
        let mut good = Vec::new();
        let mut count = 0;
        let mut refused = Vec::new();
        for letter in letters {
            match self.decode(letter.row.as_bytes(), 1) {
                Ok(_) => {
                    good.extend_from_slice(letter.row.as_bytes());
                    good.push(b'\n');
                    count += 1;
                }
                Err(why) => refused.push((letter, why)),
            }
        }
        let batch = match count {
            0 => RecordBatch::new_empty(Arc::clone(&self.schema)),
            _ => self.decode(&good, count)?,
        };
        let told = |error: arrow_schema::ArrowError| error.to_string();
        self.writer.write(&batch).map_err(told)?;
        let payload = std::mem::take(self.writer.get_mut());
        Ok((payload, batch.num_rows() as u64, refused))
    }

    /// So many rows.
    fn decode(&self, rows: &[u8], count: usize) -> Result<RecordBatch, String> {
        let explained = |error: arrow_schema::ArrowError| {
            format!("the row does not have the columns that it should have now: {error}")
        };
        if !rows.trim_ascii_start().starts_with(b"{") {
            return Err("the letter is no row but text that could not be read".into());
        }
        let mut decoder = ReaderBuilder::new(Arc::clone(&self.schema))
            .with_strict_mode(true)
            .with_batch_size(count + 1)
            .build_decoder()
            .map_err(explained)?;
        let taken = decoder.decode(rows).map_err(explained)?;
        let is_all = rows[taken..].trim_ascii().is_empty();
        match decoder.flush().map_err(explained)? {
            Some(batch) if is_all && batch.num_rows() == count => Ok(batch),
            _ => Err("the letter is not one row".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_schema::{DataType, Field, Schema, TimeUnit};

    use super::*;

    fn rows() -> LetterRows {
        let at = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("bytes", DataType::Binary, true),
            Field::new("at", at, true),
            Field::new("share", DataType::Float64, true),
        ]);
        let writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        LetterRows::new(writer.get_ref()).unwrap()
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let row = r#"{"id":9007199254740993,"bytes":"00ff","at":"1969-12-31T23:59:59.999999Z","share":"NaN"}"#;
        let batch = rows().decode(row.as_bytes(), 1).unwrap();
        let ids = batch.column(0).as_primitive::<Int64Type>();
        assert_eq!(ids.value(0), 9_007_199_254_740_993);
        assert_eq!(batch.column(1).as_binary::<i32>().value(0), b"\0\xff");
        assert_eq!(batch.column(2).null_count(), 0);
    }

    #[test]
    fn what_is_no_row_of_the_columns_is_refused() {
        for row in [
            "1,Ada",
            r#"{"id": "x"}"#,
            r#"{"id": null}"#,
            r#"{"id": 1, "gone": 2}"#,
            r#"{"id": 1} {"id": 2}"#,
            r#"{"id": 1"#,
        ] {
            assert!(rows().decode(row.as_bytes(), 1).is_err(), "{row}");
        }
    }
}
