//! Reads the rows of a Parquet file from a row of a row group on.
//!
//! Invariant: memory is bounded by what rows take, not by row groups: batches
//! are made as small as the rows of the group, or the rows just seen, ask for.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use vesicle_connector::{Error, Result};

use super::storage::Storage;
use super::survey::{load, not_parquet};
use crate::cursor::GroupPlace;

/// How large batches should be, in bytes. Tests make small ones, to have many
/// cursors.
const TARGET: usize = if cfg!(test) { 48 } else { 768 * 1024 };

/// Above this, rows are read in smaller batches from there on.
const TOO_MUCH: usize = 4 * 1024 * 1024;

/// However small they are: the rows between two cursors.
const MOST_ROWS: usize = 64 * 1024;

/// Reads the rows of a Parquet file.
pub struct ParquetReader {
    path: String,
    storage: Storage,
    metadata: Arc<ArrowReaderMetadata>,
    /// The columns as the plan has them.
    schema: SchemaRef,
    mask: ProjectionMask,
    place: GroupPlace,
    rows: Option<ParquetRecordBatchReader>,
    /// Bytes that a row has taken, if any was large.
    seen_width: usize,
}

impl ParquetReader {
    /// Opens a file at a place.
    ///
    /// # Errors
    ///
    /// `data` for a file that is not Parquet; `schema` if it has other columns
    /// than planned; what reading says.
    pub fn open(path: &str, schema: &SchemaRef, place: GroupPlace) -> Result<Self> {
        let (found, metadata, storage) = load(path)?;
        let indices = schema
            .fields()
            .iter()
            .map(|field| found.index_of(field.name()));
        let indices: Vec<usize> = indices.collect::<Result<_, _>>()?;
        let mask = ProjectionMask::roots(metadata.parquet_schema(), indices);
        Ok(Self {
            path: path.to_owned(),
            storage,
            metadata,
            schema: schema.clone(),
            mask,
            place,
            rows: None,
            seen_width: 0,
        })
    }

    /// The next rows, the place after them, and the bytes of the file they
    /// took; none at the end.
    ///
    /// # Errors
    ///
    /// `data` for what cannot be read; what reading says.
    pub fn next(&mut self) -> Result<Option<(RecordBatch, GroupPlace, u64)>> {
        while self.place.row_group < self.metadata.metadata().num_row_groups() {
            let mut rows = match self.rows.take() {
                Some(rows) => rows,
                None => self.open_group()?,
            };
            let Some(batch) = rows.next() else {
                self.place = GroupPlace {
                    row_group: self.place.row_group + 1,
                    row: 0,
                };
                continue;
            };
            let batch = batch.map_err(|error| self.failed(&error))?;
            let group = self.metadata.metadata().row_group(self.place.row_group);
            let taken = group.compressed_size().max(0) as u128 * batch.num_rows() as u128
                / group.num_rows().max(1) as u128;
            self.place.row += batch.num_rows();
            let size = batch.get_array_memory_size();
            if size > TOO_MUCH && batch.num_rows() > 1 {
                self.seen_width = size / batch.num_rows();
            } else {
                self.rows = Some(rows);
            }
            return Ok(Some((self.arrange(&batch)?, self.place, taken as u64)));
        }
        Ok(None)
    }

    fn open_group(&mut self) -> Result<ParquetRecordBatchReader> {
        let metadata = self.metadata.as_ref().clone();
        let rows = self.rows_at_once();
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.storage.clone(), metadata)
            .with_row_groups(vec![self.place.row_group])
            .with_projection(self.mask.clone())
            .with_offset(self.place.row)
            .with_batch_size(rows)
            .build()
            .map_err(|error| not_parquet(&self.path, &error))
    }

    fn rows_at_once(&self) -> usize {
        let group = self.metadata.metadata().row_group(self.place.row_group);
        let wanted = (0..group.num_columns()).filter(|leaf| self.mask.leaf_included(*leaf));
        let packed: i64 = wanted
            .map(|leaf| group.column(leaf).uncompressed_size())
            .sum();
        let rows = group.num_rows().max(1);
        let packed = usize::try_from(packed / rows).unwrap_or(usize::MAX);
        let fields = self.schema.fields().iter();
        let fixed: usize = fields
            .map(|field| field.data_type().primitive_width().unwrap_or(4))
            .sum();
        let width = packed.max(fixed).max(self.seen_width).max(1);
        (TARGET / width).clamp(1, MOST_ROWS)
    }

    /// The columns in the order of the plan.
    fn arrange(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let column = |name: &str| batch.column_by_name(name).cloned();
        let columns = self.schema.fields().iter().map(|field| {
            let missing =
                || Error::schema("missing-column", format!("no column {:?}", field.name()));
            column(field.name()).ok_or_else(missing)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if let Some((field, _)) = self
            .schema
            .fields()
            .iter()
            .zip(&columns)
            .find(|(field, column)| field.data_type() != column.data_type())
        {
            let message = format!(
                "{}: column {:?} is not of type {} any more",
                self.path,
                field.name(),
                field.data_type()
            );
            return Err(Error::schema("other-type", message));
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn failed(&self, error: &dyn std::error::Error) -> Error {
        let message = format!(
            "{}: row group {}, after row {}: {error}; the file is damaged, write it again",
            self.path, self.place.row_group, self.place.row
        );
        Error::data("bad-parquet", message)
    }
}
