//! The spellings of NULL in a CSV file.

/// A set of spellings.
#[derive(Clone, Debug)]
pub struct NullSet {
    spellings: Vec<Vec<u8>>,
    /// Which first bytes spellings have.
    first: [bool; 256],
    /// Which lengths they have: a bit each, those above 62 the last.
    lengths: u64,
}

impl NullSet {
    /// The set of some spellings.
    pub fn new(spellings: &[String]) -> Self {
        let mut first = [false; 256];
        for byte in spellings
            .iter()
            .filter_map(|spelling| spelling.bytes().next())
        {
            first[usize::from(byte)] = true;
        }
        Self {
            spellings: spellings
                .iter()
                .map(|spelling| spelling.clone().into_bytes())
                .collect(),
            first,
            lengths: spellings
                .iter()
                .fold(0, |lengths, spelling| lengths | length_bit(spelling.len())),
        }
    }

    /// All of them.
    pub fn spellings(&self) -> impl Iterator<Item = &[u8]> {
        self.spellings.iter().map(Vec::as_slice)
    }

    /// Whether a text is one of them.
    #[inline(always)]
    pub fn contains(&self, text: &[u8]) -> bool {
        self.lengths & length_bit(text.len()) != 0
            && text
                .first()
                .is_none_or(|byte| self.first[usize::from(*byte)] && self.has(text))
    }

    fn has(&self, text: &[u8]) -> bool {
        self.spellings.iter().any(|spelling| spelling == text)
    }
}

#[inline(always)]
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}
