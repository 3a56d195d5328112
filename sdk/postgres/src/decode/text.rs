//! Columns of text and bytes: values that are taken as they come, and those
//! that have a canonical text.
//!
//! Invariant: text is UTF-8, or the row in which it is not is named.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use vesicle_connector::{Error, Result};

use super::column::{Cells, Decode, Fault, value};
use super::{BLOCK_BYTES, MAX_BATCH};
use crate::types::{Scalar, Span};
use crate::value::{self as values, Codec};
use crate::wire::MAX_TUPLE;

/// What decodes a column of this type, which Arrow has as text or bytes.
pub(super) fn of(kind: &Scalar) -> Box<dyn Decode> {
    match kind {
        Scalar::Bytea => raw(false, values::Plain),
        Scalar::Jsonb | Scalar::Jsonpath => raw(true, values::Versioned),
        Scalar::Numeric(_) => printed(values::numeric::Text, Some(values::numeric::text_size), 0),
        Scalar::Bit(_) | Scalar::Varbit(_) => {
            printed(values::bits::Text, Some(values::bits::text_size), 0)
        }
        Scalar::TimeTz(_) => printed(values::time::TimeTz, None, 32),
        Scalar::Uuid => printed(values::uuid::Text, None, 20),
        Scalar::Inet => printed(values::network::Inet { cidr: false }, None, 48),
        Scalar::Cidr => printed(values::network::Inet { cidr: true }, None, 48),
        Scalar::Macaddr => printed(values::network::Mac::<6>, None, 24),
        Scalar::Macaddr8 => printed(values::network::Mac::<8>, None, 24),
        Scalar::Char => printed(values::Byte, None, 4),
        // Floats take up to 330 characters for 8 bytes: one row at a time.
        Scalar::Point
        | Scalar::Line
        | Scalar::Lseg
        | Scalar::Box
        | Scalar::Path
        | Scalar::Polygon
        | Scalar::Circle => printed(
            values::geometry::of(kind),
            Some(values::geometry::text_size),
            0,
        ),
        Scalar::Range(span) => printed(values::range::Range(*span), range_size(*span), 128),
        Scalar::Multirange(span) => printed(values::range::Multirange(*span), Some(unknown), 0),
        _ => raw(true, values::Plain),
    }
}

fn range_size(span: Span) -> Option<Size> {
    (span == Span::Numeric).then_some(unknown as Size)
}

/// More than a block: such values are decoded row by row.
fn unknown(_: &[u8]) -> usize {
    BLOCK_BYTES
}

/// The most that a value's text takes, in bytes.
type Size = fn(&[u8]) -> usize;

fn raw<C: Codec + 'static>(utf8: bool, codec: C) -> Box<dyn Decode> {
    Box::new(Text {
        utf8,
        codec,
        size: None,
        extra: 0,
        buffers: Buffers::new(),
    })
}

fn printed<C: Codec + 'static>(codec: C, size: Option<Size>, extra: usize) -> Box<dyn Decode> {
    Box::new(Text {
        utf8: true,
        codec,
        size,
        extra,
        buffers: Buffers::new(),
    })
}

struct Text<C> {
    /// Whether it is text, not bytes.
    utf8: bool,
    codec: C,
    size: Option<Size>,
    /// What a value takes at most beyond its bytes on the wire.
    extra: usize,
    buffers: Buffers,
}

struct Buffers {
    ends: Vec<i32>,
    values: Vec<u8>,
    nulls: NullBufferBuilder,
}

impl Buffers {
    fn new() -> Self {
        Self {
            ends: vec![0],
            values: Vec::new(),
            nulls: NullBufferBuilder::new(0),
        }
    }
}

impl<C: Codec> Decode for Text<C> {
    fn decode(&mut self, data: &[u8], cells: Cells<'_>) -> Result<(), Fault> {
        let Buffers {
            ends,
            values,
            nulls,
        } = &mut self.buffers;
        ends.reserve(cells.len());
        for (cell, place) in cells.iter().enumerate() {
            match value(data, place) {
                None => nulls.append_null(),
                Some(bytes) => {
                    nulls.append_non_null();
                    let printed = self.codec.print(bytes, values);
                    if let Err(error) = printed.and_then(|()| within(values.len())) {
                        return Err(Fault { cell, error });
                    }
                }
            }
            // Within 64 MiB and a batch, as was made sure of.
            ends.push(values.len() as i32);
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.buffers.values.len() + 4 * self.buffers.ends.len()
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        let buffers = std::mem::replace(&mut self.buffers, Buffers::new());
        // The next batch will be about as large as this one.
        self.buffers.ends.reserve(buffers.ends.len());
        self.buffers
            .values
            .reserve(buffers.values.len().min(MAX_BATCH));
        let Buffers {
            ends,
            values,
            mut nulls,
        } = buffers;
        let failed = |error| Fault {
            cell: 0,
            error: Error::from(error),
        };
        let (values, nulls) = (Buffer::from_vec(values), nulls.finish());
        if self.utf8 {
            let bytes = values.clone();
            let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
            return match StringArray::try_new(ends.clone(), values, nulls) {
                Ok(array) => Ok(Arc::new(array)),
                // Its parts fit one another, so it can be nothing else: bytes
                // that are no character, or one that is across two values.
                Err(_) => Err(not_utf8(&ends, &bytes)),
            };
        }
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        Ok(Arc::new(
            BinaryArray::try_new(ends, values, nulls).map_err(failed)?,
        ))
    }

    fn row_size(&self) -> usize {
        5 + self.extra
    }

    fn amplifies(&self) -> bool {
        self.size.is_some()
    }

    fn bound(&self, data: &[u8], cells: Cells<'_>, more: &mut [usize]) {
        let Some(size) = self.size else { return };
        for (place, more) in cells.iter().zip(more) {
            *more = more.saturating_add(value(data, place).map_or(0, size));
        }
    }
}

/// That offsets do not overflow, and a row's text stays a row's.
#[inline]
fn within(size: usize) -> Result<()> {
    match size <= MAX_TUPLE + MAX_BATCH {
        true => Ok(()),
        false => Err(too_large()),
    }
}

#[cold]
fn too_large() -> Error {
    Error::exhausted("row-too-large", "the value's text is larger than 64 MiB")
}

#[cold]
fn not_utf8(ends: &[i32], values: &[u8]) -> Fault {
    let bad =
        |pair: &[i32]| std::str::from_utf8(&values[pair[0] as usize..pair[1] as usize]).is_err();
    let cell = ends.windows(2).position(bad).unwrap_or(0);
    let error = Error::data(
        "not-utf8",
        "the text is not UTF-8: set client_encoding to UTF8, or make the column bytea",
    );
    Fault { cell, error }
}
