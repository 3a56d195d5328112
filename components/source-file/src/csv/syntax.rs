//! Finds one record and its fields in bytes.
//!
//! Invariant: a record is found whole or not at all; bytes are looked at, not
//! copied, but for fields with doubled quotes.

use memchr::{memchr, memchr_iter};

use super::Dialect;
use super::field::{Field, Fields};

/// How many bytes are looked at at once.
const BLOCK: usize = 16;

/// What became of looking for a record.
pub enum Scan {
    /// It ends here and is this many lines.
    Record { end: usize, lines: u64 },
    /// Its end is not among the bytes.
    Incomplete,
    /// After this many lines something is wrong.
    Bad { lines: u64, error: Bad },
}

/// What is wrong with a record.
pub enum Bad {
    /// A quote is not closed before the end of the file.
    OpenQuote,
    /// A closing quote is followed by text.
    TextAfterQuote,
}

/// What stands between and around fields.
#[derive(Clone, Copy, Debug)]
pub struct Syntax {
    delimiter: u8,
    quote: Option<u8>,
}

impl Syntax {
    /// That of a dialect.
    pub fn new(dialect: &Dialect) -> Self {
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
        }
    }

    /// Finds the record that starts at a place of some bytes, which are the last
    /// of a file or not, and adds its fields.
    pub fn scan(&self, bytes: &[u8], start: usize, at_end: bool, fields: &mut Fields) -> Scan {
        let mut lines = 1;
        let mut at = start;
        loop {
            let end = match self.quote {
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
                    if escaped {
                        fields.push_escaped(&bytes[start..end], quote);
                    } else {
                        fields.push_quoted(start, end);
                    }
                    end + 1
                }
                _ => match self.bare_fields(bytes, at, &mut fields.list) {
                    Ok(end) => end,
                    Err(start) if at_end => {
                        fields.list.push(Field::bare(start, bytes.len()));
                        bytes.len()
                    }
                    Err(_) => return Scan::Incomplete,
                },
            };
            match bytes.get(end) {
                Some(byte) if *byte == self.delimiter => at = end + 1,
                Some(b'\n') => {
                    let end = end + 1;
                    return Scan::Record { end, lines };
                }
                Some(b'\r') => {
                    let end = match bytes.get(end + 1) {
                        Some(b'\n') => end + 2,
                        None if !at_end => return Scan::Incomplete,
                        _ => end + 1,
                    };
                    return Scan::Record { end, lines };
                }
                // Without a line end only where the file ends.
                None => return Scan::Record { end, lines },
                Some(_) => {
                    return Scan::Bad {
                        lines: lines - 1,
                        error: Bad::TextAfterQuote,
                    };
                }
            }
        }
    }

    /// Adds the fields from a place on, of which the first is bare, up to the
    /// last of the record or one before a quote. Where that ends; or where the
    /// field begins that does not end.
    #[inline(always)]
    fn bare_fields(
        &self,
        bytes: &[u8],
        start: usize,
        fields: &mut Vec<Field>,
    ) -> Result<usize, usize> {
        let mut field = start;
        let mut at = start;
        let mut is_last = |end: usize, field: &mut usize| {
            fields.push(Field::bare(*field, end));
            *field = end + 1;
            bytes[end] != self.delimiter
                || (self.quote.is_some() && bytes.get(end + 1).copied() == self.quote)
        };
        while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let mut ends = self.ends(block);
            while ends != 0 {
                let end = at + ends.trailing_zeros() as usize;
                if is_last(end, &mut field) {
                    return Ok(end);
                }
                ends &= ends - 1;
            }
            at += BLOCK;
        }
        for (end, byte) in bytes.iter().enumerate().skip(at) {
            if self.is_end(*byte) && is_last(end, &mut field) {
                return Ok(end);
            }
        }
        Err(field)
    }

    /// A bit for each of some bytes: whether it ends a field without quotes.
    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    fn ends(&self, block: &[u8; BLOCK]) -> u32 {
        use core::arch::wasm32::{i64x2, u8x16_bitmask, u8x16_eq, u8x16_splat, v128_or};
        let bytes = u128::from_le_bytes(*block);
        let bytes = i64x2(bytes as i64, (bytes >> 64) as i64);
        let is = |byte| u8x16_eq(bytes, u8x16_splat(byte));
        u8x16_bitmask(v128_or(is(self.delimiter), v128_or(is(b'\n'), is(b'\r')))).into()
    }

    /// A bit for each of some bytes: whether it ends a field without quotes.
    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn ends(&self, block: &[u8; BLOCK]) -> u32 {
        let bits = block.iter().zip(0..);
        bits.fold(0, |ends, (byte, bit)| {
            ends | u32::from(self.is_end(*byte)) << bit
        })
    }

    #[inline(always)]
    fn is_end(&self, byte: u8) -> bool {
        (byte == self.delimiter) | (byte == b'\n') | (byte == b'\r')
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
