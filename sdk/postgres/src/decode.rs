//! A binary COPY to record batches.
//!
//! Tuples are scanned in blocks that fit a processor's cache; then each column
//! takes its fields of the block in a loop of its own.
//!
//! Invariants: batches hold the rows of the stream, in order, each once; a
//! batch of more than one row takes at most [`MAX_BATCH`] bytes, unless one row
//! alone does; memory is a batch, a block and one tuple, whatever the stream
//! claims; after an error nothing more is decoded.

mod column;
mod fixed;
mod list;
mod text;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use vesicle_connector::{Error, Result};

use crate::arrow::{self, Options};
use crate::catalog::Column;
use crate::wire::Framing;
use column::Cells;

/// The size, in bytes of Arrow buffers, that batches are cut at: 224 KiB. With
/// what encoding adds, smaller than what the host's allocator gives back to the
/// system with each block.
pub const TARGET_BATCH: usize = 224 << 10;

/// The size, in bytes of Arrow buffers, that only a single row exceeds: 240 KiB.
pub const MAX_BATCH: usize = 240 << 10;

/// Rows of a block at most.
const BLOCK_ROWS: usize = 256;

/// Bytes of a block, unless one row alone has more.
const BLOCK_BYTES: usize = 64 << 10;

/// Makes record batches of a binary COPY that comes in pieces.
pub struct Decoder {
    framing: Framing,
    schema: SchemaRef,
    columns: Vec<Box<dyn column::Decode>>,
    /// What one row takes at least, in Arrow buffers.
    row_size: usize,
    /// Whether values may take more than on the wire.
    amplifies: bool,
    /// What came and is not yet decoded.
    pending: Vec<u8>,
    /// The places of the fields of a block, row after row.
    cells: Vec<u32>,
    /// Rows in the columns.
    rows: usize,
    /// Rows in batches already made.
    before: u64,
    ready: VecDeque<RecordBatch>,
    failed: bool,
}

impl Decoder {
    /// A decoder of what `COPY … TO STDOUT (FORMAT binary)` sends of these
    /// columns, in their order.
    pub fn new(columns: &[Column], options: Options) -> Self {
        Self::with(Framing::stream(columns.len()), columns, options)
    }

    /// A decoder of payloads: tuples without header and trailer.
    pub fn of_tuples(columns: &[Column], options: Options) -> Self {
        Self::with(Framing::tuples(columns.len()), columns, options)
    }

    fn with(framing: Framing, columns: &[Column], options: Options) -> Self {
        let schema = Arc::new(arrow::schema(columns, options));
        let columns: Vec<_> = columns
            .iter()
            .map(|column| column::of(&column.r#type, options))
            .collect();
        Self {
            framing,
            schema,
            row_size: columns
                .iter()
                .map(|column| column.row_size())
                .sum::<usize>()
                .max(1),
            amplifies: columns.iter().any(|column| column.amplifies()),
            columns,
            pending: Vec::new(),
            cells: Vec::new(),
            rows: 0,
            before: 0,
            ready: VecDeque::new(),
            failed: false,
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes the next piece of the stream, of any size.
    ///
    /// # Errors
    ///
    /// `data` if the stream is not what it should be or holds a value that
    /// Arrow cannot represent; `exhausted` for a row above 64 MiB. Batches made
    /// before are still handed out; no more will be.
    pub fn push(&mut self, piece: &[u8]) -> Result<()> {
        if self.failed {
            return Err(Error::data("bad-copy", "the binary COPY has failed before"));
        }
        // Pieces may be single rows: they are gathered, so that a block is not.
        if self.pending.is_empty() && piece.len() >= BLOCK_BYTES {
            let done = self.decode(piece)?;
            self.pending.extend_from_slice(&piece[done..]);
            return Ok(());
        }
        self.pending.extend_from_slice(piece);
        match self.pending.len() >= BLOCK_BYTES {
            true => self.decode_pending(),
            false => Ok(()),
        }
    }

    /// The next batch that is ready.
    pub fn next_batch(&mut self) -> Option<RecordBatch> {
        self.ready.pop_front()
    }

    /// Says that the stream has ended; makes the last batch ready.
    ///
    /// # Errors
    ///
    /// Like [`push`](Self::push); `data` if something is missing.
    pub fn finish(&mut self) -> Result<()> {
        self.push(&[])?;
        self.decode_pending()?;
        self.framing.finish(self.pending.len())?;
        self.flush()
    }

    fn decode_pending(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let done = self.decode(&pending);
        pending.drain(..*done.as_ref().unwrap_or(&0));
        // A tuple of 60 MiB has been here; the next may be small.
        if pending.len() < BLOCK_BYTES && pending.capacity() > MAX_BATCH {
            pending.shrink_to(BLOCK_BYTES);
        }
        self.pending = pending;
        done.map(|_| ())
    }

    /// Decodes the whole tuples in `data`: how many bytes are done with.
    fn decode(&mut self, data: &[u8]) -> Result<usize> {
        let done = self.decode_blocks(data);
        self.failed = done.is_err();
        done
    }

    fn decode_blocks(&mut self, data: &[u8]) -> Result<usize> {
        let mut at = self.framing.skip(data)?;
        let most = (BLOCK_BYTES / self.row_size).clamp(1, BLOCK_ROWS);
        loop {
            self.cells.clear();
            let rest = &data[at..];
            let mut found = self
                .framing
                .scan::<true>(rest, most, BLOCK_BYTES, &mut self.cells)?;
            if found.rows == 0 {
                // A trailer is all that is left, if it has been read.
                return Ok(if self.framing.ended() { data.len() } else { at });
            }
            let mut size = found.bytes + found.rows * self.row_size;
            if self.amplifies {
                let rows = self.bounded(rest, found.rows, &mut size);
                self.framing.unscan(found.rows - rows);
                if rows < found.rows {
                    // The field count of the next tuple is before its first field.
                    found.bytes = self.cells[rows * self.columns.len()] as usize - 2;
                    found.rows = rows;
                    self.cells.truncate(rows * self.columns.len());
                }
            }
            self.block(&rest[..found.bytes], found.rows, size)?;
            at += found.bytes;
        }
    }

    /// How many rows of the block there may be for it to keep its size once
    /// decoded; `size` becomes theirs.
    fn bounded(&self, data: &[u8], rows: usize, size: &mut usize) -> usize {
        let mut more = [0_usize; BLOCK_ROWS];
        for (index, column) in self.columns.iter().enumerate() {
            if column.amplifies() {
                column.bound(data, self.cells_of(index), &mut more[..rows]);
            }
        }
        let mut sum = 0_usize;
        for (row, more) in more[..rows].iter().enumerate() {
            sum = sum.saturating_add(*more);
            if row > 0 && sum > BLOCK_BYTES {
                return row;
            }
            *size = size.saturating_add(*more);
        }
        rows
    }

    fn cells_of(&self, column: usize) -> Cells<'_> {
        Cells::new(&self.cells, column, self.columns.len())
    }

    fn block(&mut self, data: &[u8], rows: usize, size: usize) -> Result<()> {
        if self.rows > 0 && self.size().saturating_add(size) > MAX_BATCH {
            self.flush()?;
        }
        let count = self.columns.len();
        for (index, column) in self.columns.iter_mut().enumerate() {
            let cells = Cells::new(&self.cells, index, count);
            if let Err(fault) = column.decode(data, cells) {
                let row = self.before + (self.rows + fault.cell) as u64 + 1;
                return Err(self.at(fault.error, index, row));
            }
        }
        self.rows += rows;
        match self.size() + BLOCK_BYTES >= TARGET_BATCH {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn size(&self) -> usize {
        match self.columns.is_empty() {
            true => self.rows,
            false => self.columns.iter().map(|column| column.size()).sum(),
        }
    }

    /// Makes a batch of what the columns hold.
    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            match self.columns[index].finish() {
                Ok(array) => arrays.push(array),
                Err(fault) => {
                    self.failed = true;
                    let row = self.before + fault.cell as u64 + 1;
                    return Err(self.at(fault.error, index, row));
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .inspect_err(|_| self.failed = true)?;
        self.before += self.rows as u64;
        self.rows = 0;
        self.ready.push_back(batch);
        Ok(())
    }

    #[cold]
    fn at(&self, error: Error, column: usize, row: u64) -> Error {
        let name = self.schema.field(column).name();
        error.context(format!("row {row}, column {name:?}"))
    }
}
