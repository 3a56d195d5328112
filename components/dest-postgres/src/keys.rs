//! Which rows have a change that is gathered.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher as _};

/// How many keys are told apart. With more, each counts as known.
const MOST: usize = 1 << 20;

/// Keys that are known, by their hashes: of two keys with the same one, the
/// second counts as known.
#[derive(Debug, Default)]
pub struct Keys(HashSet<u64>);

impl Keys {
    /// Adds a key. Whether it was not known.
    pub fn insert(&mut self, hash: u64) -> bool {
        self.0.len() < MOST && self.0.insert(hash)
    }
}

/// The hashes of the tuples of a binary COPY, each of some fields.
pub fn hashes(tuples: &[u8], fields: usize) -> Vec<u64> {
    let mut hashes = Vec::new();
    let mut rest = tuples;
    // The count of fields.
    while let Some((_, tuple)) = rest.split_first_chunk::<2>() {
        let mut end = 0;
        for _ in 0..fields {
            let length = tuple[end..].first_chunk::<4>();
            let length = length.map_or(0, |length| i32::from_be_bytes(*length));
            end += 4 + usize::try_from(length).unwrap_or(0);
        }
        let (tuple, after) = tuple.split_at(end);
        let mut hasher = DefaultHasher::new();
        hasher.write(tuple);
        hashes.push(hasher.finish());
        rest = after;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_has_the_same_hash_wherever_its_fields_end() {
        let tuples = b"\0\x02\0\0\0\x01a\0\0\0\x02bc\0\x02\0\0\0\x02ab\0\0\0\x01c\0\x02\0\0\0\x01a\0\0\0\x02bc";
        let [one, other, again] = hashes(tuples, 2)[..] else {
            panic!("there are three");
        };
        assert_ne!(one, other);
        assert_eq!(one, again);
        let mut keys = Keys::default();
        assert!(keys.insert(one) && keys.insert(other) && !keys.insert(again));
    }
}
