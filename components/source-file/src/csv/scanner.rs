//! Finds the records of a CSV file and their fields.
//!
//! Invariants: a record is found whole or not at all; offsets and line numbers
//! are those of the record's start, whatever line ends its fields contain;
//! bytes are looked at, not copied.

use memchr::{memchr, memchr_iter};
use vesicle_connector::{Error, Result};

use super::Dialect;
use crate::blame::{self, Place};
use crate::window::Window;

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// Without quotes.
    Bare,
    /// In quotes.
    Quoted,
    /// In quotes, with doubled quotes inside.
    Escaped,
}

/// Where a field lies in its record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    start: u32,
    end: u32,
    /// How it is written.
    pub quoting: Quoting,
}

/// A record that was found.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
    quote: Option<u8>,
    /// Its fields.
    pub fields: &'a [Field],
}

impl<'a> Record<'a> {
    /// The bytes of a field as it is meant, without its quotes. `scratch` holds
    /// them if they are not in the file as such.
    #[inline]
    pub fn value<'s>(&self, field: Field, scratch: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        let text = &self.bytes[field.start as usize..field.end as usize];
        match (field.quoting, self.quote) {
            (Quoting::Escaped, Some(quote)) => {
                unescape(text, quote, scratch);
                scratch
            }
            _ => text,
        }
    }
}

/// What became of looking for a record.
enum Scan {
    /// It is this long, and this many lines.
    Record { length: usize, lines: u64 },
    /// Its end is not in the window.
    Incomplete,
    /// After this many lines something is wrong.
    Bad { lines: u64, error: Bad },
}

enum Bad {
    OpenQuote,
    TextAfterQuote,
}

/// Walks over the records of a file.
pub struct Scanner {
    path: String,
    window: Window,
    delimiter: u8,
    quote: Option<u8>,
    /// The bytes that end a field that is not quoted.
    ends_field: [bool; 256],
    line: u64,
    fields: Vec<Field>,
    length: usize,
    lines: u64,
}

impl Scanner {
    /// A scanner over a window that begins at a record, on a line.
    pub fn new(path: &str, window: Window, dialect: &Dialect, line: u64) -> Self {
        let mut ends_field = [false; 256];
        for byte in [dialect.delimiter, b'\n', b'\r'] {
            ends_field[usize::from(byte)] = true;
        }
        Self {
            path: path.to_owned(),
            window,
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            ends_field,
            line,
            fields: Vec::new(),
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
            match self.scan() {
                Scan::Record { length, lines } => {
                    self.length = length;
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

    /// Passes over the record that was looked at.
    pub fn advance(&mut self) {
        self.window.consume(self.length);
        self.line += self.lines;
        self.length = 0;
        self.lines = 0;
    }

    /// The record that was looked at.
    #[inline]
    pub fn record(&self) -> Record<'_> {
        let bytes = &self.window.bytes()[..self.length];
        Record {
            bytes,
            quote: self.quote,
            fields: &self.fields,
        }
    }

    /// How many bytes the record that was looked at takes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where the record begins.
    pub fn place(&self) -> Place<'_> {
        Place {
            path: &self.path,
            line: self.line,
        }
    }

    /// Offset of the record.
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
            let length = match (self.window.bytes(), self.window.is_at_end()) {
                ([b'\n', ..], _) => 1,
                ([b'\r', b'\n', ..], _) => 2,
                ([b'\r', _, ..], _) | ([b'\r'], true) => 1,
                ([b'\r'] | [], false) => {
                    self.fill()?;
                    continue;
                }
                ([], true) => return Ok(false),
                _ => return Ok(true),
            };
            self.window.consume(length);
            self.line += 1;
        }
    }

    fn scan(&mut self) -> Scan {
        let bytes = self.window.bytes();
        let at_end = self.window.is_at_end();
        self.fields.clear();
        let mut lines = 1;
        let mut at = 0;
        loop {
            let field = match self.quote {
                Some(quote) if bytes.get(at) == Some(&quote) => {
                    let start = at + 1;
                    let Some((end, escaped)) = closing_quote(bytes, start, quote) else {
                        if !at_end {
                            return Scan::Incomplete;
                        }
                        return Scan::Bad {
                            lines: lines - 1,
                            error: Bad::OpenQuote,
                        };
                    };
                    // The last byte may be the first of two quotes.
                    if end + 1 == bytes.len() && !at_end {
                        return Scan::Incomplete;
                    }
                    lines += line_ends(&bytes[start..end]);
                    at = end + 1;
                    let quoting = if escaped {
                        Quoting::Escaped
                    } else {
                        Quoting::Quoted
                    };
                    Field {
                        start: start as u32,
                        end: end as u32,
                        quoting,
                    }
                }
                _ => {
                    let start = at;
                    let rest = &bytes[start..];
                    let ends = |byte: &u8| self.ends_field[usize::from(*byte)];
                    match rest.iter().position(ends) {
                        Some(length) => at += length,
                        None if at_end => at = bytes.len(),
                        None => return Scan::Incomplete,
                    }
                    Field {
                        start: start as u32,
                        end: at as u32,
                        quoting: Quoting::Bare,
                    }
                }
            };
            self.fields.push(field);
            match bytes.get(at) {
                Some(byte) if *byte == self.delimiter => at += 1,
                Some(b'\n') => {
                    return Scan::Record {
                        length: at + 1,
                        lines,
                    };
                }
                Some(b'\r') => {
                    let length = match bytes.get(at + 1) {
                        Some(b'\n') => at + 2,
                        None if !at_end => return Scan::Incomplete,
                        _ => at + 1,
                    };
                    return Scan::Record { length, lines };
                }
                // Without a line end only where the file ends.
                None => return Scan::Record { length: at, lines },
                Some(_) => {
                    return Scan::Bad {
                        lines: lines - 1,
                        error: Bad::TextAfterQuote,
                    };
                }
            }
        }
    }

    fn bad(&self, lines: u64, error: Bad) -> Error {
        let place = Place {
            path: &self.path,
            line: self.line + lines,
        };
        let column = self.fields.len() + 1;
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

/// Where the quote is that closes a field, and whether doubled ones precede it.
fn closing_quote(bytes: &[u8], start: usize, quote: u8) -> Option<(usize, bool)> {
    let mut at = start;
    let mut escaped = false;
    loop {
        let end = at + memchr(quote, &bytes[at..])?;
        if bytes.get(end + 1) != Some(&quote) {
            return Some((end, escaped));
        }
        escaped = true;
        at = end + 2;
    }
}

/// How many lines end in a text: by a line feed, or by a carriage return alone.
fn line_ends(text: &[u8]) -> u64 {
    let feeds = memchr_iter(b'\n', text).count();
    let returns = memchr_iter(b'\r', text).filter(|at| text.get(at + 1) != Some(&b'\n'));
    (feeds + returns.count()) as u64
}

fn unescape(text: &[u8], quote: u8, into: &mut Vec<u8>) {
    into.clear();
    let mut rest = text;
    while let Some(at) = memchr(quote, rest) {
        into.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or(&[]);
    }
    into.extend_from_slice(rest);
}
