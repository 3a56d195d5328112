//! Dates and times to one another. What has no zone is taken as UTC.

use std::sync::Arc;

use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::{DataType, TimeUnit};

use super::{Convert, unless};
use crate::types::Scalar;
use crate::value::time;

/// Microseconds from 1970. A date is its midnight; a time without a zone is one
/// of UTC.
pub(super) fn stamp(text: &str, zone: bool) -> Option<i64> {
    let read = match time::parse_timestamp(text, zone) {
        None if zone => time::parse_timestamp(text, false),
        read => read,
    };
    let midnight = || i64::from(time::parse_date(text)?).checked_mul(time::DAY);
    time::timestamp_to_unix(read.or_else(midnight)?)
}

/// Dates for timestamps and the other way round.
pub(super) fn between_times(kind: &DataType, target: &Scalar) -> Option<(Convert, DataType)> {
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
