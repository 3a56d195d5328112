//! The part of a text file that is in memory: a buffer that slides over the
//! unpacked bytes and grows to hold the record that is being read.
//!
//! Invariants: the unread bytes are contiguous; the buffer holds no more than
//! [`MAX_RECORD`] and one read; offsets are those of unpacked bytes.

use std::io::{self, Read};

use crate::input::Input;

/// The largest record, in bytes. A batch holds at least one record, and the
/// host takes no batch above 64 MiB.
pub const MAX_RECORD: usize = if cfg!(test) { 4096 } else { 60 * 1024 * 1024 };

/// How much is read at once. Tests read so little that every record lies on
/// some edge.
const READ: usize = if cfg!(test) { 16 } else { 512 * 1024 };

/// A buffer that slides over a file.
pub struct Window {
    input: Input,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of the first byte in the buffer.
    base: u64,
    at_end: bool,
}

impl Window {
    /// A window on a file that was opened at an offset.
    pub fn new(input: Input, offset: u64) -> Self {
        Self {
            input,
            buffer: vec![0; READ],
            start: 0,
            end: 0,
            base: offset,
            at_end: false,
        }
    }

    /// The bytes that have been read from the file and not consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether the file has no more bytes than [`Window::bytes`].
    pub fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Offset of the first byte that is not consumed.
    pub fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// How many bytes of the file, as it lies there, have been read.
    pub fn taken(&self) -> u64 {
        self.input.taken()
    }

    /// Passes over bytes.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Whether the unread bytes are more than a record may have.
    pub fn is_full(&self) -> bool {
        self.end - self.start > MAX_RECORD
    }

    /// Reads until the buffer is full, having made room: by at least as much
    /// as it held unread, so that reading a large record takes few attempts.
    ///
    /// # Errors
    ///
    /// What reading says.
    pub fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.end > self.buffer.len() / 2 {
            let room = (self.buffer.len() * 2).min(MAX_RECORD + READ);
            self.buffer.reserve_exact(room - self.buffer.len());
            self.buffer.resize(room, 0);
        } else if self.buffer.len() > 4 * READ && self.end < READ / 2 {
            // A large record has passed.
            self.buffer.truncate(READ);
            self.buffer.shrink_to_fit();
        }
        while self.end < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
