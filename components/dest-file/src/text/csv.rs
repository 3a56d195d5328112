//! Rows as CSV: RFC 4180, with line feeds.
//!
//! Invariant: text is quoted wherever it would not read back as itself: where
//! it holds a delimiter, a quote or a line end, is empty, or is spelled as
//! readers spell NULL.

use arrow_schema::Schema;

use super::cell::{Cell, Values};

/// Spellings of NULL that readers take for one, whatever this file's is.
const NULLS: [&[u8]; 5] = [b"NA", b"N/A", b"NULL", b"null", b"\\N"];

/// How NULL is spelled where it would make a blank line, which is no row.
const NULL_ALONE: &str = "NULL";

/// How the rows of a CSV file are written.
pub struct Csv {
    delimiter: u8,
    null: Vec<u8>,
    /// The bytes that have to be in quotes.
    special: [bool; 256],
}

impl Csv {
    /// Rows of so many columns.
    pub fn new(delimiter: u8, null: &str, columns: usize) -> Self {
        let mut special = [false; 256];
        for byte in [delimiter, b'"', b'\n', b'\r'] {
            special[usize::from(byte)] = true;
        }
        let null = if null.is_empty() && columns == 1 {
            NULL_ALONE
        } else {
            null
        };
        Self {
            delimiter,
            null: null.as_bytes().to_vec(),
            special,
        }
    }

    /// Writes the names of the columns.
    pub fn header(&self, schema: &Schema, out: &mut Vec<u8>) {
        for (place, field) in schema.fields().iter().enumerate() {
            if place > 0 {
                out.push(self.delimiter);
            }
            self.text(field.name(), out);
        }
        out.push(b'\n');
    }

    /// Writes a row.
    pub fn row(&self, cells: &[Cell], row: usize, out: &mut Vec<u8>) {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                out.push(self.delimiter);
            }
            if cell.is_null(row) {
                out.extend_from_slice(&self.null);
                continue;
            }
            match &cell.values {
                Values::Null => out.extend_from_slice(&self.null),
                Values::Bare(write) | Values::Word(write) | Values::Json(write) => write(row, out),
                Values::Text(value) => self.text(value(row), out),
            }
        }
        out.push(b'\n');
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        let bytes = text.as_bytes();
        if !self.needs_quotes(bytes) {
            out.extend_from_slice(bytes);
            return;
        }
        out.push(b'"');
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
            out.extend_from_slice(&rest[..=at]);
            out.push(b'"');
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out.push(b'"');
    }

    fn needs_quotes(&self, text: &[u8]) -> bool {
        let (Some(first), Some(last)) = (text.first(), text.last()) else {
            return true;
        };
        // Spaces at the edge and the mark of UTF-8 are dropped by some readers.
        matches!(first, b' ' | b'\t' | 0xef)
            || matches!(last, b' ' | b'\t')
            || (text.len() <= 4 && NULLS.contains(&text))
            || text == self.null
            || text.iter().any(|byte| self.special[usize::from(*byte)])
    }
}
