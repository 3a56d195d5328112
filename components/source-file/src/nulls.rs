//! The spellings of NULL in a CSV file.

/// A set of spellings.
#[derive(Clone, Debug)]
pub struct NullSet {
    spellings: Vec<Vec<u8>>,
    /// Which first bytes spellings have.
    first: [bool; 256],
    empty: bool,
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
            empty: spellings.iter().any(String::is_empty),
        }
    }

    /// Whether a text is one of them.
    #[inline]
    pub fn contains(&self, text: &[u8]) -> bool {
        match text.first() {
            None => self.empty,
            Some(byte) => {
                self.first[usize::from(*byte)]
                    && self.spellings.iter().any(|spelling| spelling == text)
            }
        }
    }
}
