//! CSV files: RFC 4180, with any delimiter, and line ends of any system.
//!
//! A field that is not quoted and is one of the NULL spellings is NULL. A
//! quoted field is a value where it can be one: `""` is the empty text in a
//! text column, and NULL in a column of another type.

mod field;
mod header;
mod reader;
mod records;
mod sample;
mod scanner;
mod syntax;

pub use reader::CsvReader;
pub use sample::sample;

/// How the fields of a CSV file are told apart.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// Stands between fields.
    pub delimiter: u8,
    /// Stands around fields that hold a delimiter, a quote or a line end.
    pub quote: Option<u8>,
    /// Whether the first row has the names of the columns.
    pub header: bool,
    /// Whether the user said nothing of the delimiter.
    pub assumed: bool,
}
