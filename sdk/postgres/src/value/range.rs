//! Ranges and multiranges, written as PostgreSQL writes them.
//!
//! On the wire: flags, then the bounds that there are, each after its length;
//! a multirange is a count, then ranges, each after its length.

use std::io::Write;

use vesicle_connector::Result;

use super::{Codec, malformed, numeric, time, unreadable};
use crate::types::Span;

const EMPTY: u8 = 0x01;
const LOWER_INCLUSIVE: u8 = 0x02;
const UPPER_INCLUSIVE: u8 = 0x04;
const LOWER_INFINITE: u8 = 0x08;
const UPPER_INFINITE: u8 = 0x10;

#[derive(Clone, Copy)]
pub(crate) struct Range(pub(crate) Span);

#[derive(Clone, Copy)]
pub(crate) struct Multirange(pub(crate) Span);

/// The next value after its length.
fn counted<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    let (value, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(value)
}

/// Adds what `write` adds, after its length.
fn count(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

impl Range {
    fn print_bound(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let bad = || malformed("bound", bytes);
        let four = || bytes.try_into().map(i32::from_be_bytes).map_err(|_| bad());
        let eight = || bytes.try_into().map(i64::from_be_bytes).map_err(|_| bad());
        match self.0 {
            Span::Int4 => write!(out, "{}", four()?)?,
            Span::Int8 => write!(out, "{}", eight()?)?,
            Span::Numeric => numeric::Text.print(bytes, out)?,
            Span::Date => time::print_date(four()?, out),
            Span::Timestamp | Span::TimestampTz => {
                out.push(b'"');
                time::print_timestamp(eight()?, self.0 == Span::TimestampTz, out);
                out.push(b'"');
            }
        }
        Ok(())
    }

    fn parse_bound(self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let text = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        let bad = || unreadable("a range's bound", text);
        let zone = self.0 == Span::TimestampTz;
        count(out, |out| {
            match self.0 {
                Span::Int4 => {
                    let value: i32 = text.parse().map_err(|_| bad())?;
                    out.extend_from_slice(&value.to_be_bytes());
                }
                Span::Int8 => {
                    let value: i64 = text.parse().map_err(|_| bad())?;
                    out.extend_from_slice(&value.to_be_bytes());
                }
                Span::Numeric => numeric::Text.parse(text, out)?,
                Span::Date => {
                    let value = time::parse_date(text).ok_or_else(bad)?;
                    out.extend_from_slice(&value.to_be_bytes());
                }
                Span::Timestamp | Span::TimestampTz => {
                    let value = time::parse_timestamp(text, zone).ok_or_else(bad)?;
                    out.extend_from_slice(&value.to_be_bytes());
                }
            }
            Ok(())
        })
    }
}

impl Codec for Range {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let bad = || malformed("range", bytes);
        let (&flags, mut rest) = bytes.split_first().ok_or_else(bad)?;
        if flags & EMPTY != 0 {
            out.extend_from_slice(b"empty");
            return Ok(());
        }
        out.push(if flags & LOWER_INCLUSIVE != 0 {
            b'['
        } else {
            b'('
        });
        if flags & LOWER_INFINITE == 0 {
            self.print_bound(counted(&mut rest).ok_or_else(bad)?, out)?;
        }
        out.push(b',');
        if flags & UPPER_INFINITE == 0 {
            self.print_bound(counted(&mut rest).ok_or_else(bad)?, out)?;
        }
        out.push(if flags & UPPER_INCLUSIVE != 0 {
            b']'
        } else {
            b')'
        });
        if rest.is_empty() { Ok(()) } else { Err(bad()) }
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        if text.eq_ignore_ascii_case("empty") {
            out.push(EMPTY);
            return Ok(());
        }
        let bad = || unreadable("a range", text);
        let lower_inclusive = match text.as_bytes().first() {
            Some(b'[') => true,
            Some(b'(') => false,
            _ => return Err(bad()),
        };
        let upper_inclusive = match text.as_bytes().last() {
            Some(b']') => true,
            Some(b')') => false,
            _ => return Err(bad()),
        };
        let inner = text.get(1..text.len() - 1).ok_or_else(bad)?;
        let (lower, upper) = inner.split_once(',').ok_or_else(bad)?;
        // A bound that is not there is not included, whatever its bracket.
        let flags = match lower {
            "" => LOWER_INFINITE,
            _ if lower_inclusive => LOWER_INCLUSIVE,
            _ => 0,
        } | match upper {
            "" => UPPER_INFINITE,
            _ if upper_inclusive => UPPER_INCLUSIVE,
            _ => 0,
        };
        out.push(flags);
        for bound in [lower, upper] {
            if !bound.is_empty() {
                self.parse_bound(bound, out)?;
            }
        }
        Ok(())
    }
}

impl Codec for Multirange {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let bad = || malformed("multirange", bytes);
        let (number, mut rest) = bytes.split_first_chunk().ok_or_else(bad)?;
        out.push(b'{');
        for index in 0..i32::from_be_bytes(*number) {
            if index > 0 {
                out.push(b',');
            }
            Range(self.0).print(counted(&mut rest).ok_or_else(bad)?, out)?;
        }
        out.push(b'}');
        if rest.is_empty() { Ok(()) } else { Err(bad()) }
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let bad = || unreadable("a multirange", text);
        let mut rest = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .ok_or_else(bad)?;
        let start = out.len();
        let mut number = 0_i32;
        out.extend_from_slice(&[0; 4]);
        while !rest.is_empty() {
            // No bound holds a bracket.
            let end = rest.find([')', ']']).ok_or_else(bad)? + 1;
            let (range, after) = rest.split_at(end);
            count(out, |out| Range(self.0).parse(range, out))?;
            number += 1;
            rest = match after.strip_prefix(',') {
                Some(next) if !next.is_empty() => next,
                None if after.is_empty() => after,
                _ => return Err(bad()),
            };
        }
        out[start..start + 4].copy_from_slice(&number.to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_back_as_they_were_written() {
        let cases = [
            (Span::Int4, "{}"),
            (Span::Int4, "{[1,3),[5,7)}"),
            (Span::Int8, "{(,-9000000000)}"),
            (Span::Numeric, "{(1.50,NaN]}"),
            (Span::Date, "{[0044-03-15 BC,infinity)}"),
            (
                Span::Timestamp,
                "{[\"2020-01-01 00:00:00.5\",\"infinity\")}",
            ),
            (Span::TimestampTz, "{(\"0044-03-15 12:00:00+00 BC\",)}"),
        ];
        for (span, text) in cases {
            let (mut bytes, mut back) = (Vec::new(), Vec::new());
            Multirange(span).parse(text, &mut bytes).unwrap();
            Multirange(span).print(&bytes, &mut back).unwrap();
            assert_eq!(String::from_utf8(back).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "", "[", "[1,2", "1,2)", "[1)", "[a,2)", "[1,2,3)", "(é", "é)",
        ] {
            assert!(
                Range(Span::Int4).parse(text, &mut Vec::new()).is_err(),
                "{text}"
            );
        }
        for text in ["", "{", "{[1,2),}", "{[1,2)[3,4)}", "{x}"] {
            assert!(
                Multirange(Span::Int4).parse(text, &mut Vec::new()).is_err(),
                "{text}"
            );
        }
    }
}
