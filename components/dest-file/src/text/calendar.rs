//! Dates and times as text: RFC 3339, and ISO 8601's signed years beyond four
//! digits.

use std::io::Write;

/// Writes a date that is so many days after 1970-01-01.
pub fn date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    if (0..=9999).contains(&year) {
        // Writing to memory does not fail.
        let _ = write!(out, "{year:04}-{month:02}-{day:02}");
    } else {
        let _ = write!(out, "{year:+05}-{month:02}-{day:02}");
    }
}

/// Writes a time of day. `unit` is how many of the units make a second.
pub fn time(value: i64, unit: i64, out: &mut Vec<u8>) {
    let seconds = value.div_euclid(unit);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    for (number, end) in [(hours, b':'), (minutes, b':'), (seconds, b' ')] {
        two(number, out);
        if end == b':' {
            out.push(end);
        }
    }
    fraction(value.rem_euclid(unit), unit, out);
}

/// Writes a timestamp that is so many units after 1970-01-01T00:00:00.
pub fn timestamp(value: i64, unit: i64, zoned: bool, out: &mut Vec<u8>) {
    let day = 86_400 * unit;
    date(value.div_euclid(day), out);
    out.push(b'T');
    time(value.rem_euclid(day), unit, out);
    if zoned {
        out.push(b'Z');
    }
}

/// A point and the digits of a fraction of a second, without zeros at its end.
fn fraction(value: i64, unit: i64, out: &mut Vec<u8>) {
    if value == 0 {
        return;
    }
    out.push(b'.');
    let mut rest = value;
    let mut place = unit / 10;
    while rest > 0 && place > 0 {
        // A single digit.
        out.push(b'0' + (rest / place) as u8);
        rest %= place;
        place /= 10;
    }
}

fn two(number: i64, out: &mut Vec<u8>) {
    // Less than a hundred: hours of a day, minutes, seconds.
    out.push(b'0' + (number / 10 % 10) as u8);
    out.push(b'0' + (number % 10) as u8);
}

/// Year, month and day, counting in years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_date_is_written_as_the_calendar_has_it() {
        let date = |days| text(|out| date(days, out));
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(-719_528), "0000-01-01");
        assert_eq!(date(2_932_897), "+10000-01-01");
        assert_eq!(date(-719_529), "-0001-12-31");
    }

    #[test]
    fn a_timestamp_is_written_as_finely_as_it_has_to_be() {
        let stamp = |value, unit| text(|out| timestamp(value, unit, true, out));
        assert_eq!(
            stamp(1_357_034_400_000_000, 1_000_000),
            "2013-01-01T10:00:00Z"
        );
        assert_eq!(stamp(-1, 1_000_000), "1969-12-31T23:59:59.999999Z");
        assert_eq!(stamp(1_500, 1_000), "1970-01-01T00:00:01.5Z");
        assert_eq!(
            stamp(1_000_000_001, 1_000_000_000),
            "1970-01-01T00:00:01.000000001Z"
        );
        assert_eq!(stamp(60, 1), "1970-01-01T00:01:00Z");
    }
}
