//! What a column keeps of digits and of fractions of a second: values with more
//! are refused, not rounded.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::{DataType, TimeUnit};
use vesicle_connector::{Error, Result};

use super::text::to_text;
use super::{Convert, Faults, as_it_is, each_text, unless};
use crate::types::Scalar;
use crate::value::numeric;

/// Whether a column takes values of which it does not keep all digits.
pub(super) fn rounds(kind: &DataType, target: &Scalar) -> bool {
    match target {
        Scalar::Numeric(Some(_)) => !kind.is_integer(),
        Scalar::Time(Some(_)) | Scalar::Timestamp(Some(_)) | Scalar::TimestampTz(Some(_)) => true,
        _ => false,
    }
}

/// The texts of numbers that a `numeric` with a limit has all digits of.
pub(super) fn unrounded(
    convert: Option<Convert>,
    kind: &DataType,
    limit: (u16, i16),
) -> Result<Convert> {
    let (convert, kind) = match convert {
        Some(convert) => (convert, DataType::Utf8),
        None => match to_text(kind) {
            Some(convert) => (convert, DataType::Utf8),
            None => (as_it_is(), kind.clone()),
        },
    };
    let is_text = matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    if !is_text {
        let message = format!("numbers of Arrow's {kind} cannot be converted");
        return Err(Error::schema("type-mismatch", message));
    }
    let target = Scalar::Numeric(Some(limit)).to_string();
    Ok(Box::new(move |array, faults| {
        let array = convert(array, faults);
        let mut texts = StringBuilder::new();
        each_text(&array, |row, text| {
            let kept = text.and_then(|text| {
                let places = number(text.trim(), Some(limit)).map(|number| places(&number));
                let fits = places.is_some_and(|places| places <= i32::from(limit.1));
                unless(fits.then_some(text), row, text, &target, faults)
            });
            texts.append_option(kept);
        });
        Arc::new(texts.finish())
    }))
}

/// Refuses times of which the target does not keep all digits.
pub(super) fn in_full(convert: Option<Convert>, target: &Scalar) -> Option<Convert> {
    let (Scalar::Time(Some(digits))
    | Scalar::Timestamp(Some(digits))
    | Scalar::TimestampTz(Some(digits))) = target
    else {
        return convert;
    };
    let unit = 10_i64.pow(6_u32.saturating_sub(u32::from(*digits)));
    let target = target.to_string();
    Some(Box::new(move |array, faults| {
        let array = match &convert {
            Some(convert) => convert(array, faults),
            None => arrow_array::make_array(array.to_data()),
        };
        let is_infinite = |time: i64| matches!(time, i64::MIN | i64::MAX);
        let keep = |row: usize, time: i64, faults: &mut Faults| {
            let kept = (time % unit == 0 || is_infinite(time)).then_some(time);
            unless(
                kept,
                row,
                &format!("the microsecond {time}"),
                &target,
                faults,
            )
        };
        match array.data_type() {
            DataType::Time64(TimeUnit::Microsecond) => {
                let times = array.as_primitive::<Time64MicrosecondType>();
                let times = times.iter().enumerate();
                let kept = times.map(|(row, time)| keep(row, time?, faults));
                Arc::new(kept.collect::<arrow_array::Time64MicrosecondArray>())
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let times = array.as_primitive::<TimestampMicrosecondType>();
                let times = times.iter().enumerate();
                let kept = times.map(|(row, time)| keep(row, time?, faults));
                let kept = kept.collect::<arrow_array::TimestampMicrosecondArray>();
                Arc::new(kept.with_timezone_opt(zone.clone()))
            }
            _ => array,
        }
    }))
}

/// A number in the one form that PostgreSQL sends it in, without the zeros that
/// say nothing.
pub(super) fn number(text: &str, limit: Option<(u16, i16)>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    numeric::parse(text, limit, &mut bytes).ok()?;
    // The head has, of two bytes each: the number of digits, the weight, the
    // sign, and how many places are shown.
    bytes.drain(6..8);
    Some(bytes)
}

/// How many places after the point a number has that are not zero at the end;
/// fewer than none if it ends in zeros before the point.
fn places(number: &[u8]) -> i32 {
    let field = |at: usize| {
        let bytes = number.get(at..at + 2).and_then(|two| two.try_into().ok());
        i32::from(bytes.map_or(0, i16::from_be_bytes))
    };
    let (count, weight) = (field(0), field(2));
    if count == 0 {
        return i32::MIN;
    }
    // The last of the digits, each of which is one of 10,000.
    let mut last = field(number.len() - 2);
    let mut places = (count - 1 - weight) * 4;
    while last % 10 == 0 && last != 0 {
        last /= 10;
        places -= 1;
    }
    places
}
