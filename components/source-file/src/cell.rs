//! A text that is a value of a row.

/// A text with whatever follows it in memory, so that a short one can be read
/// as one number of bytes that is known when compiling.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    from: &'a [u8],
    length: usize,
}

impl<'a> Cell<'a> {
    /// The first bytes of some.
    #[inline(always)]
    pub fn first(from: &'a [u8], length: usize) -> Self {
        Self { from, length }
    }

    /// How many bytes the text has.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.length
    }

    /// The text.
    #[inline(always)]
    pub fn text(self) -> &'a [u8] {
        &self.from[..self.length]
    }

    /// Bytes of which the first are those of the text, or some of them if it is
    /// longer; none if memory that may be read ends before.
    #[inline(always)]
    pub fn head<const N: usize>(self) -> Option<&'a [u8; N]> {
        self.from.first_chunk()
    }

    /// The text without its first byte, if that is the one.
    #[inline(always)]
    pub fn strip(self, byte: u8) -> Option<Self> {
        match self.from {
            [first, from @ ..] if *first == byte && self.length > 0 => {
                Some(Self::first(from, self.length - 1))
            }
            _ => None,
        }
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    #[inline(always)]
    fn from(text: &'a [u8]) -> Self {
        Self::first(text, text.len())
    }
}
