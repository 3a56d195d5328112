//! Values of one type for a column of another, where an [`Encoder`] alone does
//! not take them.
//!
//! Invariant: a value is converted only if nothing of it is lost: `12.50` is no
//! integer and no `numeric(5,1)` has all of `0.25`, a timestamp is a date only at
//! midnight, and a number is a float only if the float gives back its digits. What has no zone is taken as UTC. A value
//! that cannot be converted is a fault with its row, and NULL in the result.
//!
//! [`Encoder`]: crate::Encoder

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};
use vesicle_connector::{Error, Result};

use crate::catalog::Column;
use crate::encode;
use crate::types::{Scalar, Type};
use crate::value::{numeric, shown, time};

/// What is wrong with the values of some rows.
pub type Faults = Vec<(usize, Error)>;

type Convert = Box<dyn Fn(&dyn Array, &mut Faults) -> ArrayRef>;

/// How the values of a field are brought into a column.
pub struct Coercion {
    /// None where the encoder takes them as they are.
    convert: Option<Convert>,
    kind: DataType,
}

impl Coercion {
    /// How values of an Arrow type are brought into a column.
    ///
    /// # Errors
    ///
    /// `schema` if there is no way.
    pub fn new(kind: &DataType, column: &Column) -> Result<Self> {
        let direct = encode::takes(kind, column);
        let Type::Scalar(target) = &column.r#type else {
            direct?;
            return Ok(Self::none(kind));
        };
        let (convert, kind) = match (direct, rounds(kind, target)) {
            (Ok(()), false) => return Ok(Self::none(kind)),
            (Ok(()), true) => (None, kind.clone()),
            (Err(refused), _) => {
                let (convert, kind) = conversion(kind, target).ok_or(refused)?;
                (Some(convert), kind)
            }
        };
        let convert = match (convert, target) {
            (convert, Scalar::Numeric(Some(limit))) => {
                return Ok(Self {
                    convert: Some(unrounded(convert, &kind, *limit)?),
                    kind: DataType::Utf8,
                });
            }
            (convert, target) => in_full(convert, target),
        };
        Ok(Self { convert, kind })
    }

    /// For a column of the values' own type, which takes them as they are.
    ///
    /// # Errors
    ///
    /// `schema` if it does not.
    pub fn none_for(kind: &DataType, column: &Column) -> Result<Self> {
        encode::takes(kind, column).map(|()| Self::none(kind))
    }

    fn none(kind: &DataType) -> Self {
        Self {
            convert: None,
            kind: kind.clone(),
        }
    }

    /// The Arrow type of what comes out, which the column's encoder takes.
    pub fn kind(&self) -> &DataType {
        &self.kind
    }

    /// Converts values.
    pub fn convert(&self, array: &ArrayRef, faults: &mut Faults) -> ArrayRef {
        match &self.convert {
            Some(convert) => convert(array.as_ref(), faults),
            None => Arc::clone(array),
        }
    }
}

/// Whether a column takes values of which it does not keep all digits.
fn rounds(kind: &DataType, target: &Scalar) -> bool {
    match target {
        Scalar::Numeric(Some(_)) => !kind.is_integer(),
        Scalar::Time(Some(_)) | Scalar::Timestamp(Some(_)) | Scalar::TimestampTz(Some(_)) => true,
        _ => false,
    }
}

/// The texts of numbers that a `numeric` with a limit has all digits of.
fn unrounded(convert: Option<Convert>, kind: &DataType, limit: (u16, i16)) -> Result<Convert> {
    let (convert, kind) = match convert {
        Some(convert) => (convert, DataType::Utf8),
        None => match to_text(kind) {
            Some(convert) => (convert, DataType::Utf8),
            None => (as_it_is(), kind.clone()),
        },
    };
    let is_text = matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    if !is_text {
        let message = format!("numbers of Arrow's {kind} cannot be converted");
        return Err(Error::schema("type-mismatch", message));
    }
    let target = Scalar::Numeric(Some(limit)).to_string();
    Ok(Box::new(move |array, faults| {
        let array = convert(array, faults);
        let mut texts = StringBuilder::new();
        each_text(&array, |row, text| {
            let kept = text.and_then(|text| {
                let places = number(text.trim(), Some(limit)).map(|number| places(&number));
                let fits = places.is_some_and(|places| places <= i32::from(limit.1));
                unless(fits.then_some(text), row, text, &target, faults)
            });
            texts.append_option(kept);
        });
        Arc::new(texts.finish())
    }))
}

fn as_it_is() -> Convert {
    Box::new(|array, _| arrow_array::make_array(array.to_data()))
}

/// Refuses times of which the target does not keep all digits.
fn in_full(convert: Option<Convert>, target: &Scalar) -> Option<Convert> {
    let (Scalar::Time(Some(digits))
    | Scalar::Timestamp(Some(digits))
    | Scalar::TimestampTz(Some(digits))) = target
    else {
        return convert;
    };
    let unit = 10_i64.pow(6_u32.saturating_sub(u32::from(*digits)));
    let target = target.to_string();
    Some(Box::new(move |array, faults| {
        let array = match &convert {
            Some(convert) => convert(array, faults),
            None => arrow_array::make_array(array.to_data()),
        };
        let is_infinite = |time: i64| matches!(time, i64::MIN | i64::MAX);
        let keep = |row: usize, time: i64, faults: &mut Faults| {
            let kept = (time % unit == 0 || is_infinite(time)).then_some(time);
            unless(
                kept,
                row,
                &format!("the microsecond {time}"),
                &target,
                faults,
            )
        };
        match array.data_type() {
            DataType::Time64(TimeUnit::Microsecond) => {
                let times = array.as_primitive::<Time64MicrosecondType>();
                let times = times.iter().enumerate();
                let kept = times.map(|(row, time)| keep(row, time?, faults));
                Arc::new(kept.collect::<arrow_array::Time64MicrosecondArray>())
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let times = array.as_primitive::<TimestampMicrosecondType>();
                let times = times.iter().enumerate();
                let kept = times.map(|(row, time)| keep(row, time?, faults));
                let kept = kept.collect::<arrow_array::TimestampMicrosecondArray>();
                Arc::new(kept.with_timezone_opt(zone.clone()))
            }
            _ => array,
        }
    }))
}

fn conversion(kind: &DataType, target: &Scalar) -> Option<(Convert, DataType)> {
    let is_text = matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    match target {
        Scalar::Text
        | Scalar::Varchar(_)
        | Scalar::Bpchar(_)
        | Scalar::Citext
        | Scalar::Name
        | Scalar::Numeric(_) => Some((to_text(kind)?, DataType::Utf8)),
        _ if is_text => from_text(target),
        Scalar::Bool => to_bool(kind),
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 if *kind == DataType::Boolean => {
            let convert: Convert = Box::new(|array, _| {
                let values = array.as_boolean().iter();
                let numbers = values.map(|value| value.map(i16::from));
                Arc::new(numbers.collect::<arrow_array::Int16Array>())
            });
            Some((convert, DataType::Int16))
        }
        _ => between_times(kind, target),
    }
}

/// The texts of values, each as it is written in SQL.
fn to_text(kind: &DataType) -> Option<Convert> {
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
fn from_text(target: &Scalar) -> Option<(Convert, DataType)> {
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

fn each_text(array: &dyn Array, mut each: impl FnMut(usize, Option<&str>)) {
    match array.data_type() {
        DataType::Utf8 => {
            (array.as_string::<i32>().iter().enumerate()).for_each(|(r, t)| each(r, t))
        }
        DataType::LargeUtf8 => {
            (array.as_string::<i64>().iter().enumerate()).for_each(|(r, t)| each(r, t));
        }
        _ => (array.as_string_view().iter().enumerate()).for_each(|(r, t)| each(r, t)),
    }
}

/// Notes a fault where a text could not be read.
fn unless<T>(
    read: Option<T>,
    row: usize,
    text: &str,
    target: &str,
    faults: &mut Faults,
) -> Option<T> {
    if read.is_none() {
        let message = format!("{} cannot become {target} without loss", shown(text));
        faults.push((row, Error::data("not-coerced", message)));
    }
    read
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

/// A number in the one form that PostgreSQL sends it in, without the zeros that
/// say nothing.
fn number(text: &str, limit: Option<(u16, i16)>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    numeric::parse(text, limit, &mut bytes).ok()?;
    // The head has, of two bytes each: the number of digits, the weight, the
    // sign, and how many places are shown.
    bytes.drain(6..8);
    Some(bytes)
}

/// How many places after the point a number has that are not zero at the end;
/// fewer than none if it ends in zeros before the point.
fn places(number: &[u8]) -> i32 {
    let field = |at: usize| {
        let bytes = number.get(at..at + 2).and_then(|two| two.try_into().ok());
        i32::from(bytes.map_or(0, i16::from_be_bytes))
    };
    let (count, weight) = (field(0), field(2));
    if count == 0 {
        return i32::MIN;
    }
    // The last of the digits, each of which is one of 10,000.
    let mut last = field(number.len() - 2);
    let mut places = (count - 1 - weight) * 4;
    while last % 10 == 0 && last != 0 {
        last /= 10;
        places -= 1;
    }
    places
}

/// Microseconds from 1970. A date is its midnight; a time without a zone is one
/// of UTC.
fn stamp(text: &str, zone: bool) -> Option<i64> {
    let read = match time::parse_timestamp(text, zone) {
        None if zone => time::parse_timestamp(text, false),
        read => read,
    };
    let midnight = || i64::from(time::parse_date(text)?).checked_mul(time::DAY);
    time::timestamp_to_unix(read.or_else(midnight)?)
}

/// Truth values of 0 and 1.
fn to_bool(kind: &DataType) -> Option<(Convert, DataType)> {
    fn of<A: ArrowPrimitiveType>() -> Convert
    where
        A::Native: Into<i64>,
    {
        Box::new(|array, faults| {
            let mut values = BooleanBuilder::with_capacity(array.len());
            for (row, value) in array.as_primitive::<A>().iter().enumerate() {
                values.append_option(value.and_then(|value| {
                    let value: i64 = value.into();
                    let read = [0, 1].contains(&value).then_some(value == 1);
                    unless(read, row, &value.to_string(), "boolean", faults)
                }));
            }
            Arc::new(values.finish())
        })
    }
    let convert = match kind {
        DataType::Int16 => of::<Int16Type>(),
        DataType::Int32 => of::<Int32Type>(),
        DataType::Int64 => of::<Int64Type>(),
        _ => return None,
    };
    Some((convert, DataType::Boolean))
}

/// Dates for timestamps and the other way round.
fn between_times(kind: &DataType, target: &Scalar) -> Option<(Convert, DataType)> {
    const UNIT: TimeUnit = TimeUnit::Microsecond;
    let (zone, kind_of_target) = match target {
        Scalar::Timestamp(_) => (None, DataType::Timestamp(UNIT, None)),
        Scalar::TimestampTz(_) => {
            let zone: Arc<str> = "UTC".into();
            (
                Some(Arc::clone(&zone)),
                DataType::Timestamp(UNIT, Some(zone)),
            )
        }
        Scalar::Date => (None, DataType::Date32),
        _ => return None,
    };
    let convert: Convert = match (kind, target) {
        (DataType::Timestamp(UNIT, _), Scalar::Date) => Box::new(|array, faults| {
            let mut days = PrimitiveBuilder::<Date32Type>::with_capacity(array.len());
            let times = array.as_primitive::<TimestampMicrosecondType>();
            for (row, time) in times.iter().enumerate() {
                days.append_option(time.and_then(|time| {
                    let day = match time {
                        i64::MAX => Some(i32::MAX),
                        i64::MIN => Some(i32::MIN),
                        _ if time % time::DAY == 0 => i32::try_from(time / time::DAY).ok(),
                        _ => None,
                    };
                    let text = || time::timestamp_from_unix(time).map(time::timestamp_text);
                    unless(day, row, &text().unwrap_or_default(), "date", faults)
                }));
            }
            Arc::new(days.finish())
        }),
        (DataType::Timestamp(UNIT, _), _) => Box::new(move |array, _| {
            let times = array.as_primitive::<TimestampMicrosecondType>().clone();
            Arc::new(times.with_timezone_opt(zone.clone()))
        }),
        (DataType::Date32, _) => Box::new(move |array, faults| {
            let mut times =
                PrimitiveBuilder::<TimestampMicrosecondType>::with_capacity(array.len());
            for (row, day) in array.as_primitive::<Date32Type>().iter().enumerate() {
                times.append_option(day.and_then(|day| {
                    let time = match day {
                        i32::MAX => Some(i64::MAX),
                        i32::MIN => Some(i64::MIN),
                        _ => i64::from(day).checked_mul(time::DAY),
                    };
                    unless(time, row, &day.to_string(), "a timestamp", faults)
                }));
            }
            Arc::new(times.finish().with_timezone_opt(zone.clone()))
        }),
        _ => return None,
    };
    Some((convert, kind_of_target))
}

#[cfg(test)]
mod tests {
    use arrow_array::*;

    use super::*;

    fn coerce(array: impl Array + 'static, to: &str) -> (ArrayRef, Vec<usize>) {
        let array: ArrayRef = Arc::new(array);
        let column = Column::new("c", Type::parse(to, None).unwrap());
        let coercion = Coercion::new(array.data_type(), &column).unwrap();
        let mut faults = Vec::new();
        let converted = coercion.convert(&array, &mut faults);
        assert_eq!(converted.data_type(), coercion.kind());
        encode::takes(coercion.kind(), &column).unwrap();
        (converted, faults.into_iter().map(|fault| fault.0).collect())
    }

    #[test]
    fn a_text_becomes_a_number_only_if_nothing_is_lost() {
        let texts = ["12", "-7.00", "12.5", "x", "9223372036854775808", ""];
        let (numbers, faults) = coerce(StringArray::from_iter_values(texts), "bigint");
        assert_eq!(numbers.as_primitive::<Int64Type>().values()[..2], [12, -7]);
        assert_eq!(faults, [2, 3, 4, 5]);
        let texts = ["0.1", "12.50", "1e300", "0.12345678901234567890", "NaN"];
        let (_, faults) = coerce(StringArray::from_iter_values(texts), "double precision");
        assert_eq!(faults, [3]);
        let (_, faults) = coerce(StringArray::from_iter_values(["0.1", "16777217"]), "real");
        assert_eq!(faults, [1]);
    }

    #[test]
    fn everything_becomes_text_as_sql_writes_it() {
        let text = |array: ArrayRef| array.as_string::<i32>().value(0).to_owned();
        assert_eq!(
            text(coerce(BooleanArray::from(vec![true]), "text").0),
            "true"
        );
        assert_eq!(text(coerce(Int32Array::from(vec![-5]), "text").0), "-5");
        let date = Date32Array::from(vec![0]);
        assert_eq!(text(coerce(date, "text").0), "1970-01-01");
        let time = TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC");
        assert_eq!(text(coerce(time, "text").0), "1970-01-01 00:00:01.5+00");
    }

    #[test]
    fn times_become_dates_at_midnight_and_zones_are_utc() {
        let times = TimestampMicrosecondArray::from(vec![0, time::DAY, 1, i64::MAX]);
        let (dates, faults) = coerce(times, "date");
        assert_eq!(faults, [2]);
        let dates = dates.as_primitive::<Date32Type>();
        assert_eq!((dates.value(1), dates.value(3)), (1, i32::MAX));
        let texts = [
            "2020-01-01",
            "2020-01-01 10:00:00",
            "2020-01-01T10:00:00+02",
            "soon",
        ];
        let (times, faults) = coerce(
            StringArray::from_iter_values(texts),
            "timestamp with time zone",
        );
        assert_eq!(faults, [3]);
        let times = times.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(times.value(1) - times.value(2), 2 * 3_600_000_000);
        let (times, _) = coerce(Date32Array::from(vec![1]), "timestamp without time zone");
        assert_eq!(
            times.as_primitive::<TimestampMicrosecondType>().value(0),
            time::DAY
        );
    }

    #[test]
    fn digits_that_a_column_does_not_keep_are_not_rounded_away() {
        let texts = ["1.5", "1.25", "1.50", "100", "NaN"];
        let (kept, faults) = coerce(StringArray::from_iter_values(texts), "numeric(3,1)");
        assert_eq!(faults, [1, 3]);
        assert_eq!(kept.null_count(), 2);
        let (_, faults) = coerce(Float64Array::from(vec![0.5, 0.25]), "numeric(3,1)");
        assert_eq!(faults, [1]);
        let (_, faults) = coerce(Int64Array::from(vec![5]), "numeric(3,1)");
        assert!(faults.is_empty());
        let times = TimestampMicrosecondArray::from(vec![1_000_000, 1_500_000, i64::MIN]);
        let (_, faults) = coerce(times, "timestamp(0) without time zone");
        assert_eq!(faults, [1]);
    }

    #[test]
    fn truth_values_are_zero_and_one() {
        let (values, faults) = coerce(Int32Array::from(vec![0, 1, 2]), "boolean");
        assert_eq!(faults, [2]);
        assert!(values.as_boolean().value(1));
        let (values, _) = coerce(BooleanArray::from(vec![true]), "bigint");
        assert_eq!(values.as_primitive::<Int16Type>().value(0), 1);
    }

    #[test]
    fn what_has_no_way_is_refused_with_both_types() {
        let column = Column::new("c", Type::parse("integer", None).unwrap());
        let Err(error) = Coercion::new(&DataType::Date32, &column) else {
            panic!("a date is no integer");
        };
        assert!(error.message.contains("integer") && error.message.contains("Date32"));
    }
}
