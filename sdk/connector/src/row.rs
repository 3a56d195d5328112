//! Rows as JSON: what a reject holds of a row that was read already.
//!
//! Invariants: an object has a key for each column, in order; what JSON has no
//! form for is a text: dates and times as ISO 8601 writes them, bytes in
//! hexadecimal, decimals and numbers that are none. A time beyond the years 1
//! to 9999 is the number it is in Arrow.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{MICROSECONDS, MILLISECONDS, NANOSECONDS};
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Number, Value};

/// A row of a batch as JSON, `{"id": 1, "name": null}`.
///
/// # Panics
///
/// If the batch has no such row.
pub fn row_to_json(batch: &RecordBatch, row: usize) -> String {
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns());
    let object: Map<String, Value> = columns
        .map(|(field, column)| (field.name().clone(), value(column.as_ref(), row)))
        .collect();
    Value::Object(object).to_string()
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    macro_rules! number {
        ($type:ty) => {
            Value::from(array.as_primitive::<$type>().value(row))
        };
    }
    macro_rules! decimal {
        ($type:ty) => {
            array.as_primitive::<$type>().value_as_string(row).into()
        };
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => float32(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal32(..) => decimal!(Decimal32Type),
        DataType::Decimal64(..) => decimal!(Decimal64Type),
        DataType::Decimal128(..) => decimal!(Decimal128Type),
        DataType::Decimal256(..) => decimal!(Decimal256Type),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Binary => hexadecimal(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => hexadecimal(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => hexadecimal(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => hexadecimal(array.as_fixed_size_binary().value(row)),
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref()),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row).as_ref()),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            value(
                dictionary.values().as_ref(),
                dictionary.normalized_keys()[row],
            )
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let columns = fields.iter().zip(columns);
            let object = columns.map(|(f, column)| (f.name().clone(), value(column.as_ref(), row)));
            Value::Object(object.collect())
        }
        _ => moment(array, row),
    }
}

fn list(values: &dyn Array) -> Value {
    (0..values.len()).map(|row| value(values, row)).collect()
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

/// The number with the digits of 32 bits, not those of 64.
fn float32(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, float)
}

fn hexadecimal(bytes: &[u8]) -> Value {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// A date, a time, or what is left.
fn moment(array: &dyn Array, row: usize) -> Value {
    macro_rules! raw {
        ($type:ty) => {
            i64::from(array.as_primitive::<$type>().value(row))
        };
    }
    match array.data_type() {
        DataType::Date32 => {
            let days = raw!(Date32Type);
            date(days).map_or(days.into(), Value::from)
        }
        DataType::Date64 => {
            let time = raw!(Date64Type);
            stamp(time, MILLISECONDS, false)
        }
        DataType::Time32(TimeUnit::Second) => clock(raw!(Time32SecondType), 1).into(),
        DataType::Time32(_) => clock(raw!(Time32MillisecondType), MILLISECONDS).into(),
        DataType::Time64(TimeUnit::Microsecond) => {
            clock(raw!(Time64MicrosecondType), MICROSECONDS).into()
        }
        DataType::Time64(_) => clock(raw!(Time64NanosecondType), NANOSECONDS).into(),
        DataType::Timestamp(unit, zone) => {
            let (time, units) = match unit {
                TimeUnit::Second => (raw!(TimestampSecondType), 1),
                TimeUnit::Millisecond => (raw!(TimestampMillisecondType), MILLISECONDS),
                TimeUnit::Microsecond => (raw!(TimestampMicrosecondType), MICROSECONDS),
                TimeUnit::Nanosecond => (raw!(TimestampNanosecondType), NANOSECONDS),
            };
            stamp(time, units, zone.is_some())
        }
        // Intervals and the like: as Rust shows them, for people.
        other => format!("a value of {other}").into(),
    }
}

/// A day counted from 1970, within the years 1 to 9999.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
fn date(days: i64) -> Option<String> {
    if !(-719_162..=2_932_896).contains(&days) {
        return None;
    }
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

fn clock(time: i64, units: i64) -> String {
    let (seconds, fraction) = (time / units, time % units);
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction != 0 {
        let width = units.ilog10() as usize;
        let _ = write!(text, ".{fraction:0width$}");
    }
    text
}

fn stamp(time: i64, units: i64, zone: bool) -> Value {
    let seconds = time.div_euclid(units);
    let Some(day) = date(seconds.div_euclid(86_400)) else {
        return time.into();
    };
    let of_day = seconds.rem_euclid(86_400) * units + time.rem_euclid(units);
    let zone = if zone { "Z" } else { "" };
    format!("{day}T{}{zone}", clock(of_day, units)).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::*;

    use super::*;

    #[test]
    fn a_row_is_an_object_whose_values_can_be_read_back() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![i64::MAX]))),
            ("f", Arc::new(Float64Array::from(vec![f64::NAN]))),
            ("g", Arc::new(Float32Array::from(vec![0.1]))),
            ("t", Arc::new(StringArray::from(vec!["it's \"so\""]))),
            ("none", Arc::new(StringArray::from(vec![None::<&str>]))),
            ("b", Arc::new(BinaryArray::from(vec![&b"\0\xff"[..]]))),
            ("d", Arc::new(Date32Array::from(vec![-1]))),
            ("far", Arc::new(Date32Array::from(vec![i32::MAX]))),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![-1]).with_timezone("UTC")),
            ),
            (
                "p",
                Arc::new(
                    Decimal128Array::from(vec![-150])
                        .with_precision_and_scale(6, 2)
                        .unwrap(),
                ),
            ),
            (
                "l",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([
                    Some(1),
                    None,
                ])])),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(
            row_to_json(&batch, 0),
            r#"{"n":9223372036854775807,"f":"NaN","g":0.1,"t":"it's \"so\"","none":null,"b":"00ff","d":"1969-12-31","far":2147483647,"at":"1969-12-31T23:59:59.999999Z","p":"-1.50","l":[1,null]}"#
        );
    }
}
