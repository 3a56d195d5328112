//! The values of a column, ready to be written as text.
//!
//! A [`Cell`] resolves the type of a column once, so that a value costs one
//! call. Invariant: a cell exists for exactly the types a format can hold.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use base64::prelude::BASE64_STANDARD;

use crate::options::Format;
use crate::text::{calendar, json};

/// Writes the value of a row.
type WriteValue<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// What values are to a text format.
pub enum Values<'a> {
    /// All NULL.
    Null,
    /// Numbers and truth values: written as they are in both formats.
    Bare(WriteValue<'a>),
    /// Dates, bytes and the like: strings in JSON, and without anything that
    /// has to be quoted.
    Word(WriteValue<'a>),
    /// Text of any kind.
    Text(Box<dyn Fn(usize) -> &'a str + 'a>),
    /// Lists and structs, as JSON.
    Json(WriteValue<'a>),
}

/// The values of a column.
pub struct Cell<'a> {
    nulls: Option<NullBuffer>,
    /// What they are.
    pub values: Values<'a>,
}

impl<'a> Cell<'a> {
    /// The values of a column, if the format can hold them.
    pub fn new(array: &'a dyn Array, format: Format) -> Option<Self> {
        Some(Self {
            nulls: array.logical_nulls(),
            values: values(array, format)?,
        })
    }

    /// Whether the value of a row is NULL.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

fn values<'a>(array: &'a dyn Array, format: Format) -> Option<Values<'a>> {
    use DataType as T;
    Some(match array.data_type() {
        T::Null => Values::Null,
        T::Boolean => {
            let array = array.as_boolean();
            let word = |value: bool| if value { &b"true"[..] } else { b"false" };
            Values::Bare(Box::new(move |row, out| {
                out.extend_from_slice(word(array.value(row)))
            }))
        }
        T::Int8 => integer::<Int8Type>(array),
        T::Int16 => integer::<Int16Type>(array),
        T::Int32 => integer::<Int32Type>(array),
        T::Int64 => integer::<Int64Type>(array),
        T::UInt8 => integer::<UInt8Type>(array),
        T::UInt16 => integer::<UInt16Type>(array),
        T::UInt32 => integer::<UInt32Type>(array),
        T::UInt64 => integer::<UInt64Type>(array),
        T::Float16 => float::<Float16Type, _>(array, format, |value| value.to_f32()),
        T::Float32 => float::<Float32Type, _>(array, format, |value| value),
        T::Float64 => float::<Float64Type, _>(array, format, |value| value),
        T::Decimal32(..) => decimal::<Decimal32Type>(array),
        T::Decimal64(..) => decimal::<Decimal64Type>(array),
        T::Decimal128(..) => decimal::<Decimal128Type>(array),
        T::Decimal256(..) => decimal::<Decimal256Type>(array),
        T::Date32 => {
            let array = array.as_primitive::<Date32Type>();
            Values::Word(Box::new(move |row, out| {
                calendar::date(array.value(row).into(), out)
            }))
        }
        T::Date64 => {
            let array = array.as_primitive::<Date64Type>();
            let days = |millis: i64| millis.div_euclid(86_400_000);
            Values::Word(Box::new(move |row, out| {
                calendar::date(days(array.value(row)), out)
            }))
        }
        T::Time32(TimeUnit::Second) => time::<Time32SecondType>(array, 1),
        T::Time32(_) => time::<Time32MillisecondType>(array, 1_000),
        T::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(array, 1_000_000),
        T::Time64(_) => time::<Time64NanosecondType>(array, 1_000_000_000),
        T::Timestamp(TimeUnit::Second, zone) => {
            stamp::<TimestampSecondType>(array, 1, zone.is_some())
        }
        T::Timestamp(TimeUnit::Millisecond, zone) => {
            stamp::<TimestampMillisecondType>(array, 1_000, zone.is_some())
        }
        T::Timestamp(TimeUnit::Microsecond, zone) => {
            stamp::<TimestampMicrosecondType>(array, 1_000_000, zone.is_some())
        }
        T::Timestamp(TimeUnit::Nanosecond, zone) => {
            stamp::<TimestampNanosecondType>(array, 1_000_000_000, zone.is_some())
        }
        T::Utf8 => {
            let array = array.as_string::<i32>();
            Values::Text(Box::new(move |row| array.value(row)))
        }
        T::LargeUtf8 => {
            let array = array.as_string::<i64>();
            Values::Text(Box::new(move |row| array.value(row)))
        }
        T::Utf8View => {
            let array = array.as_string_view();
            Values::Text(Box::new(move |row| array.value(row)))
        }
        T::Binary => {
            let array = array.as_binary::<i32>();
            bytes(move |row| array.value(row))
        }
        T::LargeBinary => {
            let array = array.as_binary::<i64>();
            bytes(move |row| array.value(row))
        }
        T::BinaryView => {
            let array = array.as_binary_view();
            bytes(move |row| array.value(row))
        }
        T::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            bytes(move |row| array.value(row))
        }
        T::Dictionary(..) => dictionary(array, format)?,
        T::Interval(
            IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
        ) => {
            return None;
        }
        _ if format == Format::Jsonl => Values::Json(json::nested(array)?),
        _ => return None,
    })
}

fn integer<T: ArrowPrimitiveType>(array: &dyn Array) -> Values<'_>
where
    T::Native: itoa::Integer,
{
    let array: &PrimitiveArray<T> = array.as_primitive();
    Values::Bare(Box::new(move |row, out| {
        out.extend_from_slice(itoa::Buffer::new().format(array.value(row)).as_bytes());
    }))
}

fn float<'a, T: ArrowPrimitiveType, F: ryu::Float + Into<f64>>(
    array: &'a dyn Array,
    format: Format,
    widen: impl Fn(T::Native) -> F + 'a,
) -> Values<'a> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let quote: &[u8] = if format == Format::Jsonl { b"\"" } else { b"" };
    Values::Bare(Box::new(move |row, out| {
        let value = widen(array.value(row));
        let as_double: f64 = value.into();
        if as_double.is_finite() {
            out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
            return;
        }
        let name: &[u8] = match as_double {
            f64::INFINITY => b"Infinity",
            f64::NEG_INFINITY => b"-Infinity",
            _ => b"NaN",
        };
        for text in [quote, name, quote] {
            out.extend_from_slice(text);
        }
    }))
}

fn decimal<T: DecimalType>(array: &dyn Array) -> Values<'_> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    let (precision, scale) = (array.precision(), array.scale());
    Values::Bare(Box::new(move |row, out| {
        let text = T::format_decimal(array.value(row), precision, scale);
        out.extend_from_slice(text.as_bytes());
    }))
}

fn time<T: ArrowPrimitiveType>(array: &dyn Array, unit: i64) -> Values<'_>
where
    T::Native: Into<i64>,
{
    let array: &PrimitiveArray<T> = array.as_primitive();
    Values::Word(Box::new(move |row, out| {
        calendar::time(array.value(row).into(), unit, out)
    }))
}

fn stamp<T: ArrowPrimitiveType<Native = i64>>(
    array: &dyn Array,
    unit: i64,
    zoned: bool,
) -> Values<'_> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    Values::Word(Box::new(move |row, out| {
        calendar::timestamp(array.value(row), unit, zoned, out);
    }))
}

fn bytes<'a>(value: impl Fn(usize) -> &'a [u8] + 'a) -> Values<'a> {
    Values::Word(Box::new(move |row, out| {
        // Writing to memory does not fail.
        let _ = write!(
            out,
            "{}",
            base64::display::Base64Display::new(value(row), &BASE64_STANDARD)
        );
    }))
}

fn dictionary(array: &dyn Array, format: Format) -> Option<Values<'_>> {
    let dictionary = array.as_any_dictionary_opt()?;
    let words = values(dictionary.values().as_ref(), format)?;
    if dictionary.values().is_empty() {
        return Some(Values::Null);
    }
    let keys = dictionary.normalized_keys();
    Some(match words {
        Values::Null => Values::Null,
        Values::Bare(write) => Values::Bare(Box::new(move |row, out| write(keys[row], out))),
        Values::Word(write) => Values::Word(Box::new(move |row, out| write(keys[row], out))),
        Values::Json(write) => Values::Json(Box::new(move |row, out| write(keys[row], out))),
        Values::Text(value) => Values::Text(Box::new(move |row| value(keys[row]))),
    })
}
