//! Text, bytes, and what is written as text.
//!
//! Invariant: text that PostgreSQL would refuse for its characters or its
//! length is a fault here, for there it would end the whole COPY. Whether it
//! is JSON or XML, the server tells.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, GenericByteArray, StringArrayType, types::ByteArrayType};
use arrow_schema::DataType;
use vesicle_connector::{Error, Result};

use super::plan::Prepare;
use super::values::{Ends, Faults, Values};
use crate::types::Scalar;
use crate::value::{self, Codec, Plain, Versioned, shown};

/// How text is taken, if the target takes it.
pub(super) fn of(kind: &DataType, target: &Scalar) -> Option<Prepare> {
    let limit = |limit: &Option<u32>| limit.map_or(usize::MAX, |limit| limit as usize);
    Some(match target {
        Scalar::Text | Scalar::Citext | Scalar::Json | Scalar::Xml => raw(kind, |_| Ok(())),
        Scalar::Varchar(most) | Scalar::Bpchar(most) => {
            let most = limit(most);
            raw(kind, move |text| within(text, most))
        }
        Scalar::Name => raw(kind, |text| match text.len() {
            ..64 => Ok(()),
            _ => Err(too_long(text, "63 bytes")),
        }),
        Scalar::Enum(it) => {
            let it = Arc::clone(it);
            raw(kind, move |text| {
                match it.labels.iter().any(|label| label == text) {
                    true => Ok(()),
                    false => Err(no_label(text, &it.name)),
                }
            })
        }
        Scalar::Jsonb | Scalar::Jsonpath => parsed(kind, Versioned),
        Scalar::Numeric(limit) => parsed(kind, Numeric(*limit)),
        Scalar::Bit(bits) => parsed(
            kind,
            Bits {
                least: *bits,
                most: *bits,
            },
        ),
        Scalar::Varbit(most) => parsed(
            kind,
            Bits {
                least: 0,
                most: most.unwrap_or(u32::MAX),
            },
        ),
        Scalar::TimeTz(_) => parsed(kind, value::time::TimeTz),
        Scalar::Uuid => parsed(kind, value::uuid::Text),
        Scalar::Inet => parsed(kind, value::network::Inet { cidr: false }),
        Scalar::Cidr => parsed(kind, value::network::Inet { cidr: true }),
        Scalar::Macaddr => parsed(kind, value::network::Mac::<6>),
        Scalar::Macaddr8 => parsed(kind, value::network::Mac::<8>),
        Scalar::Char => parsed(kind, value::Byte),
        Scalar::Range(span) => parsed(kind, value::range::Range(*span)),
        Scalar::Multirange(span) => parsed(kind, value::range::Multirange(*span)),
        Scalar::Point
        | Scalar::Line
        | Scalar::Lseg
        | Scalar::Box
        | Scalar::Path
        | Scalar::Polygon
        | Scalar::Circle => parsed(kind, value::geometry::of(target)),
        _ => return None,
    })
}

/// How bytes are taken, if the target takes them.
pub(super) fn of_bytes(kind: &DataType, target: &Scalar) -> Option<Prepare> {
    let fits = match target {
        Scalar::Bytea => true,
        Scalar::Uuid => *kind == DataType::FixedSizeBinary(16),
        _ => false,
    };
    let prepare: Prepare = match kind {
        DataType::Binary => Box::new(|array, _| narrow(array.as_binary::<i32>())),
        DataType::LargeBinary => Box::new(|array, _| wide(array.as_binary::<i64>())),
        DataType::BinaryView => Box::new(|array, _| {
            let (mut bytes, mut ends) = (Vec::new(), vec![0]);
            for value in array.as_binary_view() {
                bytes.extend_from_slice(value.unwrap_or(&[]));
                ends.push(bytes.len());
            }
            Values::any(bytes, Ends::Own(ends), array.nulls().cloned())
        }),
        _ => Box::new(|array, _| {
            let array = array.as_fixed_size_binary();
            let width = usize::try_from(array.value_length()).unwrap_or(0);
            let bytes = array.value_data()[..array.len() * width].to_vec();
            Values::fixed(width, bytes, array.nulls().cloned())
        }),
    };
    fits.then_some(prepare)
}

fn narrow<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>) -> Values<'_> {
    let ends = Ends::Narrow(array.value_offsets());
    Values::any(array.value_data(), ends, array.nulls().cloned())
}

fn wide<T: ByteArrayType<Offset = i64>>(array: &GenericByteArray<T>) -> Values<'_> {
    let ends = Ends::Wide(array.value_offsets());
    Values::any(array.value_data(), ends, array.nulls().cloned())
}

/// Text that is taken as it is, if `check` finds nothing.
fn raw(kind: &DataType, check: impl Fn(&str) -> Result<()> + Send + Sync + 'static) -> Prepare {
    match kind {
        DataType::Utf8 => Box::new(move |array, faults| {
            let array = array.as_string::<i32>();
            inspect(array, &check, array.value_data(), faults);
            narrow(array)
        }),
        DataType::LargeUtf8 => Box::new(move |array, faults| {
            let array = array.as_string::<i64>();
            inspect(array, &check, array.value_data(), faults);
            wide(array)
        }),
        _ => Box::new(move |array, faults| {
            let array = array.as_string_view();
            let values = parse(array, &Plain, faults);
            inspect(array, &check, &[0], faults);
            values
        }),
    }
}

/// Finds what is wrong with text of which `all` are the bytes.
fn inspect<'a>(
    array: impl StringArrayType<'a>,
    check: &impl Fn(&str) -> Result<()>,
    all: &[u8],
    faults: &mut Faults,
) {
    // Hardly ever is there one.
    let nul = all.contains(&0);
    for (row, text) in array.iter().enumerate() {
        let Some(text) = text else { continue };
        if nul && text.as_bytes().contains(&0) {
            faults.add(row, value::nul());
        } else if let Err(error) = check(text) {
            faults.add(row, error);
        }
    }
}

fn parsed<C: Codec + Send + Sync + 'static>(kind: &DataType, codec: C) -> Prepare {
    match kind {
        DataType::Utf8 => {
            Box::new(move |array, faults| parse(array.as_string::<i32>(), &codec, faults))
        }
        DataType::LargeUtf8 => {
            Box::new(move |array, faults| parse(array.as_string::<i64>(), &codec, faults))
        }
        _ => Box::new(move |array, faults| parse(array.as_string_view(), &codec, faults)),
    }
}

fn parse<'a, C: Codec>(
    array: impl StringArrayType<'a>,
    codec: &C,
    faults: &mut Faults,
) -> Values<'static> {
    let mut bytes = Vec::with_capacity(array.len() * 16);
    let mut ends = Vec::with_capacity(array.len() + 1);
    ends.push(0);
    for (row, text) in array.iter().enumerate() {
        if let Some(text) = text {
            let start = bytes.len();
            if let Err(error) = codec.parse(text, &mut bytes) {
                bytes.truncate(start);
                faults.add(row, error);
            }
        }
        ends.push(bytes.len());
    }
    Values::any(bytes, Ends::Own(ends), array.nulls().cloned())
}

/// Text of at most so many characters, spaces at the end apart.
fn within(text: &str, most: usize) -> Result<()> {
    // A character has a byte at least.
    if text.len() <= most || text.trim_end_matches(' ').chars().count() <= most {
        return Ok(());
    }
    Err(too_long(text, &format!("{most} characters")))
}

#[cold]
fn too_long(text: &str, most: &str) -> Error {
    Error::data("too-long", format!("{} is longer than {most}", shown(text)))
}

#[cold]
fn no_label(text: &str, name: &str) -> Error {
    Error::data(
        "bad-value",
        format!("{} is no label of the enum {name:?}", shown(text)),
    )
}

/// A `numeric` of this precision and scale, if it has any.
struct Numeric(Option<(u16, i16)>);

impl Codec for Numeric {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        value::numeric::Text.print(bytes, out)
    }

    #[inline]
    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        value::numeric::parse(text, self.0, out)
    }
}

/// So many bits.
struct Bits {
    least: u32,
    most: u32,
}

impl Codec for Bits {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        value::bits::Text.print(bytes, out)
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        if !(self.least as usize..=self.most as usize).contains(&text.len()) {
            let message = format!("{} has another number of bits than the column", shown(text));
            return Err(Error::data("bad-value", message));
        }
        value::bits::Text.parse(text, out)
    }
}
