//! Reads the rows of a CSV file from an offset on.
//!
//! Invariant: between two batches the reader stands at the start of a record,
//! so that its offset and line are a cursor.

use vesicle_connector::{Error, Result};

use super::header::read_header;
use super::scanner::{Quoting, Scanner};
use crate::batch::BatchBuilder;
use crate::blame;
use crate::cursor::TextPlace;
use crate::input::Input;
use crate::layout::{ColumnLayout, Projection};
use crate::nulls::NullSet;
use crate::options::Options;
use crate::reading::{Rows, TextReader};
use crate::value;
use crate::window::Window;

/// Reads the rows of a CSV file.
pub struct CsvReader {
    scanner: Scanner,
    batch: BatchBuilder,
    /// For each column of a batch its place in the file.
    order: Vec<usize>,
    /// How many fields a row has.
    width: usize,
    nulls: NullSet,
    scratch: Vec<u8>,
}

impl CsvReader {
    /// Opens a file at a place.
    ///
    /// # Errors
    ///
    /// `schema` if the file has other columns than planned; `data` where it is
    /// not CSV; what reading says.
    pub fn open(
        path: &str,
        options: &Options,
        projection: &Projection,
        place: TextPlace,
    ) -> Result<Self> {
        let open = |offset| {
            let input = Input::open(path, options.compression, offset);
            let input = input.map_err(|error| blame::io(path, error))?;
            Ok::<_, Error>(Window::new(input, offset))
        };
        let mut scanner = Scanner::new(path, open(0)?, &options.dialect, 1);
        let names = read_header(path, &mut scanner, &options.dialect)?;
        let order = order(path, &names, projection)?;
        if place.offset > 0 {
            scanner = Scanner::new(path, open(place.offset)?, &options.dialect, place.line);
        }
        Ok(Self {
            scanner,
            batch: BatchBuilder::new(&projection.wanted),
            order,
            width: names.len(),
            nulls: options.nulls.clone(),
            scratch: Vec::new(),
        })
    }

    fn push_row(&mut self) -> Result<()> {
        let record = self.scanner.record();
        if record.fields.len() != self.width {
            return Err(wrong_width(&self.scanner, self.width));
        }
        let mut text_bytes = 0;
        for (index, (place, column)) in self.order.iter().zip(&mut self.batch.columns).enumerate() {
            let field = record.fields[*place];
            let value = record.value(field, &mut self.scratch);
            if field.quoting == Quoting::Bare && self.nulls.contains(value) {
                column.push_null();
                continue;
            }
            let Err(misfit) = column.push(value) else {
                if column.kind().is_text() {
                    text_bytes += value.len();
                }
                continue;
            };
            if !column.kind().is_text() && self.nulls.contains(value::trim(value)) {
                column.push_null();
                continue;
            }
            let error = |column| {
                let name = &self.batch.name(index);
                blame::misfit(
                    self.scanner.place(),
                    name,
                    column,
                    value,
                    misfit,
                    SPELLED_NULL,
                )
            };
            return Err(error(&self.batch.columns[index]));
        }
        self.batch.end_row(text_bytes);
        Ok(())
    }
}

impl TextReader for CsvReader {
    fn next(&mut self) -> Result<Option<Rows>> {
        while self.scanner.peek()? && !self.batch.is_full_for(self.scanner.length()) {
            self.push_row()?;
            self.scanner.advance();
        }
        if self.batch.rows() == 0 {
            return Ok(None);
        }
        let place = TextPlace {
            offset: self.scanner.offset(),
            line: self.scanner.place().line,
        };
        Ok(Some(Rows {
            batch: self.batch.finish()?,
            place,
        }))
    }

    fn taken(&self) -> u64 {
        self.scanner.taken()
    }
}

/// For each wanted column its place in the file.
fn order(path: &str, names: &[String], projection: &Projection) -> Result<Vec<usize>> {
    projection.check_names(path, names)?;
    let place = |column: &ColumnLayout| names.iter().position(|name| *name == column.name);
    // The check found all of them.
    Ok(projection.wanted.iter().filter_map(place).collect())
}

/// What else to do about a value that does not fit.
const SPELLED_NULL: &str = ", or add the value to null_values if it means NULL";

/// A record with more or fewer fields than the header.
pub fn wrong_width(scanner: &Scanner, expected: usize) -> Error {
    let found = scanner.record().fields.len();
    let fields = if found == 1 {
        "1 field".to_owned()
    } else {
        format!("{found} fields")
    };
    let wanted = if expected == 1 {
        "1 is expected".to_owned()
    } else {
        format!("{expected} are expected")
    };
    let hint = if expected == 1 {
        "is the delimiter another one?"
    } else if found > expected {
        "a value that holds the delimiter must be quoted"
    } else {
        "is the row cut off, or is the delimiter another one?"
    };
    let message = format!("{}: {fields} where {wanted}; {hint}", scanner.place());
    Error::data("wrong-number-of-fields", message)
}
