//! Errors about the contents of files: which file, which line, which column,
//! which value, and what to do.

use std::fmt;
use std::io;

use vesicle_connector::{Error, Result};

use crate::column::{Column, Misfit};
use crate::window::MAX_RECORD;

/// How much of a value an error shows.
const SHOWN: usize = 60;

/// A line of a file, as `flights.csv:14`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file, as the user named it.
    pub path: &'a str,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// A value that is not of its column's type. Where the type was inferred, the
/// error ends with what else to do.
pub fn misfit(
    place: Place,
    name: &str,
    column: &Column,
    value: &[u8],
    misfit: Misfit,
    or_else: &str,
) -> Error {
    let kind = column.kind();
    let shown = shorten(value);
    if misfit == Misfit::Encoding {
        let message = format!(
            "{place}: column {name:?}: {shown} is not UTF-8; convert the file, for example with \
             iconv -f latin1 -t utf-8"
        );
        return Error::data("not-utf-8", message);
    }
    let message = if column.is_strict() {
        format!(
            "{place}: column {name:?}: {shown} is not of type {kind}, which the rows before and \
             the sample have; declare the column's type (columns: {{ {name}: text }} takes \
             everything), or raise sample_rows{or_else}"
        )
    } else {
        format!(
            "{place}: column {name:?}: {shown} is not of type {kind}, as columns declares it; \
             correct the value, or declare the column as text"
        )
    };
    Error::data("bad-value", message)
}

/// A value for people: quoted, no longer than fits on a line.
pub fn shorten(value: &[u8]) -> String {
    if let Ok(text) = str::from_utf8(value) {
        let mut short: String = text.chars().take(SHOWN).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        return format!("{short:?}");
    }
    let end = if value.len() > SHOWN { "…" } else { "" };
    format!(
        "\"{}{end}\"",
        value[..value.len().min(SHOWN)].escape_ascii()
    )
}

/// A row above the limit.
pub fn too_large(place: Place, hint: &str) -> Error {
    let limit = MAX_RECORD.div_ceil(1024 * 1024);
    let message =
        format!("{place}: the row is larger than {limit} MiB, the limit for one row{hint}");
    Error::data("row-too-large", message)
}

/// What went wrong with reading a file.
pub fn io(path: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            let message = format!(
                "{path}: the gzip data ends too early; the file is cut off, fetch it again"
            );
            Error::data("gzip-cut-off", message)
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            let message = format!(
                "{path}: not valid gzip data ({error}); if it is not packed, set compression: none"
            );
            Error::data("bad-gzip", message)
        }
        io::ErrorKind::NotFound => {
            Error::not_found("no-such-file", format!("{path}: there is no such file"))
        }
        io::ErrorKind::IsADirectory => {
            let message = format!("{path} is a folder; name files, for example {path}/*.csv");
            Error::configuration("path-is-a-folder", message)
        }
        _ => Error::from(error).context(path),
    }
}

/// Text that only looks like a text file of another encoding.
///
/// # Errors
///
/// `data` (`utf-16`) if the file begins as UTF-16 does.
pub fn refuse_utf_16(path: &str, start: &[u8]) -> Result<()> {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        let message = format!(
            "{path}: the file is UTF-16; convert it, for example with iconv -f utf-16 -t utf-8"
        );
        return Err(Error::data("utf-16", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_no_longer_than_fits_on_a_line() {
        assert_eq!(shorten(b"5x7"), "\"5x7\"");
        assert_eq!(shorten(b"caf\xe9"), "\"caf\\xe9\"");
        assert_eq!(
            shorten("ä".repeat(100).as_bytes()),
            format!("\"{}…\"", "ä".repeat(60))
        );
    }
}
