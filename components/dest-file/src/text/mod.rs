//! Rows as text: CSV and JSON Lines.

mod calendar;
mod cell;
mod csv;
mod json;
#[cfg(test)]
mod tests;

use arrow_array::{RecordBatch, new_empty_array};
use arrow_schema::{DataType, Schema};
use vesicle_connector::{Error, Result};

use crate::options::Format;
use crate::words::Word;
use cell::Cell;
use csv::Csv;

/// How the rows of a file are written.
pub enum Table {
    /// As CSV.
    Csv(Box<Csv>),
    /// As JSON Lines.
    Jsonl,
}

impl Table {
    /// CSV with so many columns.
    pub fn csv(delimiter: u8, null: &str, columns: usize) -> Self {
        Self::Csv(Box::new(Csv::new(delimiter, null, columns)))
    }

    /// JSON Lines.
    pub fn jsonl() -> Self {
        Self::Jsonl
    }

    /// Writes what comes before the rows.
    pub fn header(&self, schema: &Schema, out: &mut Vec<u8>) {
        if let Self::Csv(csv) = self {
            csv.header(schema, out);
        }
    }

    /// Writes rows, and calls `after` after each one.
    ///
    /// # Errors
    ///
    /// `internal` for a type that [`fits`] does not know; what `after` says.
    pub fn rows(
        &self,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
        mut after: impl FnMut(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let schema = batch.schema_ref();
        let columns = batch.columns().iter().zip(schema.fields());
        let format = self.format();
        let cells = columns.map(|(column, field)| {
            Cell::new(column.as_ref(), format).ok_or_else(|| {
                let message = format!("column {:?}: {}", field.name(), Word(field.data_type()));
                Error::internal("unsupported-type", message)
            })
        });
        let cells: Vec<Cell> = cells.collect::<Result<_>>()?;
        let keys = match self {
            Self::Csv(_) => Vec::new(),
            Self::Jsonl => json::keys(schema.fields()),
        };
        for row in 0..batch.num_rows() {
            match self {
                Self::Csv(csv) => csv.row(&cells, row, out),
                Self::Jsonl => {
                    json::object(&keys, &cells, row, out);
                    out.push(b'\n');
                }
            }
            after(out)?;
        }
        Ok(())
    }

    fn format(&self) -> Format {
        match self {
            Self::Csv(_) => Format::Csv,
            Self::Jsonl => Format::Jsonl,
        }
    }
}

/// Whether a text format can hold values of a type.
pub fn fits(kind: &DataType, format: Format) -> bool {
    Cell::new(new_empty_array(kind).as_ref(), format).is_some()
}
