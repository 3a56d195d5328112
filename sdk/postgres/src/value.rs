//! Values that have a text of their own, on the wire and written.
//!
//! Invariant: a text that was printed is parsed to the bytes it was printed
//! from. PostgreSQL reads it as the same value.

pub(crate) mod bits;
pub(crate) mod decimal;
pub(crate) mod geometry;
pub(crate) mod network;
pub(crate) mod numeric;
pub(crate) mod range;
pub(crate) mod time;
pub(crate) mod uuid;

use vesicle_connector::{Error, Result};

/// Between a value's bytes on the wire and its text.
pub(crate) trait Codec {
    /// Adds the text of the value to `out`.
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()>;

    /// Adds the bytes of the value to `out`.
    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()>;
}

/// Text as it is, and bytes.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Codec for Plain {
    #[inline]
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Text after a byte that says in which version: `jsonb`, `jsonpath`.
#[derive(Clone, Copy)]
pub(crate) struct Versioned;

impl Codec for Versioned {
    #[inline]
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let [1, text @ ..] = bytes else {
            return Err(malformed("jsonb", bytes));
        };
        out.extend_from_slice(text);
        Ok(())
    }

    #[inline]
    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        if text.as_bytes().contains(&0) {
            return Err(nul());
        }
        out.push(1);
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// `"char"`: empty for 0, the character if it is ASCII, else `\ooo`.
#[derive(Clone, Copy)]
pub(crate) struct Byte;

impl Codec for Byte {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match *bytes {
            [0] => {}
            [byte] if byte.is_ascii() => out.push(byte),
            [byte] => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => return Err(malformed("\"char\"", bytes)),
        }
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let byte = match text.as_bytes() {
            [] => Some(0),
            [byte] if byte.is_ascii() => Some(*byte),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => {
                Some(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'))
            }
            _ => None,
        };
        out.push(byte.ok_or_else(|| unreadable("\"char\"", text))?);
        Ok(())
    }
}

/// That the bytes are no value of the type.
#[cold]
pub(crate) fn malformed(kind: &str, bytes: &[u8]) -> Error {
    let head = &bytes[..bytes.len().min(16)];
    let message = format!("{} bytes are not a {kind}: {head:02x?}", bytes.len());
    Error::data("bad-copy", message)
}

/// That the text is no value of the type.
#[cold]
pub(crate) fn unreadable(kind: &str, text: &str) -> Error {
    Error::data(
        "bad-value",
        format!("{} is not a value of {kind}", shown(text)),
    )
}

/// That PostgreSQL's text cannot hold the character 0.
#[cold]
pub(crate) fn nul() -> Error {
    Error::data(
        "nul-character",
        "the text holds the character 0, which PostgreSQL refuses",
    )
}

/// The text for a message: quoted, and not much of it.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
    }
}
