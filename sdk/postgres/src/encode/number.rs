//! Integers, floats and decimals.
//!
//! Invariant: an integer stays what it is or is a fault; a float that has no
//! counterpart of the same size is one, and rounding is left to floats and to
//! the scale of a `numeric`, as PostgreSQL rounds when it assigns.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::DataType;
use vesicle_connector::{Error, Result};

use super::plan::Prepare;
use super::values::{Ends, Faults, Values};
use crate::types::Scalar;
use crate::value::{decimal as integers, numeric};

/// How a number is taken, if it is one and the target takes it.
pub(super) fn of(kind: &DataType, target: &Scalar) -> Option<Prepare> {
    macro_rules! integer {
        ($arrow:ty) => {
            integer::<$arrow>(target)
        };
    }
    match kind {
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Float16 => float::<Float16Type>(target),
        DataType::Float32 => float::<Float32Type>(target),
        DataType::Float64 => float::<Float64Type>(target),
        DataType::Decimal32(_, scale) => decimal::<Decimal32Type>(*scale, target),
        DataType::Decimal64(_, scale) => decimal::<Decimal64Type>(*scale, target),
        DataType::Decimal128(_, scale) => decimal::<Decimal128Type>(*scale, target),
        DataType::Decimal256(_, scale) => decimal256(*scale, target),
        _ => None,
    }
}

/// Values that become `W` bytes each, or do not fit.
pub(super) fn fixed<A: ArrowPrimitiveType, const W: usize>(
    convert: impl Fn(A::Native) -> Option<[u8; W]> + Send + Sync + 'static,
    show: impl Fn(A::Native) -> String + Send + Sync + 'static,
    target: &Scalar,
) -> Option<Prepare> {
    let target = target.to_string();
    Some(Box::new(move |array, faults| {
        let array = array.as_primitive::<A>();
        let mut bytes = vec![0; array.len() * W];
        let places = bytes.as_chunks_mut::<W>().0.iter_mut();
        for (row, (place, &value)) in places.zip(array.values()).enumerate() {
            match convert(value) {
                Some(value) => *place = value,
                None => refuse(array, row, faults, || beyond(&show(value), &target)),
            }
        }
        Values::fixed(W, bytes, array.nulls().cloned())
    }))
}

/// A fault, unless the value is NULL and no value at all.
#[cold]
fn refuse<A: ArrowPrimitiveType>(
    array: &PrimitiveArray<A>,
    row: usize,
    faults: &mut Faults,
    error: impl FnOnce() -> Error,
) {
    if array.is_valid(row) {
        faults.add(row, error());
    }
}

#[cold]
fn beyond(value: &str, target: &str) -> Error {
    Error::data(
        "out-of-range",
        format!("{value} is beyond what {target} holds"),
    )
}

/// Numbers that become a `numeric`.
fn numeric<A: ArrowPrimitiveType>(
    write: impl Fn(A::Native, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static,
) -> Option<Prepare> {
    Some(Box::new(move |array, faults| {
        let array = array.as_primitive::<A>();
        let mut bytes = Vec::with_capacity(array.len() * 16);
        let mut ends = Vec::with_capacity(array.len() + 1);
        ends.push(0);
        for (row, &value) in array.values().iter().enumerate() {
            if array.is_valid(row)
                && let Err(error) = write(value, &mut bytes)
            {
                faults.add(row, error);
            }
            ends.push(bytes.len());
        }
        Values::any(bytes, Ends::Own(ends), array.nulls().cloned())
    }))
}

fn integer<A: ArrowPrimitiveType>(target: &Scalar) -> Option<Prepare>
where
    A::Native: Into<i128> + std::fmt::Display,
    i16: TryFrom<A::Native>,
    i32: TryFrom<A::Native>,
    i64: TryFrom<A::Native>,
    u32: TryFrom<A::Native>,
    u64: TryFrom<A::Native>,
{
    macro_rules! to {
        ($native:ty) => {
            fixed::<A, { size_of::<$native>() }>(
                |value| <$native>::try_from(value).ok().map(<$native>::to_be_bytes),
                |value| value.to_string(),
                target,
            )
        };
    }
    match target {
        Scalar::Int2 => to!(i16),
        Scalar::Int4 => to!(i32),
        Scalar::Int8 | Scalar::Money => to!(i64),
        Scalar::Oid | Scalar::Xid | Scalar::Cid => to!(u32),
        Scalar::Xid8 | Scalar::PgLsn => to!(u64),
        Scalar::Numeric(limit) => {
            let limit = *limit;
            numeric::<A>(move |value, out| integers::from_integer(value.into(), 0, limit, out))
        }
        // Whether a float has the integer exactly is told by the way back.
        Scalar::Float8 => fixed::<A, 8>(
            |value| {
                let value: i128 = value.into();
                Some(value as f64)
                    .filter(|float| *float as i128 == value)
                    .map(f64::to_be_bytes)
            },
            |value| value.to_string(),
            target,
        ),
        Scalar::Float4 => fixed::<A, 4>(
            |value| {
                let value: i128 = value.into();
                Some(value as f32)
                    .filter(|float| *float as i128 == value)
                    .map(f32::to_be_bytes)
            },
            |value| value.to_string(),
            target,
        ),
        _ => None,
    }
}

fn float<A: ArrowPrimitiveType>(target: &Scalar) -> Option<Prepare>
where
    A::Native: Into<f64> + std::fmt::Display,
{
    /// The integer that a float is, if it is one within these limits.
    fn whole(value: f64, least: f64, past: f64) -> Option<i64> {
        (value.fract() == 0.0 && value >= least && value < past).then_some(value as i64)
    }
    macro_rules! to {
        ($native:ty) => {
            fixed::<A, { size_of::<$native>() }>(
                |value| {
                    let (least, past) = (<$native>::MIN as f64, -(<$native>::MIN as f64));
                    whole(value.into(), least, past).map(|it| (it as $native).to_be_bytes())
                },
                |value| value.to_string(),
                target,
            )
        };
    }
    match target {
        Scalar::Float8 => fixed::<A, 8>(
            |value| Some(value.into().to_be_bytes()),
            |value| value.to_string(),
            target,
        ),
        Scalar::Float4 => fixed::<A, 4>(
            |value| {
                let wide: f64 = value.into();
                let narrow = wide as f32;
                (narrow.is_finite() || !wide.is_finite()).then_some(narrow.to_be_bytes())
            },
            |value| value.to_string(),
            target,
        ),
        Scalar::Int2 => to!(i16),
        Scalar::Int4 => to!(i32),
        Scalar::Int8 => to!(i64),
        Scalar::Numeric(limit) => {
            let limit = *limit;
            numeric::<A>(move |value, out| numeric::parse(&value.to_string(), limit, out))
        }
        _ => None,
    }
}

fn decimal<A: ArrowPrimitiveType>(scale: i8, target: &Scalar) -> Option<Prepare>
where
    A::Native: Into<i128>,
{
    let Scalar::Numeric(limit) = target else {
        return None;
    };
    let limit = *limit;
    numeric::<A>(move |value, out| integers::from_integer(value.into(), scale, limit, out))
}

fn decimal256(scale: i8, target: &Scalar) -> Option<Prepare> {
    let Scalar::Numeric(limit) = target else {
        return None;
    };
    let limit = *limit;
    numeric::<Decimal256Type>(move |value, out| {
        let text = value.to_string();
        let digits = text.strip_prefix('-');
        let negative = digits.is_some();
        integers::from_digits(
            negative,
            digits.unwrap_or(&text).as_bytes(),
            scale,
            limit,
            out,
        )
    })
}
