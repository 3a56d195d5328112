//! The framing of a binary COPY: header, tuples, trailer.
//!
//! Format: PostgreSQL's documentation, COPY, "Binary Format".
//!
//! Invariants: what is scanned lies within the bytes given; nothing is
//! allocated by a length that the stream claims; a tuple larger than
//! [`MAX_TUPLE`] is an error as soon as a length says so.

use vesicle_connector::{Error, Result};

/// What a stream begins with.
pub(crate) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Signature, flags without any set, an empty extension area.
pub const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What a stream ends with: a field count of -1.
pub const TRAILER: &[u8; 2] = b"\xff\xff";

/// The largest tuple that is read, in bytes: 64 MiB.
pub const MAX_TUPLE: usize = 64 << 20;

/// How far into a stream one is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Header,
    /// So many bytes of the extension area are left.
    Extension(usize),
    Tuples,
    Ended,
}

/// Follows a stream through its parts.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    /// Whether there is a header and a trailer.
    wrapped: bool,
    columns: usize,
    /// Tuples scanned so far.
    rows: u64,
}

/// What a scan found: whole tuples only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scanned {
    /// Tuples.
    pub(crate) rows: usize,
    /// Bytes of those tuples.
    pub(crate) bytes: usize,
}

impl Framing {
    /// A stream with header and trailer.
    pub(crate) fn stream(columns: usize) -> Self {
        Self {
            state: State::Header,
            wrapped: true,
            columns,
            rows: 0,
        }
    }

    /// Tuples alone.
    pub(crate) fn tuples(columns: usize) -> Self {
        Self {
            state: State::Tuples,
            wrapped: false,
            columns,
            rows: 0,
        }
    }

    /// Passes over what is not tuples at the beginning of `data`: how many
    /// bytes of it are done with.
    pub(crate) fn skip(&mut self, data: &[u8]) -> Result<usize> {
        let mut at = 0;
        if self.state == State::Header {
            let known = data.len().min(SIGNATURE.len());
            if data[..known] != SIGNATURE[..known] {
                return Err(bad("does not begin with the signature of a binary COPY"));
            }
            if data.len() < HEADER.len() {
                return Ok(0);
            }
            let flags = word(data, 11) as u32;
            if flags >> 16 != 0 {
                return Err(bad(format!(
                    "has flags that are not understood: {flags:#x}"
                )));
            }
            let length = word(data, 15);
            let length = usize::try_from(length)
                .map_err(|_| bad(format!("has an extension area of {length} bytes")))?;
            self.state = State::Extension(length);
            at = HEADER.len();
        }
        if let State::Extension(left) = self.state {
            let here = left.min(data.len() - at);
            at += here;
            self.state = match left - here {
                0 => State::Tuples,
                left => State::Extension(left),
            };
        }
        Ok(at)
    }

    /// Whole tuples at the beginning of `data`, at most `rows` of them and,
    /// if there is more than one, at most `bytes`. The place of each field's
    /// length is added to `cells`, tuple after tuple, unless `CELLS` is false.
    pub(crate) fn scan<const CELLS: bool>(
        &mut self,
        data: &[u8],
        rows: usize,
        bytes: usize,
        cells: &mut Vec<u32>,
    ) -> Result<Scanned> {
        let mut found = Scanned::default();
        if self.state != State::Tuples {
            if self.state == State::Ended && !data.is_empty() {
                return Err(bad("goes on after its trailer"));
            }
            return Ok(found);
        }
        while found.rows < rows {
            let filled = cells.len();
            match self.tuple::<CELLS>(data, found, cells)? {
                Some(end) if found.rows == 0 || end <= bytes => {
                    found = Scanned {
                        rows: found.rows + 1,
                        bytes: end,
                    };
                    self.rows += 1;
                }
                _ => {
                    cells.truncate(filled);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Takes the last `rows` of a scan back.
    pub(crate) fn unscan(&mut self, rows: usize) {
        self.rows -= rows as u64;
    }

    /// The end of the tuple that comes after those `before`; none if it is not all there
    /// or the trailer is.
    fn tuple<const CELLS: bool>(
        &mut self,
        data: &[u8],
        before: Scanned,
        cells: &mut Vec<u32>,
    ) -> Result<Option<usize>> {
        let start = before.bytes;
        let Some(count) = data.get(start..start + 2) else {
            return Ok(None);
        };
        let count = i16::from_be_bytes([count[0], count[1]]);
        let mut at = start + 2;
        if usize::try_from(count) != Ok(self.columns) {
            // A trailer is read by a scan that finds no tuple before it.
            return match count == -1 && before.rows > 0 {
                true => Ok(None),
                false => self.trailer(count, data.len() - at),
            };
        }
        for column in 0..self.columns {
            let Some(length) = data.get(at..at + 4) else {
                return Ok(None);
            };
            // Tuples lie within 64 MiB, and so do the bytes of one scan.
            if CELLS {
                cells.push(at as u32);
            }
            let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
            at += 4;
            if length > 0 {
                at += length as usize;
                if at - start > MAX_TUPLE {
                    return Err(self.too_large(column, length));
                }
            } else if length < -1 {
                return Err(self.negative(column, length));
            }
        }
        Ok((at <= data.len()).then_some(at))
    }

    #[cold]
    fn trailer(&mut self, count: i16, rest: usize) -> Result<Option<usize>> {
        if count != -1 || !self.wrapped {
            let (row, columns) = (self.rows + 1, self.columns);
            return Err(bad(format!(
                "has {count} fields in row {row}, not {columns}"
            )));
        }
        if rest > 0 {
            return Err(bad("goes on after its trailer"));
        }
        self.state = State::Ended;
        Ok(None)
    }

    #[cold]
    fn too_large(&self, column: usize, length: i32) -> Error {
        let row = self.rows + 1;
        Error::exhausted(
            "row-too-large",
            format!(
                "row {row} is larger than 64 MiB: column {} alone claims {length} bytes",
                column + 1
            ),
        )
    }

    #[cold]
    fn negative(&self, column: usize, length: i32) -> Error {
        let (row, column) = (self.rows + 1, column + 1);
        bad(format!(
            "has a length of {length} in row {row}, column {column}"
        ))
    }

    /// Whether the trailer has been read.
    pub(crate) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// That nothing is missing, `rest` bytes being left over.
    pub(crate) fn finish(&self, rest: usize) -> Result<()> {
        let whole = match self.wrapped {
            true => self.state == State::Ended,
            false => rest == 0,
        };
        if whole {
            return Ok(());
        }
        Err(bad(format!("ends too early, after row {}", self.rows)))
    }
}

/// The signed number of four bytes at `at`, which the caller knows are there.
#[inline(always)]
pub(crate) fn word(data: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

#[cold]
fn bad(what: impl std::fmt::Display) -> Error {
    Error::data("bad-copy", format!("the binary COPY {what}"))
}
