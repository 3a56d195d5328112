//! A binary COPY that is passed on untouched: cut into payloads where tuples
//! end.
//!
//! Invariants: the payloads' bytes, one after the other, are those of the
//! stream between its header and its trailer; each holds whole tuples and knows
//! how many; one above [`TARGET_PAYLOAD`] holds a single tuple.

use std::collections::VecDeque;

use vesicle_connector::{Error, Result};

use crate::wire::{Framing, Scanned};

/// The size, in bytes, that payloads do not exceed: 240 KiB. Smaller than what
/// the host's allocator gives back to the system with each block.
pub const TARGET_PAYLOAD: usize = 240 << 10;

/// The size, in bytes, from which on there is no waiting for more.
const ENOUGH: usize = TARGET_PAYLOAD / 2;

/// Tuples of a binary COPY, without header and trailer: what frames of the
/// format `postgres-copy` carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The number of tuples.
    pub rows: u64,
    /// The tuples.
    pub bytes: Vec<u8>,
}

/// Cuts a stream into payloads.
#[derive(Debug)]
pub struct Splitter {
    framing: Framing,
    /// What came and is not yet handed out, and what of it is whole tuples.
    pending: Vec<u8>,
    whole: Scanned,
    ready: VecDeque<Payload>,
    failed: bool,
}

impl Splitter {
    /// A splitter of what `COPY … TO STDOUT (FORMAT binary)` sends of so many
    /// columns.
    pub fn new(columns: usize) -> Self {
        Self {
            framing: Framing::stream(columns),
            pending: Vec::new(),
            whole: Scanned::default(),
            ready: VecDeque::new(),
            failed: false,
        }
    }

    /// Takes the next piece of the stream, of any size.
    ///
    /// # Errors
    ///
    /// `data` if the stream is not what it should be, `exhausted` for a row
    /// above 64 MiB. Payloads made before are still handed out.
    pub fn push(&mut self, piece: &[u8]) -> Result<()> {
        if self.failed {
            return Err(Error::data("bad-copy", "the binary COPY has failed before"));
        }
        // One allocation for a payload and what is left over of it.
        if self.pending.capacity() < self.pending.len() + piece.len() {
            let room = (TARGET_PAYLOAD + piece.len()).max(self.pending.len() + piece.len());
            self.pending.reserve_exact(room - self.pending.len());
        }
        self.pending.extend_from_slice(piece);
        self.advance().inspect_err(|_| self.failed = true)
    }

    /// The next payload that is ready.
    pub fn next_payload(&mut self) -> Option<Payload> {
        self.ready.pop_front()
    }

    /// Says that the stream has ended; makes the last payload ready.
    ///
    /// # Errors
    ///
    /// `data` if something is missing.
    pub fn finish(&mut self) -> Result<()> {
        self.push(&[])?;
        self.framing.finish(self.pending.len() - self.whole.bytes)?;
        self.cut();
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        if self.whole.bytes == 0 {
            let skipped = self.framing.skip(&self.pending)?;
            self.pending.drain(..skipped);
        }
        loop {
            let rest = &self.pending[self.whole.bytes..];
            let room = TARGET_PAYLOAD.saturating_sub(self.whole.bytes);
            let found = self
                .framing
                .scan::<false>(rest, usize::MAX, room, &mut Vec::new())?;
            if found.rows == 0 {
                if self.framing.ended() {
                    self.pending.truncate(self.whole.bytes);
                }
                if self.whole.bytes >= ENOUGH {
                    self.cut();
                }
                return Ok(());
            }
            if found.bytes > room {
                self.cut();
            }
            self.whole.rows += found.rows;
            self.whole.bytes += found.bytes;
        }
    }

    /// Makes a payload of the whole tuples there are.
    fn cut(&mut self) {
        let Scanned { rows, bytes } = std::mem::take(&mut self.whole);
        if rows > 0 {
            let rest = self.pending.split_off(bytes);
            let bytes = std::mem::replace(&mut self.pending, rest);
            self.ready.push_back(Payload {
                rows: rows as u64,
                bytes,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{HEADER, TRAILER};

    /// A tuple of one field of so many bytes, NULL if there is no number.
    fn tuple(size: Option<usize>) -> Vec<u8> {
        let length = size.map_or(-1, |size| size as i32);
        [
            &[0, 1][..],
            &length.to_be_bytes(),
            &vec![7; size.unwrap_or(0)],
        ]
        .concat()
    }

    fn split(stream: &[u8], piece: usize) -> Result<Vec<Payload>> {
        let mut splitter = Splitter::new(1);
        for piece in stream.chunks(piece) {
            splitter.push(piece)?;
        }
        splitter.finish()?;
        Ok(std::iter::from_fn(|| splitter.next_payload()).collect())
    }

    #[test]
    fn payloads_keep_to_their_size_unless_one_row_is_more() {
        let sizes = [Some(100_000), Some(100_000), None, Some(3_000_000), Some(1)];
        let tuples = sizes.map(tuple).concat();
        let stream = [&HEADER[..], &tuples, TRAILER].concat();
        for piece in [1000, 300_000, stream.len()] {
            let payloads = split(&stream, piece).unwrap();
            let rows: Vec<_> = payloads.iter().map(|payload| payload.rows).collect();
            assert_eq!(rows, [3, 1, 1], "{piece}");
            assert!(
                payloads
                    .iter()
                    .map(|it| &it.bytes[..])
                    .collect::<Vec<_>>()
                    .concat()
                    == tuples
            );
        }
    }

    #[test]
    fn a_table_without_rows_or_columns_is_cut_too() {
        assert_eq!(split(&[&HEADER[..], TRAILER].concat(), 5).unwrap(), []);
        let mut splitter = Splitter::new(0);
        splitter
            .push(&[&HEADER[..], &[0; 6], TRAILER].concat())
            .unwrap();
        splitter.finish().unwrap();
        assert_eq!(
            splitter.next_payload(),
            Some(Payload {
                rows: 3,
                bytes: vec![0; 6]
            })
        );
    }

    #[test]
    fn a_stream_that_is_not_whole_is_an_error() {
        let stream = [&HEADER[..], &tuple(Some(5)), TRAILER].concat();
        for cut in 0..stream.len() {
            assert!(split(&stream[..cut], 4).is_err(), "{cut} bytes");
        }
        assert!(split(&[&stream[..], &[0]].concat(), 4).is_err());
    }

    proptest! {
        #[test]
        fn wherever_a_stream_is_split_its_tuples_are_the_same(
            sizes in proptest::collection::vec(proptest::option::of(0_usize..40), 0..50),
            piece in 1_usize..60,
        ) {
            let tuples: Vec<u8> = sizes.iter().flat_map(|&size| tuple(size)).collect();
            let payloads = split(&[&HEADER[..], &tuples, TRAILER].concat(), piece).unwrap();
            prop_assert_eq!(payloads.iter().map(|it| it.rows).sum::<u64>(), sizes.len() as u64);
            prop_assert_eq!(payloads.into_iter().flat_map(|it| it.bytes).collect::<Vec<_>>(), tuples);
        }
    }
}
