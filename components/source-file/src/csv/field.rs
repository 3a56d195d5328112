//! Where the fields of records lie.

use memchr::memchr;

/// Marks the end of a field in quotes. Positions are below: the window is
/// smaller.
const QUOTED: u32 = 1 << 30;

/// Marks the end of a field whose doubled quotes were undone.
const UNESCAPED: u32 = 1 << 31;

/// Where a field lies, and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    start: u32,
    /// Its end and the marks.
    end: u32,
}

impl Field {
    /// One without quotes.
    #[inline(always)]
    pub fn bare(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// Whether it is written without quotes.
    #[inline(always)]
    pub fn is_bare(self) -> bool {
        self.end < QUOTED
    }

    /// Whether it lies among the unescaped bytes.
    #[inline(always)]
    pub fn is_unescaped(self) -> bool {
        self.end >= UNESCAPED
    }

    /// Where it begins.
    #[inline(always)]
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// How many bytes it has.
    #[inline(always)]
    pub fn len(self) -> usize {
        ((self.end & (QUOTED - 1)) - self.start) as usize
    }
}

/// The fields of records, one after another.
#[derive(Debug, Default)]
pub struct Fields {
    /// Where they lie.
    pub list: Vec<Field>,
    /// The bytes of those that had doubled quotes.
    pub unescaped: Vec<u8>,
}

impl Fields {
    /// Takes all of them out.
    pub fn clear(&mut self) {
        self.list.clear();
        self.unescaped.clear();
    }

    /// Adds one that lies between quotes.
    pub fn push_quoted(&mut self, start: usize, end: usize) {
        self.list.push(Field {
            start: start as u32,
            end: end as u32 | QUOTED,
        });
    }

    /// Adds one with doubled quotes inside.
    pub fn push_escaped(&mut self, text: &[u8], quote: u8) {
        let start = self.unescaped.len();
        let mut rest = text;
        while let Some(at) = memchr(quote, rest) {
            self.unescaped.extend_from_slice(&rest[..=at]);
            rest = rest.get(at + 2..).unwrap_or(&[]);
        }
        self.unescaped.extend_from_slice(rest);
        self.list.push(Field {
            start: start as u32,
            end: self.unescaped.len() as u32 | QUOTED | UNESCAPED,
        });
    }
}
