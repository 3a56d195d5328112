//! Columns being made until they are a batch's worth.
//!
//! Invariant: a batch is bounded in bytes: no row is added to one that it
//! would take above [`MOST`], unless it is the first.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use vesicle_connector::Result;

use crate::column::Column;
use crate::layout::ColumnLayout;

/// A batch of this many bytes is enough. Tests make small ones, to have many
/// cursors.
const ENOUGH: usize = if cfg!(test) { 24 } else { 768 * 1024 };

/// More than this is too much, unless one row is.
const MOST: usize = if cfg!(test) { 64 } else { 1024 * 1024 };

/// However small they are: the rows between two cursors.
const MOST_ROWS: usize = 64 * 1024;

/// How much a batch holds.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// Bytes a row takes, the contents of texts apart.
    row_width: usize,
    bytes: usize,
    rows: usize,
}

impl Fill {
    /// Whether a row made of some bytes of a file belongs to the next batch.
    #[inline(always)]
    pub fn is_full_for(&self, record: usize) -> bool {
        self.rows > 0
            && (self.bytes >= ENOUGH
                || self.bytes + self.row_width + record > MOST
                || self.rows >= MOST_ROWS)
    }

    /// Adds rows, in which texts have so many bytes.
    #[inline(always)]
    pub fn add(&mut self, rows: usize, text_bytes: usize) {
        self.rows += rows;
        self.bytes += rows * self.row_width + text_bytes;
    }
}

/// A batch being made.
pub struct BatchBuilder {
    schema: SchemaRef,
    /// The columns, in the order of the schema.
    pub columns: Vec<Column>,
    fill: Fill,
}

impl BatchBuilder {
    /// An empty batch of some columns.
    pub fn new(layout: &[ColumnLayout]) -> Self {
        let fields: Vec<Field> = layout.iter().map(ColumnLayout::field).collect();
        let columns = layout
            .iter()
            .map(|column| Column::new(column.kind, !column.declared, 0));
        Self {
            schema: Arc::new(Schema::new(fields)),
            columns: columns.collect(),
            fill: Fill {
                row_width: layout.iter().map(|column| column.kind.width()).sum(),
                bytes: 0,
                rows: 0,
            },
        }
    }

    /// The name of a column.
    pub fn name(&self, index: usize) -> &str {
        self.schema.field(index).name()
    }

    /// How much it holds.
    #[inline]
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// Ends rows, in which texts had so many bytes.
    #[inline]
    pub fn end_rows(&mut self, rows: usize, text_bytes: usize) {
        self.fill.add(rows, text_bytes);
    }

    /// Takes out what was added after the last row that was ended.
    pub fn undo(&mut self) {
        for column in &mut self.columns {
            column.truncate(self.fill.rows);
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.fill.rows
    }

    /// The rows so far; none are left afterwards.
    ///
    /// # Errors
    ///
    /// None but defects.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.fill.rows);
        // The next batch will be like this one, unless its rows are huge.
        let room = if self.fill.bytes <= MOST {
            rows + rows / 16
        } else {
            0
        };
        self.fill.bytes = 0;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let mut done = Column::new(column.kind(), column.is_strict(), room);
            std::mem::swap(column, &mut done);
            arrays.push(done.finish()?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            arrays,
            &options,
        )?)
    }
}
