//! Dates and times as text.
//!
//! Dates are those of the proleptic Gregorian calendar, years 0000 to 9999;
//! timestamps are those of RFC 3339, with a space allowed for the `T`, and
//! without an offset where they belong to no time zone. Invariant: a text
//! that says more than microseconds can hold is not a timestamp here.

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A timestamp: microseconds since 1970-01-01T00:00:00, in UTC if the text
/// had an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since the epoch.
    pub micros: i64,
    /// Whether the text said to which time zone it belongs.
    pub zoned: bool,
}

/// Days since 1970-01-01 of a date written as `2013-01-31`.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    match parse_days(text)? {
        (days, []) => Some(days),
        _ => None,
    }
}

/// Microseconds since midnight of a time written as `23:59:59.999999`.
pub fn parse_time(text: &[u8]) -> Option<i64> {
    match parse_micros(text)? {
        (micros, []) => Some(micros),
        _ => None,
    }
}

/// The timestamp that a text is.
pub fn parse_timestamp(text: &[u8]) -> Option<Stamp> {
    let (days, rest) = parse_days(text)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else {
        return None;
    };
    let (micros, rest) = parse_micros(rest)?;
    let (offset, zoned) = match rest {
        [] => (0, false),
        [b'Z' | b'z'] => (0, true),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = two([*h1, *h2], 23)?;
            let minutes = two([*m1, *m2], 59)?;
            let offset = (hours * 60 + minutes) * 60 * SECOND;
            (if *sign == b'+' { offset } else { -offset }, true)
        }
        _ => return None,
    };
    let micros = i64::from(days) * 86_400 * SECOND + micros - offset;
    Some(Stamp { micros, zoned })
}

fn parse_days(text: &[u8]) -> Option<(i32, &[u8])> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else {
        return None;
    };
    let year = two([*y1, *y2], 99)? * 100 + two([*y3, *y4], 99)?;
    let month = two([*m1, *m2], 12)?;
    let day = two([*d1, *d2], 31)?;
    if month == 0 || day == 0 || day > days_in(year, month) {
        return None;
    }
    Some((days_since_epoch(year, month, day), rest))
}

fn parse_micros(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else {
        return None;
    };
    let seconds = (two([*h1, *h2], 23)? * 60 + two([*m1, *m2], 59)?) * 60 + two([*s1, *s2], 59)?;
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => parse_fraction(rest)?,
        rest => (0, rest),
    };
    Some((seconds * SECOND + fraction, rest))
}

/// The digits after the point as microseconds; none if there is no digit or
/// if one is lost.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    if digits.is_empty() || digits.iter().skip(6).any(|digit| *digit != b'0') {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits.get(place).map_or(0, |digit| i64::from(digit - b'0'));
        micros = micros * 10 + digit;
    }
    Some((micros, rest))
}

/// Two digits that make at most `most`.
fn two([tens, ones]: [u8; 2], most: i64) -> Option<i64> {
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    let value = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    (value <= most).then_some(value)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts in years that begin in March, so that the leap day is the last one.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // Years have four digits, so that days fit easily.
    (era * 146_097 + day_of_era - 719_468) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_counts_the_days_since_the_epoch() {
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"2000-02-29"), Some(11_016));
        assert_eq!(parse_date(b"1969-12-31"), Some(-1));
        assert_eq!(parse_date(b"0000-01-01"), Some(-719_528));
        assert_eq!(parse_date(b"9999-12-31"), Some(2_932_896));
    }

    #[test]
    fn a_day_that_is_not_in_the_calendar_is_no_date() {
        for text in [
            "2013-02-29",
            "2013-13-01",
            "2013-00-10",
            "2013-1-1",
            "13-01-01",
            "1900-02-29",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_timestamp_with_an_offset_is_an_instant() {
        let stamp = |text: &str| parse_timestamp(text.as_bytes());
        let instant = Some(Stamp {
            micros: 1_357_034_400_000_000,
            zoned: true,
        });
        assert_eq!(stamp("2013-01-01T10:00:00Z"), instant);
        assert_eq!(stamp("2013-01-01 12:30:00.000+02:30"), instant);
        assert_eq!(stamp("2013-01-01T05:00:00-05:00"), instant);
        let plain = Some(Stamp {
            micros: 1_500_000,
            zoned: false,
        });
        assert_eq!(stamp("1970-01-01 00:00:01.5"), plain);
    }

    #[test]
    fn a_timestamp_finer_than_microseconds_is_left_as_it_is() {
        assert_eq!(parse_timestamp(b"2013-01-01T10:00:00.123456789Z"), None);
        assert!(parse_timestamp(b"2013-01-01T10:00:00.123456000Z").is_some());
        assert_eq!(parse_timestamp(b"2013-01-01T10:00:00."), None);
        assert_eq!(parse_timestamp(b"2013-01-01T24:00:00"), None);
    }
}
