//! `uuid`: 16 bytes, written in hexadecimal with hyphens.

use vesicle_connector::Result;

use super::{Codec, malformed, unreadable};

#[derive(Clone, Copy)]
pub(crate) struct Text;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl Codec for Text {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Ok(bytes) = <&[u8; 16]>::try_from(bytes) else {
            return Err(malformed("uuid", bytes));
        };
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        out.extend_from_slice(&text);
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let mut bytes = [0_u8; 16];
        let mut count = 0;
        // PostgreSQL takes braces, and a hyphen after any group of four.
        let inner = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .unwrap_or(text);
        for c in inner.bytes() {
            if c == b'-' {
                if count % 4 != 0 || count == 0 {
                    return Err(unreadable("uuid", text));
                }
                continue;
            }
            match (char::from(c).to_digit(16), bytes.get_mut(count / 2)) {
                (Some(digit), Some(byte)) => *byte = *byte << 4 | digit as u8,
                _ => return Err(unreadable("uuid", text)),
            }
            count += 1;
        }
        if count != 32 || inner.ends_with('-') {
            return Err(unreadable("uuid", text));
        }
        out.extend_from_slice(&bytes);
        Ok(())
    }
}
