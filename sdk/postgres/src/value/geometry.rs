//! Geometric types, written as PostgreSQL writes them.
//!
//! On the wire they are coordinates of 8 bytes; a path begins with whether it
//! is closed, and it and a polygon with the number of their points.

use std::io::Write;

use vesicle_connector::Result;

use super::{Codec, malformed, unreadable};
use crate::types::Scalar;

/// How coordinates are written.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// `(x,y)`
    Point,
    /// `{a,b,c}`
    Line,
    /// `[(x,y),(x,y)]`
    Segment,
    /// `(x,y),(x,y)`
    Box,
    /// `((x,y),…)` or, if it is open, `[(x,y),…]`
    Path,
    /// `((x,y),…)`
    Polygon,
    /// `<(x,y),r>`
    Circle,
}

#[derive(Clone, Copy)]
pub(crate) struct Text(Shape);

/// What writes and reads this type; a point if it is none of geometry's.
pub(crate) fn of(kind: &Scalar) -> Text {
    Text(match kind {
        Scalar::Line => Shape::Line,
        Scalar::Lseg => Shape::Segment,
        Scalar::Box => Shape::Box,
        Scalar::Path => Shape::Path,
        Scalar::Polygon => Shape::Polygon,
        Scalar::Circle => Shape::Circle,
        _ => Shape::Point,
    })
}

/// The most bytes that the text of a value takes.
pub(crate) fn text_size(bytes: &[u8]) -> usize {
    // 17 digits, up to 324 zeros, a sign, a point, brackets and a comma.
    (bytes.len() / 8 + 1) * 350
}

impl Text {
    fn name(self) -> &'static str {
        match self.0 {
            Shape::Point => "point",
            Shape::Line => "line",
            Shape::Segment => "lseg",
            Shape::Box => "box",
            Shape::Path => "path",
            Shape::Polygon => "polygon",
            Shape::Circle => "circle",
        }
    }

    /// How many coordinates there are, if that is fixed.
    fn count(self) -> Option<usize> {
        match self.0 {
            Shape::Point => Some(2),
            Shape::Line | Shape::Circle => Some(3),
            Shape::Segment | Shape::Box => Some(4),
            Shape::Path | Shape::Polygon => None,
        }
    }

    /// What stands before and after all.
    fn brackets(self, closed: bool) -> (&'static str, &'static str) {
        match self.0 {
            Shape::Point | Shape::Box => ("", ""),
            Shape::Line => ("{", "}"),
            Shape::Path if !closed => ("[", "]"),
            Shape::Segment => ("[", "]"),
            Shape::Path | Shape::Polygon => ("(", ")"),
            Shape::Circle => ("<", ">"),
        }
    }
}

fn print_float(value: f64, out: &mut Vec<u8>) -> std::io::Result<()> {
    match value {
        _ if value.is_nan() => out.write_all(b"NaN"),
        _ if value.is_infinite() => out.write_all(if value < 0.0 {
            b"-Infinity"
        } else {
            b"Infinity"
        }),
        // The shortest text that is read back as the same number.
        _ => write!(out, "{value}"),
    }
}

impl Codec for Text {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let bad = || malformed(self.name(), bytes);
        let (closed, rest) = match (self.0, bytes) {
            (Shape::Path, [closed @ (0 | 1), rest @ ..]) => (*closed == 1, rest),
            (Shape::Path, _) => return Err(bad()),
            _ => (true, bytes),
        };
        let (count, rest) = match self.count() {
            Some(count) => (count, rest),
            None => {
                let (points, rest) = rest.split_first_chunk().ok_or_else(bad)?;
                let points = usize::try_from(i32::from_be_bytes(*points)).map_err(|_| bad())?;
                (2 * points, rest)
            }
        };
        let (numbers, []) = rest.as_chunks::<8>() else {
            return Err(bad());
        };
        if numbers.len() != count {
            return Err(bad());
        }
        let (open, close) = self.brackets(closed);
        out.extend_from_slice(open.as_bytes());
        let paired = if self.0 == Shape::Line {
            0
        } else {
            numbers.len() / 2 * 2
        };
        for (index, number) in numbers.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if index < paired && index % 2 == 0 {
                out.push(b'(');
            }
            print_float(f64::from_be_bytes(*number), out)?;
            if index < paired && index % 2 == 1 {
                out.push(b')');
            }
        }
        out.extend_from_slice(close.as_bytes());
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let bad = || unreadable(self.name(), text);
        let closed = !(self.0 == Shape::Path && text.starts_with('['));
        let (open, close) = self.brackets(closed);
        let inner = text
            .strip_prefix(open)
            .and_then(|text| text.strip_suffix(close));
        let inner = inner.ok_or_else(bad)?;
        let numbers = inner
            .split(',')
            .map(|part| {
                part.trim_matches(['(', ')', ' '])
                    .parse::<f64>()
                    .map_err(|_| bad())
            })
            .collect::<Result<Vec<_>>>()?;
        let right = self
            .count()
            .map_or(numbers.len().is_multiple_of(2), |it| it == numbers.len());
        if !right {
            return Err(bad());
        }
        let start = out.len();
        if self.0 == Shape::Path {
            out.push(u8::from(closed));
        }
        if self.count().is_none() {
            let points = i32::try_from(numbers.len() / 2).map_err(|_| bad())?;
            out.extend_from_slice(&points.to_be_bytes());
        }
        out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        // What is written otherwise has its brackets in other places.
        let mut again = Vec::new();
        self.print(&out[start..], &mut again)?;
        let brackets = |text: &[u8]| text.iter().filter(|c| b"()[]{}<>".contains(c)).count();
        match brackets(&again) == brackets(text.as_bytes()) {
            true => Ok(()),
            false => Err(bad()),
        }
    }
}
