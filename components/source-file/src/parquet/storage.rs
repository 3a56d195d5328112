//! The bytes of a Parquet file, for a reader that jumps about in it.
//!
//! Invariants: what is remembered is bounded, whatever the file; small reads
//! become large ones, because each one leaves the sandbox.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// How much is read at once.
const SEGMENT: u64 = 256 * 1024;

/// How many segments are remembered: one for each column that is read, of not
/// too many.
const REMEMBERED: usize = 64;

/// An open file, and parts of it.
#[derive(Clone)]
pub struct Storage {
    size: u64,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    file: File,
    size: u64,
    segments: HashMap<u64, Segment>,
    uses: u64,
}

struct Segment {
    bytes: Bytes,
    last_used: u64,
}

impl Storage {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn open(path: &str) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let shared = Shared {
            file,
            size,
            segments: HashMap::new(),
            uses: 0,
        };
        Ok(Self {
            size,
            shared: Arc::new(Mutex::new(shared)),
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> io::Result<T>) -> io::Result<T> {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Length for Storage {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Storage {
    type T = At;

    fn get_read(&self, start: u64) -> Result<At> {
        Ok(At {
            storage: self.clone(),
            offset: start,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start
            .checked_add(length as u64)
            .is_none_or(|end| end > self.size)
        {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} are wanted, the file has {}",
                self.size
            )));
        }
        Ok(self.with(|shared| shared.bytes(start, length))?)
    }
}

/// Reads on from an offset.
pub struct At {
    storage: Storage,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = self.offset;
        let part = self.storage.with(|shared| shared.part(offset))?;
        let count = part.len().min(buffer.len());
        buffer[..count].copy_from_slice(&part[..count]);
        self.offset += count as u64;
        Ok(count)
    }
}

impl Shared {
    fn bytes(&mut self, start: u64, length: usize) -> io::Result<Bytes> {
        let part = self.known(start);
        if let Some(part) = part.filter(|part| part.len() >= length) {
            return Ok(part.slice(..length));
        }
        if length as u64 > SEGMENT / 2 {
            return self.read(start, length);
        }
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let part = self.part(start + bytes.len() as u64)?;
            if part.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let missing = length - bytes.len();
            bytes.extend_from_slice(&part[..part.len().min(missing)]);
        }
        Ok(bytes.into())
    }

    /// What is remembered from an offset on.
    fn known(&mut self, offset: u64) -> Option<Bytes> {
        self.uses += 1;
        let segment = self.segments.get_mut(&(offset / SEGMENT))?;
        segment.last_used = self.uses;
        // A segment is small.
        let start = (offset % SEGMENT) as usize;
        Some(segment.bytes.slice(start.min(segment.bytes.len())..))
    }

    /// Some bytes from an offset on; none at the end.
    fn part(&mut self, offset: u64) -> io::Result<Bytes> {
        if let Some(part) = self.known(offset) {
            return Ok(part);
        }
        let start = offset - offset % SEGMENT;
        let length = self.size.saturating_sub(start).min(SEGMENT);
        // A segment is small.
        let bytes = self.read(start, length as usize)?;
        if self.segments.len() >= REMEMBERED {
            let oldest = self
                .segments
                .iter()
                .min_by_key(|(_, segment)| segment.last_used);
            let oldest = oldest.map(|(index, _)| *index);
            oldest.and_then(|index| self.segments.remove(&index));
        }
        let segment = Segment {
            bytes,
            last_used: self.uses,
        };
        self.segments.insert(offset / SEGMENT, segment);
        Ok(self.known(offset).unwrap_or_default())
    }

    fn read(&mut self, start: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}
