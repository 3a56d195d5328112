//! Decimals: integers with a scale, to and from the digits of a `numeric`.
//!
//! Invariant: a number that a decimal cannot hold is an error that names it;
//! none is rounded.

use vesicle_connector::{Error, Result};

use super::numeric::{self, NEGATIVE, Text, head, overflow};
use super::{Codec, malformed};

/// The number as a decimal of this precision and scale.
pub(crate) fn to_decimal(bytes: &[u8], precision: u8, scale: i8) -> Result<i128> {
    let Some((head, digits)) = head(bytes) else {
        return Err(malformed("numeric", bytes));
    };
    let refuse = || {
        let mut text = Vec::new();
        let _ = Text.print(bytes, &mut text);
        let message = format!(
            "{} is beyond what a decimal holds: take numeric as text",
            String::from_utf8_lossy(&text)
        );
        Error::data("out-of-range", message)
    };
    if !matches!(head.sign, 0 | NEGATIVE) || i32::from(head.scale) > i32::from(scale) {
        return Err(refuse());
    }
    let mut sum: i128 = 0;
    // The power of ten of the last digit taken.
    let mut power = (i32::from(head.weight) + 1) * 4;
    for pair in digits.chunks_exact(2) {
        let digit = u16::from_be_bytes([pair[0], pair[1]]);
        power -= 4;
        // Places beyond the scale are zeros that fill the last digit up.
        let beyond = (-power - i32::from(scale)).clamp(0, 4) as u32;
        let digit = i128::from(digit) / 10_i128.pow(beyond);
        let shifted = sum.checked_mul(10_i128.pow(4 - beyond));
        sum = shifted
            .and_then(|sum| sum.checked_add(digit))
            .ok_or_else(refuse)?;
    }
    let shift = u32::try_from(power + i32::from(scale)).unwrap_or(0);
    if sum != 0 && shift > 0 {
        let ten = 10_i128.checked_pow(shift).ok_or_else(refuse)?;
        sum = sum.checked_mul(ten).ok_or_else(refuse)?;
    }
    if sum.unsigned_abs() >= 10_u128.pow(precision.into()) {
        return Err(refuse());
    }
    Ok(if head.sign == NEGATIVE { -sum } else { sum })
}

/// Adds the bytes of `value` × 10^-`scale`, `text` writing it.
pub(crate) fn from_integer(
    value: i128,
    scale: i8,
    limit: Option<(u16, i16)>,
    out: &mut Vec<u8>,
) -> Result<()> {
    use std::io::Write;
    let mut buffer = [0_u8; 48];
    let mut rest = &mut buffer[..];
    // 39 digits at most.
    write!(rest, "{}", value.unsigned_abs())?;
    let left = rest.len();
    let digits = &buffer[..48 - left];
    from_digits(value < 0, digits, scale, limit, out)
}

/// Adds the bytes of the integer that `digits` writes, × 10^-`scale`.
pub(crate) fn from_digits(
    negative: bool,
    digits: &[u8],
    scale: i8,
    limit: Option<(u16, i16)>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let places = usize::try_from(scale).unwrap_or(0);
    let zeros = [b'0'; 128];
    let written = match digits.len() >= places {
        true => {
            let (whole, part) = digits.split_at(digits.len() - places);
            let power = i32::from(scale.min(0)).abs();
            numeric::write(negative, whole, part, power, limit, out)
        }
        false => {
            let part = [&zeros[..places - digits.len()], digits].concat();
            numeric::write(negative, &[], &part, 0, limit, out)
        }
    };
    written.ok_or_else(|| {
        let sign = if negative { "-" } else { "" };
        let text = format!(
            "{sign}{}e{}",
            String::from_utf8_lossy(digits),
            -i32::from(scale)
        );
        overflow(&text, limit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_decimal_cannot_hold_is_named() {
        for (text, precision, scale) in [
            ("NaN", 38, 2),
            ("-Infinity", 38, 2),
            ("1.234", 10, 2),
            ("100", 2, 0),
            ("1e40", 38, 0),
        ] {
            let mut bytes = Vec::new();
            Text.parse(text, &mut bytes).unwrap();
            let error = to_decimal(&bytes, precision, scale).unwrap_err();
            assert!(error.message.contains(text) || text == "1e40", "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_survives_the_wire(value in -10_i128.pow(38)+1..10_i128.pow(38), scale in 0_i8..=38) {
            let mut out = Vec::new();
            from_integer(value, scale, None, &mut out).unwrap();
            prop_assert_eq!(to_decimal(&out, 38, scale).unwrap(), value);
        }

        #[test]
        fn bytes_of_any_kind_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let _ = to_decimal(&bytes, 38, 10);
        }
    }
}
