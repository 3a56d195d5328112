//! `uuid`: 16 bytes, written in hexadecimal with hyphens.

use vesicle_connector::Result;

use super::{Codec, malformed, unreadable};

#[derive(Clone, Copy)]
pub(crate) struct Text;

/// The two digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// What each character is as a digit; above 15 if it is none.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        let digit = PAIRS[value][1];
        digits[digit as usize] = value as u8;
        digits[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Where the pairs of digits are in the canonical form.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The bytes of a text in canonical form, in either case.
#[inline]
fn canonical(text: &[u8; 36]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut seen = 0;
    for (byte, at) in bytes.iter_mut().zip(PLACES) {
        let (high, low) = (
            DIGITS[usize::from(text[at])],
            DIGITS[usize::from(text[at + 1])],
        );
        seen |= high | low;
        *byte = high << 4 | low;
    }
    let hyphens = [8, 13, 18, 23].iter().all(|&at| text[at] == b'-');
    (seen < 16 && hyphens).then_some(bytes)
}

impl Codec for Text {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Ok(bytes) = <&[u8; 16]>::try_from(bytes) else {
            return Err(malformed("uuid", bytes));
        };
        let mut text = [b'-'; 36];
        for (byte, at) in bytes.iter().zip(PLACES) {
            [text[at], text[at + 1]] = PAIRS[usize::from(*byte)];
        }
        out.extend_from_slice(&text);
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        if let Some(bytes) = text.as_bytes().try_into().ok().and_then(canonical) {
            out.extend_from_slice(&bytes);
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        Text.parse(text, &mut out).ok().map(|()| out)
    }

    #[test]
    fn every_form_that_postgresql_takes_is_the_same_value() {
        let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        let bytes = parse(canonical).unwrap();
        let mut text = Vec::new();
        Text.print(&bytes, &mut text).unwrap();
        assert_eq!(text, canonical.as_bytes());
        for form in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(parse(form).as_ref(), Some(&bytes), "{form}");
        }
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for text in [
            "",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
            "a0eebc99+9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
            "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
