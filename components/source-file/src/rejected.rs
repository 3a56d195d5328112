//! Rows of a text file that cannot be read, until their batch is emitted.

use vesicle_connector::{Error, Reject};

/// So many bytes of them are enough for a batch.
const ENOUGH: usize = if cfg!(test) { 64 } else { 1024 * 1024 };

/// The rows that cannot be read among those of a batch.
#[derive(Default)]
pub struct Rejected {
    rejects: Vec<Reject>,
    bytes: usize,
}

impl Rejected {
    /// Adds a row as it stands in the file.
    pub fn add(&mut self, row: &[u8], reason: Error) {
        let row = as_found(row);
        self.bytes += row.len() + reason.message.len();
        self.rejects.push(Reject { row, reason });
    }

    /// Whether the batch ends with them.
    pub fn is_full(&self) -> bool {
        self.bytes >= ENOUGH
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rejects.is_empty()
    }

    /// All of them; none are left.
    pub fn take(&mut self) -> Vec<Reject> {
        self.bytes = 0;
        std::mem::take(&mut self.rejects)
    }
}

/// A row without its line end; bytes that are not UTF-8 as `\xE9`.
fn as_found(row: &[u8]) -> String {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    let mut text = String::with_capacity(row.len());
    for chunk in row.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}
