//! Columns whose values have one size on the wire.
//!
//! Invariant: a value of another size, or one that Arrow cannot represent, is
//! an error that names it; none is cut or saturated.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBufferBuilder, NullBufferBuilder, ScalarBuffer};
use arrow_schema::DataType;
use vesicle_connector::Error;

use super::column::{Cells, Decode, Fault, value};
use crate::arrow::{Options, scalar_type};
use crate::types::Scalar;
use crate::value::{decimal, time};

/// How a value of `W` bytes is read.
trait Kind<const W: usize> {
    type Arrow: ArrowPrimitiveType;

    /// The value, none if Arrow cannot represent it.
    fn read(bytes: [u8; W]) -> Option<<Self::Arrow as ArrowPrimitiveType>::Native>;

    /// The value as people write it, for the error.
    fn show(bytes: [u8; W]) -> String {
        format!("{bytes:02x?}")
    }
}

macro_rules! plain {
    ($($name:ident: $arrow:ty, $native:ty, $width:literal;)*) => {$(
        struct $name;
        impl Kind<$width> for $name {
            type Arrow = $arrow;
            #[inline]
            fn read(bytes: [u8; $width]) -> Option<$native> {
                Some(<$native>::from_be_bytes(bytes))
            }
        }
    )*};
}

plain! {
    Int2: Int16Type, i16, 2;
    Int4: Int32Type, i32, 4;
    Int8: Int64Type, i64, 8;
    Uint4: UInt32Type, u32, 4;
    Uint8: UInt64Type, u64, 8;
    Float4: Float32Type, f32, 4;
    Float8: Float64Type, f64, 8;
}

struct Date;
impl Kind<4> for Date {
    type Arrow = Date32Type;
    #[inline]
    fn read(bytes: [u8; 4]) -> Option<i32> {
        time::date_to_unix(i32::from_be_bytes(bytes))
    }
    fn show(bytes: [u8; 4]) -> String {
        time::date_text(i32::from_be_bytes(bytes))
    }
}

struct Time;
impl Kind<8> for Time {
    type Arrow = Time64MicrosecondType;
    #[inline]
    fn read(bytes: [u8; 8]) -> Option<i64> {
        Some(i64::from_be_bytes(bytes)).filter(|time| (0..=time::DAY).contains(time))
    }
}

struct Timestamp;
impl Kind<8> for Timestamp {
    type Arrow = TimestampMicrosecondType;
    #[inline]
    fn read(bytes: [u8; 8]) -> Option<i64> {
        time::timestamp_to_unix(i64::from_be_bytes(bytes))
    }
    fn show(bytes: [u8; 8]) -> String {
        time::timestamp_text(i64::from_be_bytes(bytes))
    }
}

struct Interval;
impl Interval {
    fn parts(bytes: [u8; 16]) -> (i32, i32, i64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        let time = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
        (
            i32::from_be_bytes([m, n, o, p]),
            i32::from_be_bytes([i, j, k, l]),
            time,
        )
    }
}
impl Kind<16> for Interval {
    type Arrow = IntervalMonthDayNanoType;
    #[inline]
    fn read(bytes: [u8; 16]) -> Option<IntervalMonthDayNano> {
        let (months, days, time) = Self::parts(bytes);
        let time = time::interval_to_nanoseconds(months, days, time)?;
        Some(IntervalMonthDayNano::new(months, days, time))
    }
    fn show(bytes: [u8; 16]) -> String {
        let (months, days, time) = Self::parts(bytes);
        format!("{months} months {days} days {time} microseconds")
    }
}

/// What decodes a column of this type, if its values have one size.
pub(super) fn of(kind: &Scalar) -> Option<Box<dyn Decode>> {
    let data_type = scalar_type(kind, Options::default());
    Some(match kind {
        Scalar::Bool => Box::new(Bools::new()),
        Scalar::Int2 => fixed::<Int2, 2>(data_type),
        Scalar::Int4 => fixed::<Int4, 4>(data_type),
        Scalar::Int8 | Scalar::Money => fixed::<Int8, 8>(data_type),
        Scalar::Oid | Scalar::Xid | Scalar::Cid => fixed::<Uint4, 4>(data_type),
        Scalar::Xid8 | Scalar::PgLsn => fixed::<Uint8, 8>(data_type),
        Scalar::Float4 => fixed::<Float4, 4>(data_type),
        Scalar::Float8 => fixed::<Float8, 8>(data_type),
        Scalar::Date => fixed::<Date, 4>(data_type),
        Scalar::Time(_) => fixed::<Time, 8>(data_type),
        Scalar::Timestamp(_) | Scalar::TimestampTz(_) => fixed::<Timestamp, 8>(data_type),
        Scalar::Interval(_) => fixed::<Interval, 16>(data_type),
        _ => return None,
    })
}

fn fixed<K: Kind<W> + 'static, const W: usize>(data_type: DataType) -> Box<dyn Decode> {
    Box::new(Fixed::<K, W> {
        data_type,
        values: Vec::new(),
        nulls: NullBufferBuilder::new(0),
        kind: PhantomData,
    })
}

struct Fixed<K: Kind<W>, const W: usize> {
    data_type: DataType,
    values: Vec<<K::Arrow as ArrowPrimitiveType>::Native>,
    nulls: NullBufferBuilder,
    kind: PhantomData<K>,
}

impl<K: Kind<W>, const W: usize> Decode for Fixed<K, W> {
    fn decode(&mut self, data: &[u8], cells: Cells<'_>) -> Result<(), Fault> {
        self.values.reserve(cells.len());
        for (cell, place) in cells.iter().enumerate() {
            let Some(bytes) = value(data, place) else {
                self.values.push(Default::default());
                self.nulls.append_null();
                continue;
            };
            match <[u8; W]>::try_from(bytes).ok().and_then(K::read) {
                Some(value) => self.values.push(value),
                None => return Err(fault::<K, W>(cell, bytes)),
            }
            self.nulls.append_non_null();
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(&self.values[..]) + self.values.len().div_ceil(8)
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        let capacity = self.values.len();
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(capacity));
        let array =
            PrimitiveArray::<K::Arrow>::new(ScalarBuffer::from(values), self.nulls.finish());
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }

    fn row_size(&self) -> usize {
        size_of::<<K::Arrow as ArrowPrimitiveType>::Native>() + 1
    }
}

#[cold]
fn fault<K: Kind<W>, const W: usize>(cell: usize, bytes: &[u8]) -> Fault {
    let error = match <[u8; W]>::try_from(bytes) {
        Err(_) => wrong_size(bytes.len(), W),
        Ok(bytes) => Error::data(
            "out-of-range",
            format!(
                "{} is beyond what Arrow's {} holds: cast it to text in a view, or leave the \
                 row out",
                K::show(bytes),
                <K::Arrow as ArrowPrimitiveType>::DATA_TYPE,
            ),
        ),
    };
    Fault { cell, error }
}

fn wrong_size(size: usize, right: usize) -> Error {
    Error::data(
        "bad-copy",
        format!("the value has {size} bytes, not {right}"),
    )
}

struct Bools {
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

impl Bools {
    fn new() -> Self {
        Self {
            values: BooleanBufferBuilder::new(0),
            nulls: NullBufferBuilder::new(0),
        }
    }
}

impl Decode for Bools {
    fn decode(&mut self, data: &[u8], cells: Cells<'_>) -> Result<(), Fault> {
        self.values.reserve(cells.len());
        for (cell, place) in cells.iter().enumerate() {
            match value(data, place) {
                None => {
                    self.values.append(false);
                    self.nulls.append_null();
                }
                Some(&[byte]) => {
                    self.values.append(byte != 0);
                    self.nulls.append_non_null();
                }
                Some(bytes) => {
                    return Err(Fault {
                        cell,
                        error: wrong_size(bytes.len(), 1),
                    });
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.values.len().div_ceil(4)
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        Ok(Arc::new(BooleanArray::new(
            self.values.finish(),
            self.nulls.finish(),
        )))
    }

    fn row_size(&self) -> usize {
        1
    }
}

/// A `numeric` as a decimal of this precision and scale.
pub(super) fn decimal(precision: u8, scale: i8) -> Box<dyn Decode> {
    Box::new(Decimal {
        precision,
        scale,
        values: Vec::new(),
        nulls: NullBufferBuilder::new(0),
    })
}

struct Decimal {
    precision: u8,
    scale: i8,
    values: Vec<i128>,
    nulls: NullBufferBuilder,
}

impl Decode for Decimal {
    fn decode(&mut self, data: &[u8], cells: Cells<'_>) -> Result<(), Fault> {
        self.values.reserve(cells.len());
        for (cell, place) in cells.iter().enumerate() {
            let Some(bytes) = value(data, place) else {
                self.values.push(0);
                self.nulls.append_null();
                continue;
            };
            match decimal::to_decimal(bytes, self.precision, self.scale) {
                Ok(value) => self.values.push(value),
                Err(error) => return Err(Fault { cell, error }),
            }
            self.nulls.append_non_null();
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(&self.values[..]) + self.values.len().div_ceil(8)
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        let values = std::mem::take(&mut self.values);
        let array =
            PrimitiveArray::<Decimal128Type>::new(ScalarBuffer::from(values), self.nulls.finish());
        Ok(Arc::new(array.with_data_type(DataType::Decimal128(
            self.precision,
            self.scale,
        ))))
    }

    fn row_size(&self) -> usize {
        17
    }
}
