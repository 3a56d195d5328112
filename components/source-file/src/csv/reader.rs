//! Reads the rows of a CSV file from an offset on.
//!
//! Invariant: between two batches the reader stands at the start of a record,
//! so that its offset and line are a cursor.

use vesicle_connector::{Error, Result};

use super::header::read_header;
use super::scanner::Scanner;
use crate::batch::BatchBuilder;
use crate::blame;
use crate::column::{Column, Misfit};
use crate::cursor::TextPlace;
use crate::input::Input;
use crate::layout::{ColumnLayout, Projection};
use crate::nulls::NullSet;
use crate::options::Options;
use crate::reading::{Rows, TextReader};
use crate::rejected::Rejected;
use crate::value;
use crate::window::Window;

/// Where a column comes from.
struct Source {
    /// Which field of a record it is.
    place: usize,
    /// Whether a field is looked up among the spellings of NULL before it is
    /// read as a value; otherwise only one that is no value is.
    null_first: bool,
}

/// Reads the rows of a CSV file.
pub struct CsvReader {
    scanner: Scanner,
    batch: BatchBuilder,
    /// Where the columns of a batch come from.
    sources: Vec<Source>,
    /// How many fields a row has.
    width: usize,
    nulls: NullSet,
    /// Whether a row that cannot be read is no error.
    rejects: bool,
    rejected: Rejected,
    /// How many records are converted one by one, since one of them does not
    /// fit.
    careful: usize,
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
        let names = read_header(path, &mut scanner, options)?;
        let sources = sources(path, &names, projection, &options.nulls)?;
        if place.offset > 0 {
            scanner = Scanner::new(path, open(place.offset)?, &options.dialect, place.line);
        }
        Ok(Self {
            scanner,
            batch: BatchBuilder::new(&projection.wanted),
            sources,
            width: names.len(),
            nulls: options.nulls.clone(),
            rejects: options.rejects,
            rejected: Rejected::default(),
            careful: 0,
        })
    }

    /// Converts the records that were looked at, column by column. Where one of
    /// them does not fit and rejects are wanted, a single one becomes one; of
    /// more nothing is converted, and `false` says so.
    fn push_records(&mut self) -> Result<bool> {
        let records = self.scanner.records();
        let nulls = &self.nulls;
        let all = records.fields.len() / self.width;
        let mut rows = all;
        let mut text_bytes = 0;
        let mut unfit = None;
        for (index, (source, column)) in
            self.sources.iter().zip(&mut self.batch.columns).enumerate()
        {
            let first = source.null_first.then_some(nulls);
            let cells = records.column(source.place, self.width, rows, first);
            match column.extend(cells, |text| nulls.contains(text)) {
                Ok(bytes) => text_bytes += bytes,
                Err(found) => {
                    // Of the columns after it only the rows before count.
                    rows = found.row;
                    unfit = Some((index, found.misfit));
                }
            }
        }
        if let Some((index, misfit)) = unfit {
            if !self.rejects {
                return Err(self.misfit(rows, index, misfit)?);
            }
            self.batch.undo();
            if all > 1 {
                self.careful = all;
                return Ok(false);
            }
            let reason = self.misfit(0, index, misfit)?;
            self.rejected.add(self.scanner.text(), reason);
            return Ok(true);
        }
        self.batch.end_rows(rows, text_bytes);
        Ok(true)
    }

    /// Whether the record that was looked at belongs to the next batch.
    fn is_full(&self) -> bool {
        self.rejected.is_full() || self.batch.fill().is_full_for(self.scanner.length())
    }

    /// The error of a value of the records that were looked at, which the
    /// scanner walks over once more to know its line.
    fn misfit(&mut self, row: usize, index: usize, misfit: Misfit) -> Result<Error> {
        self.scanner.peek()?;
        for _ in 0..row {
            self.scanner.advance();
            self.scanner.peek()?;
        }
        let record = self.scanner.records();
        let value = record.value(record.fields[self.sources[index].place]);
        let column = &self.batch.columns[index];
        let place = self.scanner.place();
        let name = self.batch.name(index);
        Ok(blame::misfit(
            place,
            name,
            column,
            value,
            misfit,
            SPELLED_NULL,
        ))
    }
}

impl TextReader for CsvReader {
    fn next(&mut self) -> Result<Option<Rows>> {
        while self.scanner.peek()? && !self.is_full() {
            if self.scanner.records().fields.len() != self.width {
                let reason = wrong_width(&self.scanner, self.width);
                if !self.rejects {
                    return Err(reason);
                }
                self.rejected.add(self.scanner.text(), reason);
                self.careful = self.careful.saturating_sub(1);
                self.scanner.advance();
                continue;
            }
            // A text has at most the bytes of its record, so that a row which is
            // not of this batch is never among them.
            let mut fill = self.batch.fill();
            fill.add(1, self.scanner.length());
            if self.careful > 0 {
                self.careful -= 1;
            } else {
                self.scanner.peek_more(self.width, |length| {
                    let fits = !fill.is_full_for(length);
                    if fits {
                        fill.add(1, length);
                    }
                    fits
                });
            }
            if self.push_records()? {
                self.scanner.advance();
            }
        }
        if self.batch.rows() == 0 && self.rejected.is_empty() {
            return Ok(None);
        }
        let place = TextPlace {
            offset: self.scanner.offset(),
            line: self.scanner.place().line,
        };
        Ok(Some(Rows {
            batch: self.batch.finish()?,
            rejects: self.rejected.take(),
            place,
        }))
    }

    fn taken(&self) -> u64 {
        self.scanner.taken()
    }
}

/// For each wanted column where it comes from.
fn sources(
    path: &str,
    names: &[String],
    projection: &Projection,
    nulls: &NullSet,
) -> Result<Vec<Source>> {
    projection.check_names(path, names)?;
    let source = |column: &ColumnLayout| {
        Some(Source {
            place: names.iter().position(|name| *name == column.name)?,
            null_first: is_null_first(column, nulls),
        })
    };
    // The check found all of them.
    Ok(projection.wanted.iter().filter_map(source).collect())
}

/// Whether a spelling of NULL could be taken for something else.
fn is_null_first(column: &ColumnLayout, nulls: &NullSet) -> bool {
    let mut values = Column::new(column.kind, !column.declared, 0);
    column.kind.is_text()
        || nulls.spellings().any(|spelling| {
            value::trim(spelling).len() < spelling.len() || values.push(spelling).is_ok()
        })
}

/// What else to do about a value that does not fit.
const SPELLED_NULL: &str = ", or add the value to null_values if it means NULL";

/// A record with more or fewer fields than the header.
pub fn wrong_width(scanner: &Scanner, expected: usize) -> Error {
    let found = scanner.records().fields.len();
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
