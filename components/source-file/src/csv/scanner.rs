//! Walks over the records of a CSV file.
//!
//! Invariants: offsets and line numbers are those of the record's start,
//! whatever line ends its fields contain; the window does not slide while
//! records that were looked at are not passed over.

use vesicle_connector::{Error, Result};

use super::Dialect;
use super::field::Fields;
use super::records::Records;
use super::syntax::{Bad, Scan, Syntax};
use crate::blame::{self, Place};
use crate::window::Window;

/// How many records are looked at together: so few that their fields stay in
/// the processor's cache.
const MOST_RECORDS: usize = if cfg!(test) { 4 } else { 256 };

/// No record is looked at after so many bytes: one that turns out to be of the
/// next batch is looked for again.
const ENOUGH: usize = 64 * 1024;

/// Walks over the records of a file.
pub struct Scanner {
    path: String,
    window: Window,
    syntax: Syntax,
    line: u64,
    fields: Fields,
    length: usize,
    lines: u64,
}

impl Scanner {
    /// A scanner over a window that begins at a record, on a line.
    pub fn new(path: &str, window: Window, dialect: &Dialect, line: u64) -> Self {
        Self {
            path: path.to_owned(),
            window,
            syntax: Syntax::new(dialect),
            line,
            fields: Fields::default(),
            length: 0,
            lines: 0,
        }
    }

    /// Passes over the mark that some programs put before UTF-8 text.
    ///
    /// # Errors
    ///
    /// `data` for UTF-16; what reading says.
    pub fn skip_mark(&mut self) -> Result<()> {
        self.fill()?;
        blame::refuse_utf_16(&self.path, self.window.bytes())?;
        if self.window.bytes().starts_with(b"\xef\xbb\xbf") {
            self.window.consume(3);
        }
        Ok(())
    }

    /// Looks at the next record, passing over blank lines; false at the end.
    ///
    /// # Errors
    ///
    /// `data` for a record that is not CSV or is too large; what reading says.
    pub fn peek(&mut self) -> Result<bool> {
        if !self.skip_blank_lines()? {
            return Ok(false);
        }
        loop {
            self.fields.clear();
            let at_end = self.window.is_at_end();
            let bytes = self.window.bytes();
            match self.syntax.scan(bytes, 0, at_end, &mut self.fields) {
                Scan::Record { end, lines } => {
                    self.length = end;
                    self.lines = lines;
                    return Ok(true);
                }
                Scan::Incomplete if self.window.is_full() => {
                    let hint = "; a quote that is never closed is the usual reason";
                    return Err(blame::too_large(self.place(), hint));
                }
                Scan::Incomplete => self.fill()?,
                Scan::Bad { lines, error } => return Err(self.bad(lines, error)),
            }
        }
    }

    /// Looks at records after the one that was looked at, as long as they are in
    /// the window, have so many fields and are taken, given their length.
    pub fn peek_more(&mut self, width: usize, mut takes: impl FnMut(usize) -> bool) {
        let at_end = self.window.is_at_end();
        let bytes = self.window.bytes();
        for records in 1..MOST_RECORDS {
            if self.length >= ENOUGH {
                return;
            }
            let mut start = self.length;
            let mut blank = 0;
            loop {
                match blank_line(&bytes[start..], at_end) {
                    Some(0) => break,
                    Some(length) => start += length,
                    None => return,
                }
                blank += 1;
            }
            match self.syntax.scan(bytes, start, at_end, &mut self.fields) {
                Scan::Record { end, lines }
                    if self.fields.list.len() == (records + 1) * width && takes(end - start) =>
                {
                    self.length = end;
                    self.lines += blank + lines;
                }
                _ => {
                    self.fields.list.truncate(records * width);
                    return;
                }
            }
        }
    }

    /// Passes over the records that were looked at.
    pub fn advance(&mut self) {
        self.window.consume(self.length);
        self.line += self.lines;
        self.length = 0;
        self.lines = 0;
    }

    /// The records that were looked at.
    pub fn records(&self) -> Records<'_> {
        Records {
            bytes: self.window.bytes(),
            unescaped: &self.fields.unescaped,
            fields: &self.fields.list,
        }
    }

    /// The records that were looked at, as they stand in the file.
    pub fn text(&self) -> &[u8] {
        &self.window.bytes()[..self.length]
    }

    /// How many bytes the records that were looked at take.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where the first of them begins.
    pub fn place(&self) -> Place<'_> {
        Place {
            path: &self.path,
            line: self.line,
        }
    }

    /// Offset of the first of them.
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// How many bytes of the file, as it lies there, have been read.
    pub fn taken(&self) -> u64 {
        self.window.taken()
    }

    fn fill(&mut self) -> Result<()> {
        self.window
            .fill()
            .map_err(|error| blame::io(&self.path, error))
    }

    fn skip_blank_lines(&mut self) -> Result<bool> {
        loop {
            let at_end = self.window.is_at_end();
            match blank_line(self.window.bytes(), at_end) {
                Some(0) => return Ok(true),
                Some(length) => {
                    self.window.consume(length);
                    self.line += 1;
                }
                None if at_end => return Ok(false),
                None => self.fill()?,
            }
        }
    }

    fn bad(&self, lines: u64, error: Bad) -> Error {
        let place = Place {
            path: &self.path,
            line: self.line + lines,
        };
        let column = self.fields.list.len() + 1;
        match error {
            Bad::OpenQuote => {
                let message = format!(
                    "{place}: field {column} opens a quote that is not closed before the end of \
                     the file; close it, or set quote: \"\" if quotes mean nothing in this file"
                );
                Error::data("open-quote", message)
            }
            Bad::TextAfterQuote => {
                let message = format!(
                    "{place}: field {} has text after its closing quote; write a quote inside a \
                     quoted field twice, or set quote: \"\" if quotes mean nothing in this file",
                    column - 1
                );
                Error::data("text-after-quote", message)
            }
        }
    }
}

/// How many bytes the blank line has that bytes begin with, zero if it is not
/// blank; none if there is no line, or if not enough of it is there.
#[inline(always)]
fn blank_line(bytes: &[u8], at_end: bool) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        [b'\r', _, ..] => Some(1),
        [b'\r'] => at_end.then_some(1),
        [] => None,
        _ => Some(0),
    }
}
