//! Values to texts as SQL writes them, and texts to values.

use std::sync::Arc;

use arrow_array::ArrowPrimitiveType;
use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::{DataType, TimeUnit};

use super::calendar::stamp;
use super::exact::number;
use super::{Convert, each_text, unless};
use crate::types::Scalar;
use crate::value::time;

/// The texts of values, each as it is written in SQL.
pub(super) fn to_text(kind: &DataType) -> Option<Convert> {
    macro_rules! display {
        ($type:ty) => {
            Some(texts::<$type>(|value| value.to_string()))
        };
    }
    let day = |days: i32| match time::date_from_unix(days) {
        Some(days) => time::date_text(days),
        None => format!("the day {days} from 1970"),
    };
    match kind {
        DataType::Boolean => Some(Box::new(|array, _| {
            let mut texts = StringBuilder::new();
            for value in array.as_boolean() {
                texts.append_option(value.map(|value| if value { "true" } else { "false" }));
            }
            Arc::new(texts.finish())
        })),
        DataType::Int8 => display!(Int8Type),
        DataType::Int16 => display!(Int16Type),
        DataType::Int32 => display!(Int32Type),
        DataType::Int64 => display!(Int64Type),
        DataType::UInt8 => display!(UInt8Type),
        DataType::UInt16 => display!(UInt16Type),
        DataType::UInt32 => display!(UInt32Type),
        DataType::UInt64 => display!(UInt64Type),
        DataType::Float32 => display!(Float32Type),
        DataType::Float64 => display!(Float64Type),
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            Some(texts::<Decimal128Type>(move |value| {
                Decimal128Type::format_decimal(value, precision, scale)
            }))
        }
        DataType::Date32 => Some(texts::<Date32Type>(day)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let zone = zone.is_some();
            Some(texts::<TimestampMicrosecondType>(move |value| {
                let mut text = Vec::new();
                match time::timestamp_from_unix(value) {
                    Some(value) => time::print_timestamp(value, zone, &mut text),
                    None => text.extend(format!("the microsecond {value} from 1970").bytes()),
                }
                String::from_utf8_lossy(&text).into_owned()
            }))
        }
        DataType::Time64(TimeUnit::Microsecond) => Some(texts::<Time64MicrosecondType>(|value| {
            let mut text = Vec::new();
            time::print_time(value, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        })),
        _ => None,
    }
}

fn texts<A: ArrowPrimitiveType>(write: impl Fn(A::Native) -> String + 'static) -> Convert {
    Box::new(move |array, _| {
        let mut texts = StringBuilder::new();
        for value in array.as_primitive::<A>() {
            texts.append_option(value.map(&write));
        }
        Arc::new(texts.finish())
    })
}

/// Values of texts.
pub(super) fn from_text(target: &Scalar) -> Option<(Convert, DataType)> {
    let zoned = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    Some(match target {
        Scalar::Bool => {
            let convert: Convert = Box::new(|array, faults| {
                let mut values = BooleanBuilder::new();
                each_text(array, |row, text| {
                    let value = text.and_then(|text| {
                        let read = boolean(text.trim());
                        unless(read, row, text, "boolean", faults)
                    });
                    values.append_option(value);
                });
                Arc::new(values.finish())
            });
            (convert, DataType::Boolean)
        }
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 => {
            (parsed::<Int64Type>(target, integer), DataType::Int64)
        }
        Scalar::Float4 => {
            let read = |text: &str| float(text, |text| text.parse::<f32>().ok());
            (parsed::<Float32Type>(target, read), DataType::Float32)
        }
        Scalar::Float8 => {
            let read = |text: &str| float(text, |text| text.parse::<f64>().ok());
            (parsed::<Float64Type>(target, read), DataType::Float64)
        }
        Scalar::Date => {
            let read = |text: &str| time::date_to_unix(time::parse_date(text)?);
            (parsed::<Date32Type>(target, read), DataType::Date32)
        }
        Scalar::Time(_) => {
            let kind = DataType::Time64(TimeUnit::Microsecond);
            (
                parsed::<Time64MicrosecondType>(target, time::parse_time),
                kind,
            )
        }
        Scalar::Timestamp(_) => {
            let kind = DataType::Timestamp(TimeUnit::Microsecond, None);
            (
                parsed::<TimestampMicrosecondType>(target, |text| stamp(text, false)),
                kind,
            )
        }
        Scalar::TimestampTz(_) => {
            let convert = parsed::<TimestampMicrosecondType>(target, |text| stamp(text, true));
            let in_zone: Convert = Box::new(move |array, faults| {
                let times = convert(array, faults);
                let times = times.as_primitive::<TimestampMicrosecondType>().clone();
                Arc::new(times.with_timezone("UTC"))
            });
            (in_zone, zoned(TimeUnit::Microsecond))
        }
        _ => return None,
    })
}

fn parsed<A: ArrowPrimitiveType>(
    target: &Scalar,
    read: impl Fn(&str) -> Option<A::Native> + 'static,
) -> Convert {
    let target = target.to_string();
    Box::new(move |array, faults| {
        let mut values = PrimitiveBuilder::<A>::with_capacity(array.len());
        each_text(array, |row, text| {
            let value = text.and_then(|text| unless(read(text.trim()), row, text, &target, faults));
            values.append_option(value);
        });
        Arc::new(values.finish())
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// An integer, perhaps with zeros after a point.
fn integer(text: &str) -> Option<i64> {
    match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole.parse().ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// A float that gives back all digits of the text, or that the text calls by
/// its name.
fn float<F: std::fmt::Display + Copy>(text: &str, read: impl Fn(&str) -> Option<F>) -> Option<F> {
    let value = read(text)?;
    let named = text
        .trim_start_matches(['+', '-'])
        .starts_with(|c: char| c.is_alphabetic());
    let same = || Some(number(text, None)? == number(&value.to_string(), None)?);
    (named || same()?).then_some(value)
}
