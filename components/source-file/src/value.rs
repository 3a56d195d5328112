//! Values as text: booleans, numbers, exact numbers.
//!
//! *Strict* is how inferred columns read: a text is a number only if the
//! number says all that the text says, so that `007`, `+49151…` and an integer
//! beyond 64 bits stay text. Columns that the user declared are read leniently:
//! the user has said what is meant.

use crate::cell::Cell;

/// The truth value that a text is.
pub fn parse_boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

/// The whole number that a text is.
#[inline]
pub fn parse_integer(text: &[u8], strict: bool) -> Option<i64> {
    integer(text.into(), strict)
}

/// The whole number that a cell is.
#[inline(always)]
pub fn integer(cell: Cell, strict: bool) -> Option<i64> {
    let (negative, digits) = match cell.strip(b'-') {
        Some(digits) => (true, digits),
        None if strict => (false, cell),
        None => (false, cell.strip(b'+').unwrap_or(cell)),
    };
    // Neither "007" nor "-0" says no more than the number.
    if strict && (digits.len() > 1 || negative) && digits.strip(b'0').is_some() {
        return None;
    }
    let value = match digits.head() {
        Some(head) if (1..=8).contains(&digits.len()) => short_number(*head, digits.len())?,
        _ => return long_integer(digits.text(), negative),
    };
    Some(if negative { -value } else { value })
}

/// The number that the first one to eight of some bytes are the digits of.
#[inline(always)]
fn short_number(head: [u8; 8], length: usize) -> Option<i64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // Each byte a digit, the last one in the highest; zeros before the first.
    let digits = (u64::from_le_bytes(head) ^ ZEROS) << (64 - 8 * length);
    // Adding takes what is above nine to the highest bit of its byte.
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    let pairs = digits.wrapping_mul(10 * 0x100 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 0x1_0000 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000 * 0x1_0000_0000 + 1) >> 32;
    // Eight digits fit.
    Some(eight as i64)
}

/// The whole number that digits are, up to the ends of the range.
#[inline(never)]
fn long_integer(digits: &[u8], negative: bool) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    if digits.len() <= 18 {
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    for byte in digits {
        let digit = i64::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        value = value.checked_mul(10)?;
        // Negative numbers reach one further.
        value = if negative {
            value.checked_sub(digit)?
        } else {
            value.checked_add(digit)?
        };
    }
    Some(value)
}

/// How many significant digits every floating point number of 64 bits keeps:
/// DBL_DIG of C.
const KEPT_DIGITS: usize = 15;

/// The floating point number that a text is: the nearest one. `NaN`, `inf` and
/// `Infinity` with or without a sign are numbers; digits that are too large for
/// any other number are none.
///
/// Read strictly, a text is a number only if its digits can be had back from
/// the number, and with an exponent only if it has a point: `1e5` may be a code.
pub fn parse_float(text: &[u8], strict: bool) -> Option<f64> {
    short_float(text).or_else(|| long_float(text, strict))
}

/// The number that digits with a point are, if they are so few that one
/// division gives the nearest one.
#[inline]
fn short_float(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; KEPT_DIGITS + 1] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let leads_with_zero = matches!(digits, [b'0', next, ..] if *next != b'.');
    if digits.len() > KEPT_DIGITS + 1 || leads_with_zero {
        return None;
    }
    let mut whole: u64 = 0;
    let mut point = None;
    for (place, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            whole = whole * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(place);
        } else {
            return None;
        }
    }
    let count = digits.len() - usize::from(point.is_some());
    if !(1..=KEPT_DIGITS).contains(&count) {
        return None;
    }
    let fraction = point.map_or(0, |point| digits.len() - point - 1);
    // Both are exact, so that the quotient is the nearest to the true one.
    let value = whole as f64 / POWERS[fraction];
    Some(if negative { -value } else { value })
}

/// The number that any other text is.
#[inline(never)]
fn long_float(text: &[u8], strict: bool) -> Option<f64> {
    if strict && is_named_number(text) {
        return str::from_utf8(text).ok()?.parse().ok();
    }
    if strict && !is_plain_number(text) {
        return None;
    }
    // Rust takes "nan" and "INF" in any case, a sign, and no other words.
    let value: f64 = str::from_utf8(text).ok()?.parse().ok()?;
    let is_kept = if strict {
        says_all(value, text)
    } else {
        !value.is_infinite() || !text.iter().any(u8::is_ascii_digit)
    };
    is_kept.then_some(value)
}

/// Whether a number says all that its text says: every digit, and that it is a
/// number at all, which `1e5` alone does not.
fn says_all(value: f64, text: &[u8]) -> bool {
    let exponent = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = text.split_at(exponent.unwrap_or(text.len()));
    if !mantissa.contains(&b'.') && matches!(exponent, [_, next, ..] if next.is_ascii_digit()) {
        return false;
    }
    let digits = significant(mantissa);
    // Numbers below the normal ones keep fewer digits, zero none.
    if digits.is_empty() {
        return value == 0.0;
    }
    value.is_normal()
        && (digits.len() <= KEPT_DIGITS || {
            // The shortest text that is read as this number.
            let shortest = format!("{value:e}");
            let mantissa = shortest.split('e').next().unwrap_or_default();
            significant(mantissa.as_bytes()) == digits
        })
}

/// The digits of a mantissa, without the zeros before and after them.
fn significant(mantissa: &[u8]) -> Vec<u8> {
    let digits = mantissa.iter().copied().filter(u8::is_ascii_digit);
    let mut digits: Vec<u8> = digits.skip_while(|digit| *digit == b'0').collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    digits
}

/// Whether a text is one of the names of numbers that have no digits.
pub fn is_named_number(text: &[u8]) -> bool {
    matches!(text, b"NaN" | b"inf" | b"-inf" | b"Infinity" | b"-Infinity")
}

/// Digits with a point or an exponent, no leading zeros, no plus.
fn is_plain_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0', next, ..] if next.is_ascii_digit() => false,
        [first, ..] => first.is_ascii_digit() || (*first == b'.' && digits.len() > 1),
        [] => false,
    }
}

/// The exact number that a text is, in units of the last place of its scale.
/// None if it has more digits than precision and scale allow.
pub fn parse_decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &digits[..0]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let scale = usize::from(scale);
    let kept = fraction.len().min(scale);
    if fraction[kept..].iter().any(|digit| *digit != b'0') {
        return None;
    }
    let zeros = std::iter::repeat_n(&b'0', scale - kept);
    let mut value: i128 = 0;
    for byte in whole.iter().chain(&fraction[..kept]).chain(zeros) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    // Ten to the power of 38 fits.
    let fits = value < 10_i128.pow(u32::from(precision));
    fits.then_some(if negative { -value } else { value })
}

/// The text without spaces around it.
pub fn trim(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| *byte != b' ' && *byte != b'\t';
    let Some(start) = text.iter().position(is_text) else {
        return &text[..0];
    };
    let end = text.iter().rposition(is_text).unwrap_or(start);
    &text[start..=end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_read_up_to_the_ends_of_its_range() {
        let read = |text: &str| parse_integer(text.as_bytes(), true);
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("-17"), Some(-17));
        assert_eq!(read("9223372036854775807"), Some(i64::MAX));
        assert_eq!(read("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(read("9223372036854775808"), None);
        assert_eq!(read("999999999999999999"), Some(999_999_999_999_999_999));
    }

    #[test]
    fn a_text_that_says_more_than_the_number_is_no_number_unless_declared() {
        for text in ["007", "+5", "-0", "00"] {
            assert_eq!(parse_integer(text.as_bytes(), true), None, "{text}");
            assert!(parse_integer(text.as_bytes(), false).is_some(), "{text}");
        }
        for text in ["", "-", "1_000", "1e5", "0x10", " 5", "5a", "\u{665}"] {
            assert_eq!(parse_integer(text.as_bytes(), false), None, "{text}");
        }
    }

    #[test]
    fn a_float_is_the_nearest_number() {
        let read = |text: &str| parse_float(text.as_bytes(), true);
        assert_eq!(read("39.1"), Some(39.1));
        assert_eq!(read("-1.0e-5"), Some(-1e-5));
        assert_eq!(read(".5"), Some(0.5));
        assert_eq!(read("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(read("NaN").is_some_and(f64::is_nan));
        for text in ["00.5", "+1.0", "nan", "1,5", "", "-", ".", "e5", "1.2.3"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_float_whose_digits_cannot_be_had_back_is_none_unless_declared() {
        let read = |text: &str| parse_float(text.as_bytes(), true);
        for text in [
            "123456789012345678.91",
            "99999999999999.99",
            "0.12345678901234567",
            "1.0e400",
            "-1.0e400",
            "1.0e-400",
            "4.9e-324",
            "1e5",
            "1E7",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        // As computers write what they have computed.
        assert_eq!(read("0.30000000000000004"), Some(0.1 + 0.2));
        assert_eq!(read("-2.220446049250313e-16"), Some(-f64::EPSILON));
        assert_eq!(read("1e-05"), Some(1e-5));
        assert_eq!(read("9999999999999.99"), Some(9_999_999_999_999.99));
        assert_eq!(read("-999999999999.999"), Some(-999_999_999_999.999));
        assert_eq!(
            read("0.000000000123456789012345"),
            Some(1.23456789012345e-10)
        );
        assert_eq!(
            read("123456789012345000.000"),
            Some(123_456_789_012_345_000.0)
        );
        assert_eq!(read("1.5E-7"), Some(1.5e-7));
        assert_eq!(read("2.2250738585072e-308"), None);
        assert_eq!(read("0.0000000000000000000000"), Some(0.0));
        let declared = |text: &str| parse_float(text.as_bytes(), false);
        assert_eq!(declared("99999999999999.99"), Some(99_999_999_999_999.98));
        assert_eq!(declared("1e5"), Some(1e5));
        assert_eq!(declared("1e-400"), Some(0.0));
        assert_eq!(declared("1e400"), None);
        assert_eq!(declared("-INF"), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn a_short_float_is_the_nearest_number_too() {
        for text in [
            "0",
            "-0",
            "0.0",
            "5.",
            ".5",
            "-.25",
            "0.1",
            "1.005",
            "123456789.012345",
            "999999999999999",
            "0.00000000000001",
            "-7.000000000000",
            "8.41",
        ] {
            let expected: f64 = text.parse().unwrap();
            let found = parse_float(text.as_bytes(), true).unwrap();
            assert_eq!(found.to_bits(), expected.to_bits(), "{text}");
        }
        for text in ["", "-", ".", "-.", "1..2", "--1", "1-", "1.2.3", "/", ":"] {
            assert_eq!(parse_float(text.as_bytes(), false), None, "{text}");
        }
    }

    #[test]
    fn a_decimal_loses_no_digit() {
        let read = |text: &str| parse_decimal(text.as_bytes(), 5, 2);
        assert_eq!(read("123.45"), Some(12345));
        assert_eq!(read("-0.1"), Some(-10));
        assert_eq!(read("7"), Some(700));
        assert_eq!(read("1.230"), Some(123));
        for text in ["1.234", "1000", "1e2", "", ".", "1.2.3", "12a"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn spaces_around_a_text_are_taken_off() {
        assert_eq!(trim(b"  5 \t"), b"5");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"a b"), b"a b");
    }
}
