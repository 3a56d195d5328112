//! The rows of one shape on their way into the staging table: what becomes of
//! each column, and of the values that do not fit.
//!
//! Invariant: a row with a fault is left out whole, and every other row is
//! written.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{Field, Schema, SchemaRef};
use vesicle_connector::{Error, Reject, Result, TypeChange, row_to_json};
use vesicle_postgres::coerce::Coercion;
use vesicle_postgres::{Column, Decoder, Encoder, Options};

use crate::evolve::Route;

/// How rows of one shape are written.
pub struct Shape {
    /// The columns as they come.
    sources: Vec<Column>,
    /// For each column that is written, its place among those that come, and
    /// how its values become the table's.
    columns: Vec<Way>,
    /// What comes out of the conversions.
    schema: SchemaRef,
    encoder: Encoder,
    /// Whether a value that cannot be converted becomes NULL.
    faults_are_null: bool,
}

struct Way {
    place: usize,
    coerced: bool,
    coercion: Coercion,
}

/// Rows in the columns of the table.
pub struct Converted {
    /// The rows as they came.
    pub rows: RecordBatch,
    /// The rows as they are written.
    batch: RecordBatch,
    /// The rows that are left out.
    skipped: BooleanBuffer,
}

/// Tuples, and how many.
pub type Tuples = (Vec<u8>, u64);

impl Shape {
    /// How rows of a schema, whose columns these are, are written by a route.
    ///
    /// # Errors
    ///
    /// `schema` if a column cannot take its values.
    pub fn new(
        schema: &Schema,
        sources: Vec<Column>,
        route: &Route,
        type_change: TypeChange,
    ) -> Result<Self> {
        let mut columns = Vec::new();
        let mut targets = Vec::new();
        let mut fields = Vec::new();
        for (place, written) in route.columns.iter().enumerate() {
            let Some(written) = written else { continue };
            let kind = schema.field(place).data_type();
            let coercion = match written.coerced {
                true => Coercion::new(kind, &written.column)?,
                false => Coercion::none_for(kind, &written.column)?,
            };
            fields.push(Field::new(
                &written.column.name,
                coercion.kind().clone(),
                true,
            ));
            targets.push(written.column.clone());
            columns.push(Way {
                place,
                coerced: written.coerced,
                coercion,
            });
        }
        let converted = Arc::new(Schema::new(fields));
        Ok(Self {
            sources,
            columns,
            encoder: Encoder::new(&converted, &targets)?,
            schema: converted,
            faults_are_null: type_change == TypeChange::Null,
        })
    }

    /// The rows in tuples that came as the server writes them.
    ///
    /// # Errors
    ///
    /// `data` for a value that Arrow cannot represent.
    pub fn decode(&self, tuples: &[u8]) -> Result<Vec<RecordBatch>> {
        let mut decoder = Decoder::of_tuples(&self.sources, Options::default());
        decoder.push(tuples)?;
        decoder.finish()?;
        Ok(std::iter::from_fn(|| decoder.next_batch()).collect())
    }

    /// Brings rows into the columns of the table. The rows that cannot be are
    /// left out and told.
    ///
    /// # Errors
    ///
    /// None but defects.
    pub fn convert(&self, rows: RecordBatch) -> Result<(Converted, Tuples, Vec<Reject>)> {
        let mut faults: Vec<(usize, Error)> = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for way in &self.columns {
            let mut found = Vec::new();
            arrays.push(way.coercion.convert(rows.column(way.place), &mut found));
            if !(way.coerced && self.faults_are_null) {
                let name = rows.schema_ref().field(way.place).name().clone();
                let named =
                    |(row, error): (usize, Error)| (row, error.context(format!("column {name:?}")));
                faults.extend(found.into_iter().map(named));
            }
        }
        let mut batch = self.batch(arrays, rows.num_rows())?;
        let mut skipped = bits(rows.num_rows(), faults.iter().map(|fault| fault.0));
        let mut tuples = Vec::with_capacity(batch.get_array_memory_size());
        let written = loop {
            tuples.clear();
            let encoded = self.encoder.encode(&batch, Some(&skipped), &mut tuples)?;
            let (nulls, others): (Vec<_>, Vec<_>) = encoded
                .faults
                .into_iter()
                .partition(|fault| self.becomes_null(&batch, fault.row, fault.column));
            if nulls.is_empty() {
                let left_out = others.iter().map(|fault| fault.row);
                skipped = &skipped | &bits(rows.num_rows(), left_out);
                faults.extend(others.into_iter().map(|fault| (fault.row, fault.error)));
                break encoded.rows as u64;
            }
            for fault in nulls {
                batch = self.with_null(&batch, fault.row, fault.column)?;
            }
        };
        faults.sort_by_key(|fault| fault.0);
        faults.dedup_by_key(|fault| fault.0);
        let reject = |(row, reason): (usize, Error)| Reject {
            row: row_to_json(&rows, row),
            reason: advised(reason, row),
        };
        let rejects = faults.into_iter().map(reject).collect();
        let converted = Converted {
            rows,
            batch,
            skipped,
        };
        Ok((converted, (tuples, written), rejects))
    }

    /// The tuples of some of the rows that were converted.
    ///
    /// # Errors
    ///
    /// None but defects.
    pub fn part(&self, of: &Converted, start: usize, length: usize) -> Result<Tuples> {
        let batch = of.batch.slice(start, length);
        let skipped = of.skipped.slice(start, length);
        let mut tuples = Vec::new();
        let encoded = self.encoder.encode(&batch, Some(&skipped), &mut tuples)?;
        Ok((tuples, encoded.rows as u64))
    }

    fn batch(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }

    /// Whether a value that the encoder does not take is to be NULL.
    fn becomes_null(&self, batch: &RecordBatch, row: usize, column: usize) -> bool {
        self.faults_are_null && self.columns[column].coerced && batch.column(column).is_valid(row)
    }

    fn with_null(&self, batch: &RecordBatch, row: usize, column: usize) -> Result<RecordBatch> {
        let mut arrays = batch.columns().to_vec();
        let data = arrays[column].to_data();
        let others = bits(batch.num_rows(), [row].into_iter());
        let nulls = NullBuffer::union(data.nulls(), Some(&NullBuffer::new(!&others)));
        arrays[column] = arrow_array::make_array(data.into_builder().nulls(nulls).build()?);
        self.batch(arrays, batch.num_rows())
    }
}

/// A bit for each row, set for some.
fn bits(rows: usize, set: impl Iterator<Item = usize>) -> BooleanBuffer {
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(rows, false);
    for row in set {
        bits.set_bit(row, true);
    }
    bits.finish()
}

/// The error of a row for people, who do not know its place in a batch, with
/// what else to do.
fn advised(mut error: Error, row: usize) -> Error {
    if let Some(rest) = error.message.strip_prefix(&format!("row {row}, ")) {
        error.message = rest.to_owned();
    }
    if error.code == "null-value" {
        error
            .message
            .push_str("; let it be NULL with schema_evolution: { nullability: allow }");
    }
    error
}
