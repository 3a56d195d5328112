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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::{Scalar, Span};

    /// That what the codec takes, it gives back in a form that means the same.
    fn survives(codec: &dyn Codec, text: &str) {
        let (mut bytes, mut printed, mut again) = (Vec::new(), Vec::new(), Vec::new());
        if codec.parse(text, &mut bytes).is_ok() {
            codec.print(&bytes, &mut printed).unwrap();
            codec
                .parse(std::str::from_utf8(&printed).unwrap(), &mut again)
                .unwrap();
            assert_eq!(again, bytes, "{text}");
        }
    }

    fn codecs() -> Vec<Box<dyn Codec>> {
        let mut all: Vec<Box<dyn Codec>> = vec![
            Box::new(Versioned),
            Box::new(Byte),
            Box::new(numeric::Text),
            Box::new(bits::Text),
            Box::new(uuid::Text),
            Box::new(time::TimeTz),
            Box::new(network::Inet { cidr: false }),
            Box::new(network::Inet { cidr: true }),
            Box::new(network::Mac::<6>),
            Box::new(network::Mac::<8>),
        ];
        let spans = [
            Span::Int4,
            Span::Int8,
            Span::Numeric,
            Span::Date,
            Span::TimestampTz,
        ];
        for span in spans {
            all.push(Box::new(range::Range(span)));
            all.push(Box::new(range::Multirange(span)));
        }
        let shapes = [
            Scalar::Point,
            Scalar::Line,
            Scalar::Lseg,
            Scalar::Box,
            Scalar::Path,
            Scalar::Polygon,
            Scalar::Circle,
        ];
        all.extend(
            shapes
                .iter()
                .map(|shape| Box::new(geometry::of(shape)) as Box<dyn Codec>),
        );
        all
    }

    proptest! {
        #[test]
        fn text_of_any_kind_is_refused_or_kept(
            any in ".{0,20}",
            numbers in "[-+0-9.eE,:/ ()\\[\\]{}<>a-fZ]{0,24}",
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            for codec in codecs() {
                survives(codec.as_ref(), &any);
                survives(codec.as_ref(), &numbers);
                let mut text = Vec::new();
                if codec.print(&bytes, &mut text).is_ok() {
                    survives(codec.as_ref(), &String::from_utf8_lossy(&text));
                }
            }
        }
    }
}
