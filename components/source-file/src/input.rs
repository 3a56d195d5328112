//! The bytes of a file: as they are, or unpacked.
//!
//! Invariants: bytes come in order and each once; a gzip file that is cut off
//! is an error, not an end; a file may hold several gzip members, which are
//! one text. Reads from the file are large, because each one leaves the
//! sandbox.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};

/// How much of a packed file is read at once.
const PACKED_READ: usize = 256 * 1024;

/// What every gzip file begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As the file's first bytes say.
    Auto,
    /// Not at all.
    None,
    /// As gzip does.
    Gzip,
}

/// An open file.
pub struct Input {
    bytes: Bytes,
}

enum Bytes {
    Plain { file: File, taken: u64 },
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
}

impl Input {
    /// Opens a file at an offset into its unpacked bytes.
    ///
    /// # Errors
    ///
    /// What the file system says; what unpacking says, up to the offset.
    pub fn open(path: &str, compression: Compression, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let packed = match compression {
            Compression::None => false,
            Compression::Auto => is_gzip(&mut file)?,
            Compression::Gzip if is_gzip(&mut file)? => true,
            Compression::Gzip => {
                let message = "it does not begin as gzip data does";
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        };
        if !packed {
            if offset > 0 || compression == Compression::Auto {
                file.seek(SeekFrom::Start(offset))?;
            }
            return Ok(Self {
                bytes: Bytes::Plain { file, taken: 0 },
            });
        }
        file.seek(SeekFrom::Start(0))?;
        let reader = BufReader::with_capacity(PACKED_READ, Counted { file, taken: 0 });
        let mut decoder = Box::new(MultiGzDecoder::new(reader));
        let skipped = io::copy(&mut decoder.by_ref().take(offset), &mut io::sink())?;
        if skipped < offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self {
            bytes: Bytes::Gzip(decoder),
        })
    }

    /// How many bytes of the file, as it lies there, have been read.
    pub fn taken(&self) -> u64 {
        match &self.bytes {
            Bytes::Plain { taken, .. } => *taken,
            Bytes::Gzip(decoder) => decoder.get_ref().get_ref().taken,
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::Plain { file, taken } => {
                let count = file.read(buffer)?;
                *taken += count as u64;
                Ok(count)
            }
            Bytes::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    taken: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.taken += count as u64;
        Ok(count)
    }
}

fn is_gzip(file: &mut File) -> io::Result<bool> {
    let mut start = Vec::with_capacity(GZIP_MAGIC.len());
    file.take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == GZIP_MAGIC)
}
