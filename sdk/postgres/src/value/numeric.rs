//! `numeric`: digits of base 10,000, written in decimal.
//!
//! On the wire: the number of digits, the power of the first, the sign, the
//! number of decimal places to show, the digits; 2 bytes each.

use vesicle_connector::{Error, Result};

use super::{Codec, malformed, unreadable};

pub(super) const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;

/// The most digits that PostgreSQL takes before the point, and after it.
const MOST: (usize, usize) = (131_072, 16_383);

#[derive(Clone, Copy)]
pub(crate) struct Text;

pub(super) struct Head {
    digits: usize,
    pub(super) weight: i16,
    pub(super) sign: u16,
    pub(super) scale: u16,
}

#[inline]
pub(super) fn head(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let (head, digits) = bytes.split_first_chunk::<8>()?;
    let at = |index: usize| u16::from_be_bytes([head[index], head[index + 1]]);
    let head = Head {
        digits: at(0).into(),
        weight: at(2) as i16,
        sign: at(4),
        scale: at(6),
    };
    let known = matches!(head.sign, 0 | NEGATIVE | NAN | INFINITY | MINUS_INFINITY);
    (known && digits.len() == 2 * head.digits && head.scale & 0xc000 == 0).then_some((head, digits))
}

/// The most bytes that the text of a value takes.
pub(crate) fn text_size(bytes: &[u8]) -> usize {
    match head(bytes) {
        Some((head, _)) => {
            (i32::from(head.weight).max(0) as usize + 1) * 4 + usize::from(head.scale) + 2
        }
        None => 0,
    }
}

/// The digit of base 10,000 at a place, 0 where there is none.
#[inline]
fn digit(digits: &[u8], place: usize) -> u16 {
    match digits.get(2 * place..2 * place + 2) {
        Some(pair) => u16::from_be_bytes([pair[0], pair[1]]),
        None => 0,
    }
}

#[inline]
fn four(digit: u16) -> [u8; 4] {
    let (high, low) = (digit / 100, digit % 100);
    [high / 10, high % 10, low / 10, low % 10].map(|n| b'0' + n as u8)
}

impl Codec for Text {
    fn print(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some((head, digits)) = head(bytes) else {
            return Err(malformed("numeric", bytes));
        };
        match head.sign {
            NAN => out.extend_from_slice(b"NaN"),
            INFINITY => out.extend_from_slice(b"Infinity"),
            MINUS_INFINITY => out.extend_from_slice(b"-Infinity"),
            sign => {
                if digits
                    .chunks_exact(2)
                    .any(|pair| u16::from_be_bytes([pair[0], pair[1]]) > 9999)
                {
                    return Err(malformed("numeric", bytes));
                }
                if head.weight.unsigned_abs() < 4 && head.scale <= 12 {
                    print_short(&head, digits, out);
                    return Ok(());
                }
                if sign == NEGATIVE {
                    out.push(b'-');
                }
                print_digits(&head, digits, out);
            }
        }
        Ok(())
    }

    fn parse(&self, text: &str, out: &mut Vec<u8>) -> Result<()> {
        parse(text, None, out)
    }
}

/// Adds a number of at most 16 digits before the point and 12 after it, which
/// nearly all are: put together on the stack, it is one addition.
#[inline]
fn print_short(head: &Head, digits: &[u8], out: &mut Vec<u8>) {
    // A sign, 16 digits, a point, and 12 digits in groups of four.
    let mut text = [0; 1 + 16 + 1 + 12];
    let mut end = 0;
    if head.sign == NEGATIVE {
        text[0] = b'-';
        end = 1;
    }
    let weight = i32::from(head.weight);
    if weight < 0 {
        text[end] = b'0';
        end += 1;
    }
    for place in 0..=weight {
        let group = four(digit(digits, place as usize));
        let zeros = match place {
            0 => group.iter().take(3).take_while(|&&c| c == b'0').count(),
            _ => 0,
        };
        text[end..end + 4 - zeros].copy_from_slice(&group[zeros..]);
        end += 4 - zeros;
    }
    if head.scale > 0 {
        text[end] = b'.';
        let point = end + 1;
        for group in 0..i32::from(head.scale.div_ceil(4)) {
            let place = usize::try_from(weight + 1 + group);
            let at = point + 4 * group as usize;
            let next = place.map_or(0, |place| digit(digits, place));
            text[at..at + 4].copy_from_slice(&four(next));
        }
        end = point + usize::from(head.scale);
    }
    out.extend_from_slice(&text[..end]);
}

#[inline]
fn print_digits(head: &Head, digits: &[u8], out: &mut Vec<u8>) {
    let weight = i32::from(head.weight);
    if weight < 0 {
        out.push(b'0');
    } else {
        let first = four(digit(digits, 0));
        let zeros = first.iter().take(3).take_while(|&&c| c == b'0').count();
        out.extend_from_slice(&first[zeros..]);
        for place in 1..=weight as usize {
            out.extend_from_slice(&four(digit(digits, place)));
        }
    }
    if head.scale > 0 {
        out.push(b'.');
        let end = out.len() + usize::from(head.scale);
        let mut place = weight + 1;
        while out.len() < end {
            let next = usize::try_from(place).map_or(0, |place| digit(digits, place));
            out.extend_from_slice(&four(next));
            place += 1;
        }
        out.truncate(end);
    }
}

/// Adds the bytes of the number that `text` writes, which a column of this
/// precision and scale, if it has any, can hold.
pub(crate) fn parse(text: &str, limit: Option<(u16, i16)>, out: &mut Vec<u8>) -> Result<()> {
    let trimmed = text.trim();
    let special = |sign: u16, out: &mut Vec<u8>| {
        // PostgreSQL sends the infinities with a scale of 32; it means nothing.
        let scale = if sign == NAN { 0 } else { 32 };
        for word in [0, 0, sign, scale] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    };
    let (negative, body) = match trimmed.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if !matches!(body.first(), Some(b'0'..=b'9' | b'.')) {
        let infinite = ["infinity", "inf"]
            .iter()
            .any(|it| body.eq_ignore_ascii_case(it.as_bytes()));
        match infinite {
            true if limit.is_some() => return Err(overflow(text, limit)),
            true if negative => special(MINUS_INFINITY, out),
            true => special(INFINITY, out),
            false if trimmed.eq_ignore_ascii_case("nan") => special(NAN, out),
            false => return Err(unreadable("numeric", text)),
        }
        return Ok(());
    }
    let exponent = body.iter().position(|c| matches!(c, b'e' | b'E'));
    let (mantissa, power) = match exponent {
        None => (body, 0),
        Some(at) => {
            let power = std::str::from_utf8(&body[at + 1..])
                .ok()
                .and_then(|it| it.parse().ok());
            (
                &body[..at],
                power.ok_or_else(|| unreadable("numeric", text))?,
            )
        }
    };
    let point = mantissa
        .iter()
        .position(|&c| c == b'.')
        .unwrap_or(mantissa.len());
    let whole = &mantissa[..point];
    let part = mantissa.get(point + 1..).unwrap_or(&[]);
    let known = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    if whole.len() + part.len() == 0 || !known(whole) || !known(part) {
        return Err(unreadable("numeric", text));
    }
    write(negative, whole, part, power, limit, out).ok_or_else(|| overflow(text, limit))
}

#[cold]
pub(super) fn overflow(text: &str, limit: Option<(u16, i16)>) -> Error {
    let kind = match limit {
        Some((precision, scale)) => format!("numeric({precision},{scale})"),
        None => "numeric".to_owned(),
    };
    let message = format!("{} is beyond what {kind} holds", super::shown(text));
    Error::data("out-of-range", message)
}

/// Adds the bytes of `whole`.`part` × 10^`power`, none if it is beyond what the
/// column or PostgreSQL holds.
pub(super) fn write(
    negative: bool,
    whole: &[u8],
    part: &[u8],
    power: i32,
    limit: Option<(u16, i16)>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let digits = whole.iter().chain(part);
    let zeros = digits.clone().take_while(|&&c| c == b'0').count();
    let significant = whole.len() + part.len() - zeros;
    let scale = usize::try_from((part.len() as i64 - i64::from(power)).max(0)).ok()?;
    if scale > MOST.1 {
        return None;
    }
    if significant == 0 {
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&(scale as u16).to_be_bytes());
        return Some(());
    }
    // The decimal place before which the first digit stands.
    let first = whole.len() as i64 + i64::from(power) - zeros as i64;
    if first > MOST.0 as i64 {
        return None;
    }
    // Groups of four are counted from the point.
    let weight = (first + 3).div_euclid(4) - 1;
    let lead = ((weight + 1) * 4 - first) as usize;
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let (mut group, mut filled) = (0_u16, lead);
    for c in digits.skip(zeros) {
        group = group * 10 + u16::from(c - b'0');
        filled += 1;
        if filled == 4 {
            out.extend_from_slice(&group.to_be_bytes());
            (group, filled) = (0, 0);
        }
    }
    if filled > 0 {
        group *= [1, 1000, 100, 10][filled];
        out.extend_from_slice(&group.to_be_bytes());
    }
    while out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }
    let digits = &out[start + 8..];
    let count = u16::try_from(digits.len() / 2).ok()?;
    if limit.is_some_and(|(precision, scale)| !fits(digits, weight, precision, scale)) {
        return None;
    }
    let sign = if negative { NEGATIVE } else { 0 };
    let head = [
        count,
        i16::try_from(weight).ok()? as u16,
        sign,
        scale as u16,
    ];
    for (word, place) in head.iter().zip(out[start..].as_chunks_mut::<2>().0) {
        *place = word.to_be_bytes();
    }
    Some(())
}

/// Whether the number of these digits, rounded to the scale as PostgreSQL does,
/// has no more of them than the precision.
fn fits(digits: &[u8], weight: i64, precision: u16, scale: i16) -> bool {
    let lead = digit(digits, 0).checked_ilog10().unwrap_or(0) + 1;
    let whole = weight * 4 + i64::from(lead);
    let most = i64::from(precision) - i64::from(scale);
    if whole != most {
        return whole < most;
    }
    // It may be rounded up to one digit more: 99.95 to one place is 100.0.
    let kept = usize::from(precision);
    let skipped = 4 - lead as usize;
    let mut decimal = (0..digits.len() / 2)
        .flat_map(|place| four(digit(digits, place)))
        .skip(skipped);
    let nines = decimal.by_ref().take(kept).filter(|&c| c == b'9').count() == kept;
    !(nines && decimal.next().is_some_and(|c| c >= b'5'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Text.parse(text, &mut out).unwrap();
        out
    }

    fn text(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        Text.print(bytes, &mut out).unwrap();
        assert!(out.len() <= text_size(bytes).max(9), "{} bytes", out.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_keep_their_value_and_their_zeros() {
        let cases = [
            "0",
            "0.00",
            "1",
            "-1",
            "10",
            "9999",
            "10000",
            "10001.0001",
            "0.0001",
            "0.00001",
            "-0.5",
            "123456789012345678901234567890.123456789",
            "NaN",
            "Infinity",
            "-Infinity",
            "100000000",
            "0.10",
            "1000000000000000000000000000000",
            "-9999999999999999.999999999999",
            "1000000000000.000000000001",
            "-0.000000000001",
            "0.0000000000001",
        ];
        for case in cases {
            assert_eq!(text(&wire(case)), case);
        }
        for (written, canonical) in [
            ("1e5", "100000"),
            ("1.5e-3", "0.0015"),
            (" +7. ", "7"),
            ("inf", "Infinity"),
            ("-0", "0"),
            (".5", "0.5"),
        ] {
            assert_eq!(text(&wire(written)), canonical);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for case in [
            "", "-", ".", "1.2.3", "1e", "e5", "0x10", "1 2", "--1", "-NaN", "1e999999",
        ] {
            assert!(Text.parse(case, &mut Vec::new()).is_err(), "{case}");
        }
    }

    #[test]
    fn a_number_too_large_for_its_column_is_refused_after_rounding() {
        let fits = |text, limit| parse(text, Some(limit), &mut Vec::new()).is_ok();
        assert!(fits("99999999.99", (10, 2)));
        assert!(!fits("100000000", (10, 2)));
        assert!(fits("99999999.994", (10, 2)));
        assert!(!fits("99999999.995", (10, 2)));
        assert!(fits("0.004", (2, 2)));
        assert!(!fits("1", (2, 2)));
        assert!(fits("NaN", (2, 2)) && !fits("Infinity", (2, 2)));
        assert!(fits("12300", (3, -2)) && !fits("123000", (3, -2)));
        assert!(fits("0.00099", (2, 5)) && !fits("0.001", (2, 5)));
    }

    proptest! {
        #[test]
        fn a_printed_number_is_parsed_to_the_same_bytes(
            whole in "0|[1-9][0-9]{0,40}", part in "(\\.[0-9]{1,30})?", negative: bool
        ) {
            let number = format!("{whole}{part}");
            let zero = number.bytes().all(|c| matches!(c, b'0' | b'.'));
            let number = if negative && !zero { format!("-{number}") } else { number };
            prop_assert_eq!(text(&wire(&number)), number);
        }

        #[test]
        fn bytes_of_any_kind_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let _ = Text.print(&bytes, &mut Vec::new());
        }
    }
}
