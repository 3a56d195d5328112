//! Record batches to the tuples of a binary COPY.
//!
//! Each column's values are first brought into PostgreSQL's form, in a loop of
//! its own; then the sizes of the rows are known, and each column puts its
//! values into their places, block after block.
//!
//! Invariants: what cannot work for any value is refused when the encoder is
//! made; a value that does not fit is a fault with its row and column, that row
//! is left out and every other is encoded, in order.

mod list;
mod number;
mod plan;
mod text;
mod time;
mod values;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Schema};
use vesicle_connector::{Error, Result};

use crate::catalog::Column;
use crate::wire::MAX_TUPLE;
use plan::Prepare;
use values::{Faults, Values};

/// The most columns that a table of PostgreSQL has.
const MAX_COLUMNS: usize = 1600;

/// Rows that are put into place together.
const BLOCK_ROWS: usize = 256;

/// Whether a column takes values of an Arrow type.
///
/// # Errors
///
/// Why it does not.
pub(crate) fn takes(kind: &DataType, column: &Column) -> Result<()> {
    plan::of(kind, column).map(drop)
}

/// A value that the column it is meant for cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The row in the batch, counted from 0.
    pub row: usize,
    /// The column, counted from 0.
    pub column: usize,
    /// What is wrong, with column, row and value.
    pub error: Error,
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "rows with faults have been left out"]
pub struct Encoded {
    /// The number of tuples.
    pub rows: usize,
    /// What is wrong with the rows left out, in order, one fault a row.
    pub faults: Vec<Fault>,
}

impl Encoded {
    /// The number of tuples, if no row had to be left out.
    ///
    /// # Errors
    ///
    /// The first fault. The tuples of the other rows have been written.
    pub fn whole(self) -> Result<usize> {
        match self.faults.into_iter().next() {
            None => Ok(self.rows),
            Some(fault) => Err(fault.error),
        }
    }
}

/// Makes tuples of record batches of one schema, for columns of a table.
pub struct Encoder {
    columns: Vec<Target>,
}

struct Target {
    name: String,
    nullable: bool,
    kind: DataType,
    prepare: Prepare,
}

impl Encoder {
    /// An encoder for columns of a table, each of which takes the field at its
    /// place in the schema.
    ///
    /// # Errors
    ///
    /// `schema` if the numbers differ, a column is computed by the server, or
    /// one cannot take its field's type.
    pub fn new(schema: &Schema, columns: &[Column]) -> Result<Self> {
        if schema.fields().len() != columns.len() {
            let message = format!(
                "the batches have {} columns, the table takes {}",
                schema.fields().len(),
                columns.len()
            );
            return Err(Error::schema("column-count", message));
        }
        if columns.len() > MAX_COLUMNS {
            let message = format!(
                "a table has {MAX_COLUMNS} columns at most, not {}",
                columns.len()
            );
            return Err(Error::schema("column-count", message));
        }
        let pairs = schema.fields().iter().zip(columns);
        let columns = pairs.map(|(field, column)| {
            Ok(Target {
                name: column.name.clone(),
                nullable: column.nullable,
                kind: field.data_type().clone(),
                prepare: plan::of(field.data_type(), column)?,
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
        })
    }

    /// Adds the tuples of a batch to `out`, without header and trailer: those
    /// of all rows but the ones that `skip` has set, and those with a fault.
    ///
    /// # Errors
    ///
    /// `schema` if the batch has other types than the schema, or `skip` another
    /// length than the batch. Nothing has been added then.
    pub fn encode(
        &self,
        batch: &RecordBatch,
        skip: Option<&BooleanBuffer>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded> {
        let rows = batch.num_rows();
        self.check(batch, skip)?;
        let mut skipped: Vec<bool> = match skip {
            Some(skip) => skip.iter().collect(),
            None => vec![false; rows],
        };
        let mut faults = Vec::new();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (index, target) in self.columns.iter().enumerate() {
            let mut found = Faults::default();
            let values = (target.prepare)(batch.column(index).as_ref(), &mut found);
            if !target.nullable {
                refuse_nulls(&values, &mut found);
            }
            for (row, error) in found.into_inner() {
                if !skipped[row] {
                    skipped[row] = true;
                    let error = error.context(format!("row {row}, column {:?}", target.name));
                    faults.push(Fault {
                        row,
                        column: index,
                        error,
                    });
                }
            }
            columns.push(values);
        }
        let mut sizes = vec![2_usize; rows];
        columns
            .iter()
            .for_each(|values| values.add_sizes(&mut sizes));
        for (row, _) in sizes
            .iter()
            .enumerate()
            .filter(|(_, size)| **size > MAX_TUPLE)
        {
            if !skipped[row] {
                skipped[row] = true;
                faults.push(self.too_large(row, &columns));
            }
        }
        faults.sort_by_key(|fault| fault.row);
        let rows = lay_out(&columns, sizes, &skipped, out);
        Ok(Encoded { rows, faults })
    }

    /// The fault of a row whose tuple no payload can carry.
    #[cold]
    fn too_large(&self, row: usize, columns: &[Values<'_>]) -> Fault {
        let size = |column: &Values<'_>| column.get(row).map_or(0, <[u8]>::len);
        let sizes = columns.iter().map(size).enumerate();
        let (column, size) = sizes.max_by_key(|(_, size)| *size).unwrap_or_default();
        let name = self.columns.get(column).map_or("", |target| &target.name);
        let message = format!(
            "row {row}, column {name:?}: the row is larger than 64 MiB, {size} bytes of it here"
        );
        Fault {
            row,
            column,
            error: Error::exhausted("row-too-large", message),
        }
    }

    fn check(&self, batch: &RecordBatch, skip: Option<&BooleanBuffer>) -> Result<()> {
        let kinds = batch.columns().iter().map(|column| column.data_type());
        if !kinds.eq(self.columns.iter().map(|target| &target.kind)) {
            return Err(Error::schema(
                "changed-schema",
                "the batch is of another schema",
            ));
        }
        if skip.is_some_and(|skip| skip.len() != batch.num_rows()) {
            return Err(Error::schema(
                "mask-length",
                "the mask is not as long as the batch",
            ));
        }
        Ok(())
    }
}

fn refuse_nulls(values: &Values<'_>, faults: &mut Faults) {
    let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return;
    };
    for row in (0..nulls.len()).filter(|&row| nulls.is_null(row)) {
        let message = "the value is NULL, which the column refuses";
        faults.add(row, Error::data("null-value", message));
    }
}

/// Adds the tuples, of these sizes, of the rows that are not skipped: how many
/// they are.
fn lay_out(
    columns: &[Values<'_>],
    sizes: Vec<usize>,
    skipped: &[bool],
    out: &mut Vec<u8>,
) -> usize {
    // Rows that are skipped are put behind the others and cut off.
    let mut end = out.len();
    let mut places = sizes;
    for skip in [false, true] {
        for (place, _) in places
            .iter_mut()
            .zip(skipped)
            .filter(|(_, skipped)| **skipped == skip)
        {
            let size = *place;
            *place = end;
            end += size;
        }
    }
    let kept = skipped.iter().filter(|skipped| !**skipped).count();
    let first_skipped = places.iter().zip(skipped).find(|(_, skipped)| **skipped);
    let cut = first_skipped.map_or(end, |(place, _)| *place);
    out.resize(end, 0);
    // At most 1,600, as was made sure of.
    let count = (columns.len() as i16).to_be_bytes();
    let mut start = 0;
    for places in places.chunks_mut(BLOCK_ROWS) {
        for place in &mut *places {
            out[*place..*place + 2].copy_from_slice(&count);
            *place += 2;
        }
        for column in columns {
            column.write(start, places, out);
        }
        start += places.len();
    }
    out.truncate(cut);
    kept
}
