//! What looking at the first rows of a file shows.

use crate::infer::Guess;

/// How many bytes of a file are looked at, however few rows they are.
const SAMPLE_BYTES: usize = 16 * 1024 * 1024;

/// The columns of a file with what was seen in them.
#[derive(Debug)]
pub struct Sample {
    /// Names in the order of the file.
    pub columns: Vec<(String, Guess)>,
    /// Whether the whole file was looked at.
    pub whole: bool,
}

/// How much of a file may still be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    rows: u64,
    bytes: usize,
}

impl Budget {
    /// Some rows, and no more bytes than a limit.
    pub fn of_rows(rows: u64) -> Self {
        Self {
            rows,
            bytes: SAMPLE_BYTES,
        }
    }

    /// Whether one more row of some bytes may be looked at. The first one may
    /// be of any size.
    pub fn take(&mut self, bytes: usize) -> bool {
        if self.rows == 0 || self.bytes == 0 {
            return false;
        }
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}
