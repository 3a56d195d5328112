//! Dates, times and intervals.
//!
//! Invariants: a time with a zone is no time without one, nor the other way
//! round; nanoseconds are rounded to microseconds, as PostgreSQL rounds what
//! is written with more digits than it keeps; an interval is not rounded.

use arrow_array::types::*;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::number::fixed;
use super::plan::Prepare;
use crate::types::Scalar;
use crate::value::time;

/// How a date, time or interval is taken, if it is one and the target takes it.
pub(super) fn of(kind: &DataType, target: &Scalar) -> Option<Prepare> {
    match (kind, target) {
        (DataType::Date32 | DataType::Date64, Scalar::Date) => date(kind, target),
        (DataType::Time32(unit) | DataType::Time64(unit), Scalar::Time(_)) => clock(*unit, target),
        (DataType::Timestamp(unit, None), Scalar::Timestamp(_))
        | (DataType::Timestamp(unit, Some(_)), Scalar::TimestampTz(_)) => timestamp(*unit, target),
        (DataType::Interval(unit), Scalar::Interval(_)) => interval(*unit, target),
        _ => None,
    }
}

fn date(kind: &DataType, target: &Scalar) -> Option<Prepare> {
    let encode = |days: i32| time::date_from_unix(days).map(i32::to_be_bytes);
    if *kind == DataType::Date32 {
        let show = |days| format!("the day {days} from 1970");
        return fixed::<Date32Type, 4>(encode, show, target);
    }
    const DAY: i64 = time::DAY / 1000;
    let days = |time: i64| {
        i32::try_from(time.div_euclid(DAY))
            .ok()
            .filter(|_| time % DAY == 0)
    };
    fixed::<Date64Type, 4>(
        // The ends of Date32 stand for infinity; a day there is only a day.
        move |time| {
            days(time)
                .filter(|days| !matches!(*days, i32::MIN | i32::MAX))
                .and_then(encode)
        },
        |time| format!("the millisecond {time} from 1970"),
        target,
    )
}

/// Microseconds of a number of units, rounded; none if there are too many.
fn microseconds(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => {
            Some(value.div_euclid(1000) + i64::from(value.rem_euclid(1000) >= 500))
        }
    }
}

fn clock(unit: TimeUnit, target: &Scalar) -> Option<Prepare> {
    let encode = move |time: i64| {
        microseconds(time, unit)
            .filter(|time| (0..=time::DAY).contains(time))
            .map(i64::to_be_bytes)
    };
    let narrow = move |time: i32| encode(time.into());
    let show = move |time: i64| format!("the time {time} {unit:?}s after midnight");
    let show_narrow = move |time: i32| show(time.into());
    match unit {
        TimeUnit::Second => fixed::<Time32SecondType, 8>(narrow, show_narrow, target),
        TimeUnit::Millisecond => fixed::<Time32MillisecondType, 8>(narrow, show_narrow, target),
        TimeUnit::Microsecond => fixed::<Time64MicrosecondType, 8>(encode, show, target),
        TimeUnit::Nanosecond => fixed::<Time64NanosecondType, 8>(encode, show, target),
    }
}

fn timestamp(unit: TimeUnit, target: &Scalar) -> Option<Prepare> {
    // The ends of microseconds stand for infinity; of other units, for nothing.
    let finite = |time: &i64| !matches!(*time, i64::MIN | i64::MAX);
    let other = move |time: i64| {
        microseconds(time, unit)
            .filter(finite)
            .and_then(time::timestamp_from_unix)
            .map(i64::to_be_bytes)
    };
    let same = |time: i64| time::timestamp_from_unix(time).map(i64::to_be_bytes);
    let show = move |time: i64| format!("the time {time} {unit:?}s from 1970");
    match unit {
        TimeUnit::Second => fixed::<TimestampSecondType, 8>(other, show, target),
        TimeUnit::Millisecond => fixed::<TimestampMillisecondType, 8>(other, show, target),
        TimeUnit::Microsecond => fixed::<TimestampMicrosecondType, 8>(same, show, target),
        TimeUnit::Nanosecond => fixed::<TimestampNanosecondType, 8>(other, show, target),
    }
}

fn interval(unit: IntervalUnit, target: &Scalar) -> Option<Prepare> {
    fn wire(months: i32, days: i32, time: i64) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&time.to_be_bytes());
        bytes[8..12].copy_from_slice(&days.to_be_bytes());
        bytes[12..].copy_from_slice(&months.to_be_bytes());
        bytes
    }
    match unit {
        IntervalUnit::YearMonth => fixed::<IntervalYearMonthType, 16>(
            |months| Some(wire(months, 0, 0)),
            |months| format!("{months} months"),
            target,
        ),
        IntervalUnit::DayTime => fixed::<IntervalDayTimeType, 16>(
            |it| Some(wire(0, it.days, i64::from(it.milliseconds) * 1000)),
            |it| format!("{it:?}"),
            target,
        ),
        IntervalUnit::MonthDayNano => fixed::<IntervalMonthDayNanoType, 16>(
            |it| {
                let time = time::interval_to_microseconds(it.months, it.days, it.nanoseconds)?;
                Some(wire(it.months, it.days, time))
            },
            |it| format!("{it:?}, finer than microseconds,"),
            target,
        ),
    }
}
