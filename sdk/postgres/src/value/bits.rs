//! `bit` and `bit varying`: a count and packed bits, written with 0 and 1.

use vesicle_connector::Result;

use super::{Codec, malformed, unreadable};

#[derive(Clone, Copy)]
pub(crate) struct Text;

/// The most bytes that the text of a value takes.
pub(crate) fn text_size(bytes: &[u8]) -> usize {
    bytes.len() * 8
}

impl Codec for Text {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some((count, bits)) = bytes.split_first_chunk() else {
            return Err(malformed("bit", bytes));
        };
        let count = usize::try_from(i32::from_be_bytes(*count)).unwrap_or(usize::MAX);
        if count.div_ceil(8) != bits.len() {
            return Err(malformed("bit", bytes));
        }
        out.extend((0..count).map(|at| b'0' + (bits[at / 8] >> (7 - at % 8) & 1)));
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let count = i32::try_from(text.len()).map_err(|_| unreadable("bit", text))?;
        out.extend_from_slice(&count.to_be_bytes());
        for eight in text.as_bytes().chunks(8) {
            let mut byte = 0;
            for (at, bit) in eight.iter().enumerate() {
                match bit {
                    b'0' | b'1' => byte |= (bit - b'0') << (7 - at),
                    _ => return Err(unreadable("bit", text)),
                }
            }
            out.push(byte);
        }
        Ok(())
    }
}
