//! Dates and times: PostgreSQL counts from 2000, Arrow from 1970.
//!
//! Invariants: the greatest and the least number stand for the infinities on
//! both sides; no other value becomes one of them, and none is saturated.

use std::io::Write;

use vesicle_connector::Result;

use super::{Codec, malformed, unreadable};

/// A day, in microseconds.
pub(crate) const DAY: i64 = 86_400_000_000;

/// From 1970-01-01 to 2000-01-01, in days.
const EPOCH_DAYS: i32 = 10_957;

/// From 1970-01-01 to 2000-01-01, in microseconds.
const EPOCH: i64 = EPOCH_DAYS as i64 * DAY;

/// The dates that PostgreSQL has, in days from 2000: 4714-11-24 BC to 5874897-12-31.
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;

/// The first timestamp that PostgreSQL has, in microseconds from 2000; its last
/// is beyond what counts from 1970 can say.
const FIRST: i64 = DATES.start as i64 * DAY;

/// Days from 2000 to days from 1970.
#[inline]
pub(crate) fn date_to_unix(days: i32) -> Option<i32> {
    match days {
        i32::MAX | i32::MIN => Some(days),
        _ => days
            .checked_add(EPOCH_DAYS)
            .filter(|&days| days != i32::MAX),
    }
}

/// Days from 1970 to days from 2000, if PostgreSQL has that date.
#[inline]
pub(crate) fn date_from_unix(days: i32) -> Option<i32> {
    match days {
        i32::MAX | i32::MIN => Some(days),
        _ => days
            .checked_sub(EPOCH_DAYS)
            .filter(|days| DATES.contains(days)),
    }
}

/// Microseconds from 2000 to microseconds from 1970.
#[inline]
pub(crate) fn timestamp_to_unix(time: i64) -> Option<i64> {
    match time {
        i64::MAX | i64::MIN => Some(time),
        _ => time.checked_add(EPOCH).filter(|&time| time != i64::MAX),
    }
}

/// Microseconds from 1970 to microseconds from 2000, if PostgreSQL has that time.
#[inline]
pub(crate) fn timestamp_from_unix(time: i64) -> Option<i64> {
    match time {
        i64::MAX | i64::MIN => Some(time),
        _ => time.checked_sub(EPOCH).filter(|&time| time >= FIRST),
    }
}

/// The time part of an interval in nanoseconds. The infinite interval of
/// PostgreSQL 17, every part at its limit, stays at the limits.
#[inline]
pub(crate) fn interval_to_nanoseconds(months: i32, days: i32, time: i64) -> Option<i64> {
    match (months, days, time) {
        (i32::MAX, i32::MAX, i64::MAX) | (i32::MIN, i32::MIN, i64::MIN) => Some(time),
        _ => time.checked_mul(1000),
    }
}

/// The time part of an interval in microseconds, if it is a number of them.
#[inline]
pub(crate) fn interval_to_microseconds(months: i32, days: i32, time: i64) -> Option<i64> {
    match (months, days, time) {
        (i32::MAX, i32::MAX, i64::MAX) | (i32::MIN, i32::MIN, i64::MIN) => Some(time),
        _ => (time % 1000 == 0).then_some(time / 1000),
    }
}

/// Year, month and day of a day counted from 2000; the year before 1 is 0.
///
/// Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + i64::from(EPOCH_DAYS) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The day counted from 2000; none if there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year.abs() > 6_000_000 {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let in_era = shifted.rem_euclid(400);
    let of_era = in_era * 365 + in_era / 4 - in_era / 100 + of_year;
    let found = era * 146_097 + of_era - 719_468 - i64::from(EPOCH_DAYS);
    (civil(found) == (year, month, day)).then_some(found)
}

fn infinite(out: &mut Vec<u8>, negative: bool) {
    out.extend_from_slice(if negative { b"-infinity" } else { b"infinity" });
}

fn print_day(day: i64, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil(day);
    let before = year < 1;
    let year = if before { 1 - year } else { year };
    // Writing to a vector cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
    before
}

/// Adds the time of a microsecond counted from midnight.
pub(crate) fn print_time(time: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (time / 1_000_000, time % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        let _ = write!(out, ".{fraction:06}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Adds the date of a day counted from 2000.
pub(crate) fn print_date(date: i32, out: &mut Vec<u8>) {
    if matches!(date, i32::MIN | i32::MAX) {
        return infinite(out, date < 0);
    }
    if print_day(date.into(), out) {
        out.extend_from_slice(b" BC");
    }
}

/// Adds the time of a microsecond counted from 2000, with the zone UTC or none.
pub(crate) fn print_timestamp(time: i64, zone: bool, out: &mut Vec<u8>) {
    if matches!(time, i64::MIN | i64::MAX) {
        return infinite(out, time < 0);
    }
    let before = print_day(time.div_euclid(DAY), out);
    out.push(b' ');
    print_time(time.rem_euclid(DAY), out);
    if zone {
        out.extend_from_slice(b"+00");
    }
    if before {
        out.extend_from_slice(b" BC");
    }
}

/// The date of a day counted from 2000, for people.
pub(crate) fn date_text(date: i32) -> String {
    let mut out = Vec::new();
    print_date(date, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The time of a microsecond counted from 2000, for people.
pub(crate) fn timestamp_text(time: i64) -> String {
    let mut out = Vec::new();
    print_timestamp(time, false, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let known = digits.contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| known)
}

fn parse_day(text: &str, before: bool) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = number(parts.next()?, 4..=7)?;
    let (month, day) = (number(parts.next()?, 2..=2)?, number(parts.next()?, 2..=2)?);
    if year == 0 {
        return None;
    }
    days(if before { 1 - year } else { year }, month, day)
}

/// The microsecond counted from midnight.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.splitn(3, ':').map(|part| number(part, 2..=2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let fraction = match fraction {
        "" => 0,
        digits => number(digits, 1..=6)? * 10_i64.pow(6 - digits.len() as u32),
    };
    let time = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
    (minute < 60 && second < 60 && time <= DAY).then_some(time)
}

/// Seconds east of UTC: `+02`, `-09:30`, `Z`.
fn parse_zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let mut parts = rest.splitn(3, ':').map(|part| number(part, 2..=2));
    let hour = parts.next()??;
    let minute = parts.next().unwrap_or(Some(0))?;
    let second = parts.next().unwrap_or(Some(0))?;
    (hour < 16 && minute < 60 && second < 60).then_some(sign * ((hour * 60 + minute) * 60 + second))
}

/// A time and what follows it.
fn split_zone(text: &str) -> (&str, &str) {
    text.split_at(text.find(['+', '-', 'Z']).unwrap_or(text.len()))
}

/// The day counted from 2000.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    match text {
        "infinity" => return Some(i32::MAX),
        "-infinity" => return Some(i32::MIN),
        _ => {}
    }
    let day = text.strip_suffix(" BC");
    let found = parse_day(day.unwrap_or(text), day.is_some())?;
    i32::try_from(found)
        .ok()
        .filter(|date| DATES.contains(date))
}

/// The microsecond counted from 2000; a zone must be there, or must not.
pub(crate) fn parse_timestamp(text: &str, zone: bool) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let era = text.strip_suffix(" BC");
    let (day, rest) = era.unwrap_or(text).split_once([' ', 'T'])?;
    let (time, offset) = split_zone(rest);
    let east = match (zone, offset) {
        (true, offset) => parse_zone(offset)?,
        (false, "") => 0,
        (false, _) => return None,
    };
    let day = parse_day(day, era.is_some())?.checked_mul(DAY)?;
    let time = day
        .checked_add(parse_time(time)?)?
        .checked_sub(east * 1_000_000)?;
    (time >= FIRST && time != i64::MAX).then_some(time)
}

/// `time with time zone`: microseconds, and seconds west of UTC.
#[derive(Clone, Copy)]
pub(crate) struct TimeTz;

impl Codec for TimeTz {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some((time, west)) = bytes
            .split_first_chunk()
            .and_then(|(time, rest)| Some((i64::from_be_bytes(*time), rest.try_into().ok()?)))
            .map(|(time, west)| (time, i32::from_be_bytes(west)))
            .filter(|(time, west)| (0..=DAY).contains(time) && west.unsigned_abs() < 16 * 3600)
        else {
            return Err(malformed("time with time zone", bytes));
        };
        print_time(time, out);
        out.push(if west > 0 { b'-' } else { b'+' });
        let west = west.abs();
        write!(out, "{:02}", west / 3600)?;
        if west % 3600 != 0 {
            write!(out, ":{:02}", west / 60 % 60)?;
        }
        if west % 60 != 0 {
            write!(out, ":{:02}", west % 60)?;
        }
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        let (time, zone) = split_zone(text);
        let (Some(time), Some(east)) = (parse_time(time), parse_zone(zone)) else {
            return Err(unreadable("time with time zone", text));
        };
        out.extend_from_slice(&time.to_be_bytes());
        // Less than a day.
        out.extend_from_slice(&(-east as i32).to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_edges_of_the_calendar_are_written_as_postgresql_writes_them() {
        let cases = [
            (0, "2000-01-01"),
            (-1, "1999-12-31"),
            (DATES.start, "4714-11-24 BC"),
            (DATES.end - 1, "5874897-12-31"),
            (i32::MAX, "infinity"),
            (i32::MIN, "-infinity"),
            (59, "2000-02-29"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
        ];
        for (date, text) in cases {
            assert_eq!(date_text(date), text);
            assert_eq!(parse_date(text), Some(date));
        }
        for text in [
            "2001-02-29",
            "0000-01-01",
            "2000-13-01",
            "2000-1-1",
            "4714-11-23 BC",
            "",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_beyond_what_can_be_counted_is_none_and_not_infinity() {
        let last = i64::MAX - 1 - EPOCH;
        assert_eq!(timestamp_to_unix(last), Some(i64::MAX - 1));
        assert_eq!(timestamp_to_unix(last + 1), None);
        assert_eq!(timestamp_to_unix(last + 2), None);
        assert_eq!(timestamp_to_unix(i64::MAX), Some(i64::MAX));
        assert_eq!(timestamp_from_unix(i64::MIN + 1), None);
        assert_eq!(date_from_unix(i32::MIN + 1), None);
    }

    #[test]
    fn a_zone_is_taken_off_the_time() {
        let noon = parse_timestamp("2000-01-01 12:00:00+00", true);
        assert_eq!(parse_timestamp("2000-01-01T14:30:00+02:30", true), noon);
        assert_eq!(parse_timestamp("2000-01-01 12:00:00", true), None);
        assert_eq!(parse_timestamp("2000-01-01 12:00:00+00", false), None);
    }

    proptest! {
        #[test]
        fn dates_and_times_are_read_back(date in DATES, time in FIRST..i64::MAX, zone: bool) {
            prop_assert_eq!(parse_date(&date_text(date)), Some(date));
            let mut out = Vec::new();
            print_timestamp(time, zone, &mut out);
            prop_assert_eq!(parse_timestamp(std::str::from_utf8(&out).unwrap(), zone), Some(time));
        }

        #[test]
        fn times_with_zones_are_read_back(time in 0..=DAY, west in -57_599_i32..57_600) {
            let bytes = [&time.to_be_bytes()[..], &west.to_be_bytes()].concat();
            let (mut text, mut back) = (Vec::new(), Vec::new());
            TimeTz.print(&bytes, &mut text).unwrap();
            TimeTz.parse(std::str::from_utf8(&text).unwrap(), &mut back).unwrap();
            prop_assert_eq!(back, bytes);
        }
    }
}
