//! Finds the lines of a JSON Lines file.
//!
//! Invariant: a line that was looked at is whole, is UTF-8 and is not blank.

use memchr::memchr;
use vesicle_connector::{Error, Result};

use crate::blame::{self, Place};
use crate::window::Window;

/// Walks over the lines of a file.
pub struct Lines {
    path: String,
    window: Window,
    line: u64,
    /// Bytes of the line that was looked at, with its end.
    length: usize,
}

impl Lines {
    /// The lines of a window that begins at one.
    pub fn new(path: &str, window: Window, line: u64) -> Self {
        Self {
            path: path.to_owned(),
            window,
            line,
            length: 0,
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

    /// Looks at the next line that is not blank; false at the end.
    ///
    /// # Errors
    ///
    /// `data` for a line that is not UTF-8 or too large; what reading says.
    pub fn peek(&mut self) -> Result<bool> {
        loop {
            self.length = match memchr(b'\n', self.window.bytes()) {
                Some(at) => at + 1,
                None if self.window.is_at_end() => self.window.bytes().len(),
                None if self.window.is_full() => {
                    let hint = "; JSON Lines has one object a line";
                    return Err(blame::too_large(self.place(), hint));
                }
                None => {
                    self.fill()?;
                    continue;
                }
            };
            if self.length == 0 {
                return Ok(false);
            }
            if !self.window.bytes()[..self.length]
                .iter()
                .all(u8::is_ascii_whitespace)
            {
                return Ok(true);
            }
            self.advance();
        }
    }

    /// The line that was looked at.
    ///
    /// # Errors
    ///
    /// `data` if it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        let bytes = &self.window.bytes()[..self.length];
        str::from_utf8(bytes).map_err(|error| {
            let message = format!(
                "{}:{}: the line is not UTF-8; convert the file, for example with iconv -f \
                 latin1 -t utf-8",
                self.place(),
                error.valid_up_to() + 1
            );
            Error::data("not-utf-8", message)
        })
    }

    /// The line that was looked at, as it stands in the file.
    pub fn bytes(&self) -> &[u8] {
        &self.window.bytes()[..self.length]
    }

    /// Passes over the line that was looked at.
    pub fn advance(&mut self) {
        self.window.consume(self.length);
        self.line += 1;
        self.length = 0;
    }

    /// How many bytes the line that was looked at takes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The line that was looked at.
    pub fn place(&self) -> Place<'_> {
        Place {
            path: &self.path,
            line: self.line,
        }
    }

    /// Offset of the line.
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
}
