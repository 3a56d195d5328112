//! The names of the columns of a CSV file.

use vesicle_connector::{Error, Result};

use super::Dialect;
use super::records::Records;
use super::scanner::Scanner;
use crate::blame::{self, Place};
use crate::options::Options;

/// The names, from the first record if it is a header; the scanner stands
/// before the first row of values afterwards.
///
/// A name that is empty is `column_N`, and so are all names without a header.
///
/// # Errors
///
/// `data` for a file without records, for one whose fields seem to be told
/// apart by another delimiter than assumed, or than said unless the only column
/// is declared, for a name that is not UTF-8, and for a name that occurs twice;
/// what reading says.
pub fn read_header(path: &str, scanner: &mut Scanner, options: &Options) -> Result<Vec<String>> {
    let dialect = &options.dialect;
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
    let line = scanner.place().line;
    scanner.advance();
    if let [only] = &names[..]
        && !options.declared.iter().any(|(name, _)| name == only)
        && scanner.peek()?
        && let Some(found) = common_delimiter(only, &scanner.records(), dialect)
    {
        return Err(not_one_column(
            Place { path, line },
            only,
            dialect.delimiter,
            found,
        ));
    }
    Ok(names)
}

/// What else seems to stand between the fields of a line that has only one.
fn other_delimiter(line: &[u8], dialect: &Dialect) -> Option<u8> {
    let times = |delimiter: &u8| count(line, *delimiter);
    let found = other_delimiters(dialect).max_by_key(times)?;
    (times(&found) > 0).then_some(found)
}

/// What stands as often in the name of the only column as in the first row,
/// unless quotes say that the row is one field.
fn common_delimiter(name: &str, row: &Records, dialect: &Dialect) -> Option<u8> {
    let [only] = row.fields else {
        return None;
    };
    if !only.is_bare() {
        return None;
    }
    let value = row.value(*only);
    other_delimiters(dialect).find(|other| {
        let times = count(name.as_bytes(), *other);
        times > 0 && times == count(value, *other)
    })
}

fn other_delimiters(dialect: &Dialect) -> impl Iterator<Item = u8> {
    let delimiter = dialect.delimiter;
    b",;\t|"
        .iter()
        .copied()
        .filter(move |other| *other != delimiter)
}

fn count(text: &[u8], delimiter: u8) -> usize {
    text.iter().filter(|byte| **byte == delimiter).count()
}

/// A delimiter as the user writes it.
fn shown(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "\\t".to_owned(),
        other => char::from(other).to_string(),
    }
}

fn not_one_column(place: Place, name: &str, said: u8, found: u8) -> Error {
    let (said, found) = (shown(said), shown(found));
    let message = format!(
        "{place}: the first lines have no \"{said}\" but \"{found}\"; set delimiter: \"{found}\" if \
         that stands between the fields, or declare the column if the file has one: \
         columns: {{ {name:?}: text }}"
    );
    Error::data("wrong-delimiter", message)
}

fn wrong_delimiter(scanner: &Scanner, assumed: u8, found: u8) -> Error {
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
