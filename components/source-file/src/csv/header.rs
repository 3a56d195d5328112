//! The names of the columns of a CSV file.

use vesicle_connector::{Error, Result};

use super::Dialect;
use super::scanner::Scanner;
use crate::blame;

/// The names, from the first record if it is a header; the scanner stands
/// before the first row of values afterwards.
///
/// A name that is empty is `column_N`, and so are all names without a header.
///
/// # Errors
///
/// `data` for a file without records, for one whose fields seem to be told
/// apart by another delimiter than assumed, for a name that is not UTF-8, and
/// for a name that occurs twice; what reading says.
pub fn read_header(path: &str, scanner: &mut Scanner, dialect: &Dialect) -> Result<Vec<String>> {
    scanner.skip_mark()?;
    if !scanner.peek()? {
        let message = if dialect.header {
            format!(
                "{path}: the file is empty; it needs a first line with the names of the columns"
            )
        } else {
            format!("{path}: the file is empty, so that its columns are not known")
        };
        return Err(Error::data("empty-file", message));
    }
    let record = scanner.records();
    if dialect.assumed
        && let [only] = record.fields
        && let Some(found) = other_delimiter(record.value(*only), dialect)
    {
        return Err(wrong_delimiter(scanner, dialect.delimiter, found));
    }
    if !dialect.header {
        return Ok((1..=record.fields.len()).map(unnamed).collect());
    }
    let mut names: Vec<String> = Vec::with_capacity(record.fields.len());
    for (index, field) in record.fields.iter().enumerate() {
        let text = record.value(*field);
        let name = str::from_utf8(text).map_err(|_| {
            let shown = blame::shorten(text);
            let message = format!(
                "{}: the name of column {}, {shown}, is not UTF-8; convert the file, for example \
                 with iconv -f latin1 -t utf-8",
                scanner.place(),
                index + 1
            );
            Error::data("not-utf-8", message)
        })?;
        let name = if field.is_bare() { name.trim() } else { name };
        let name = if name.is_empty() {
            unnamed(index + 1)
        } else {
            name.to_owned()
        };
        if let Some(before) = names.iter().position(|other| *other == name) {
            let message = format!(
                "{}: columns {} and {} are both named {name:?}; rename one of them",
                scanner.place(),
                before + 1,
                index + 1
            );
            return Err(Error::data("duplicate-column", message));
        }
        names.push(name);
    }
    scanner.advance();
    Ok(names)
}

/// What else seems to stand between the fields of a line that has only one.
fn other_delimiter(line: &[u8], dialect: &Dialect) -> Option<u8> {
    let count = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    let others = b",;\t|".iter().filter(|other| **other != dialect.delimiter);
    let found = others.copied().max_by_key(count)?;
    (count(&found) > 0).then_some(found)
}

fn wrong_delimiter(scanner: &Scanner, assumed: u8, found: u8) -> Error {
    let shown = |delimiter| match delimiter {
        b'\t' => "\\t".to_owned(),
        other => char::from(other).to_string(),
    };
    let (assumed, found) = (shown(assumed), shown(found));
    let message = format!(
        "{}: the first line has no \"{assumed}\" but \"{found}\"; set delimiter: \"{found}\" if that \
         stands between the fields, or delimiter: \"{assumed}\" if the file has one column",
        scanner.place()
    );
    Error::data("wrong-delimiter", message)
}

fn unnamed(position: usize) -> String {
    format!("column_{position}")
}
