//! A file being written, which tells why it cannot be.
//!
//! In the sandbox a write to a stream that fails tells the standard library
//! only that it failed: wasi-libc makes `EIO` of every reason, also of a full
//! disk. Writing at an offset passes the reason on. Invariant: the offset is
//! how many bytes were written, nothing else writes to the file.

use std::fs::File;
use std::io::{self, Write};

/// A file being written from its start.
#[derive(Debug)]
pub struct Output {
    file: File,
    written: u64,
}

impl Output {
    /// A file that is empty.
    pub fn new(file: File) -> Self {
        Self { file, written: 0 }
    }

    /// How many bytes were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes its contents durable.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    #[cfg(target_os = "wasi")]
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::pwrite(&self.file, bytes, self.written)?)
    }

    #[cfg(not(target_os = "wasi"))]
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.write_some(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
