//! Sizes and durations as people write them.
//!
//! A size is a number of bytes, or a number and a unit: `64 MiB`, `1.5 GB`.
//! Units with an `i` are powers of 1024 (IEC 80000-13), the others powers of
//! 1000 (SI); upper and lower case mean the same. A duration is a number and
//! one of `ms`, `s`, `m`, `h`, `d`. Nothing is rounded: what is not a whole
//! number of bytes or milliseconds is refused.

use std::time::Duration;

/// Reads a size, in bytes.
///
/// # Errors
/// Says what a size looks like if this is none, or that it is too large.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000_u64.pow(2),
        "gb" => 1000_u64.pow(3),
        "tb" => 1000_u64.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "k" | "m" | "g" | "t" if !number.is_empty() => {
            let unit = unit.to_ascii_uppercase();
            return Err(format!(
                "write {unit}B (powers of 1000) or {unit}iB (powers of 1024)"
            ));
        }
        _ => return Err(SIZE.to_owned()),
    };
    scale(number, factor, SIZE)
}

/// Reads a duration.
///
/// # Errors
/// Says what a duration looks like if this is none, or that it is too long.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DURATION.to_owned()),
    };
    scale(number, factor, DURATION).map(Duration::from_millis)
}

const SIZE: &str = "a size is a number of bytes or a number and a unit, such as 64 MiB or 1048576";
const DURATION: &str = "a duration is a number and a unit, such as 500ms, 30s, 5m or 1h";

/// A size in the largest unit that keeps it whole.
pub fn show_size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units
        .into_iter()
        .find(|(shift, _)| bytes >= 1 << shift && bytes.trailing_zeros() >= *shift);
    match whole {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

/// A duration in the largest unit that keeps it whole.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ];
    let whole = units
        .into_iter()
        .find(|(factor, _)| millis >= *factor && millis.is_multiple_of(*factor));
    match whole {
        Some((factor, unit)) => format!("{}{unit}", millis / factor),
        None => format!("{millis}ms"),
    }
}

/// The number and the unit, blanks between them removed.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// A decimal number times a factor, if that is whole.
fn scale(number: &str, factor: u64, shape: &str) -> Result<u64, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let dotted = whole.len() < number.len();
    if whole.is_empty() || fraction.contains('.') || (dotted && fraction.is_empty()) {
        return Err(shape.to_owned());
    }
    let fraction = fraction.trim_end_matches('0');
    let large = || "that is too large".to_owned();
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| large())?;
    let scaled = digits.checked_mul(u128::from(factor)).ok_or_else(large)?;
    let divisor = u32::try_from(fraction.len())
        .ok()
        .and_then(|digits| 10_u128.checked_pow(digits))
        .ok_or_else(large)?;
    if !scaled.is_multiple_of(divisor) {
        return Err("that is not a whole number of the smallest unit".to_owned());
    }
    u64::try_from(scaled / divisor).map_err(|_| large())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("64 MiB"), Ok(64 << 20));
        assert_eq!(parse_size("64mb"), Ok(64_000_000));
        assert_eq!(parse_size("1048576"), Ok(1 << 20));
        assert_eq!(parse_size(" 1.50 kib "), Ok(1536));
        assert_eq!(parse_size("0"), Ok(0));
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason() {
        for bad in [
            "", "MiB", "-1 MiB", "64 megs", "1.2.3 kb", "1. MB", ".5 MB", "1e6",
        ] {
            assert_eq!(parse_size(bad), Err(SIZE.to_owned()), "{bad}");
        }
        assert!(parse_size("64M").is_err_and(|why| why.contains("MiB")));
        assert!(parse_size("99999999999 TiB").is_err_and(|why| why.contains("too large")));
        assert!(parse_size(&"9".repeat(400)).is_err_and(|why| why.contains("too large")));
        assert!(parse_size("0.3 B").is_err_and(|why| why.contains("whole")));
        assert!(parse_size(&format!("0.{}1", "0".repeat(400))).is_err());
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5 s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        assert!(parse_duration("30").is_err());
        assert!(parse_duration("30 secs").is_err());
    }

    #[test]
    fn quantities_are_shown_in_the_unit_that_keeps_them_whole() {
        assert_eq!(show_size(64 << 20), "64 MiB");
        assert_eq!(show_size(1000), "1000 bytes");
        assert_eq!(show_size(0), "0 bytes");
        assert_eq!(show_duration(Duration::from_secs(60)), "1m");
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
    }
}
