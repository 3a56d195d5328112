//! A column of a batch being made of texts.
//!
//! Invariant: a value that does not fit leaves the column as it was, so that
//! the caller can say which value of which row it is.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::calendar;
use crate::kind::Kind;
use crate::value;

/// Why a value is not added to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is not of the column's type.
    Type,
    /// It is not UTF-8.
    Encoding,
}

/// A column being made.
pub struct Column {
    kind: Kind,
    /// Whether a text is only a number if the number says all of it.
    strict: bool,
    values: Values,
}

enum Values {
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Binary(BinaryBuilder),
}

/// The same for the builder of every kind.
macro_rules! each {
    ($values:expr, $builder:ident => $result:expr) => {
        match $values {
            Values::Boolean($builder) => $result,
            Values::Int16($builder) => $result,
            Values::Int32($builder) => $result,
            Values::Int64($builder) => $result,
            Values::Float32($builder) => $result,
            Values::Float64($builder) => $result,
            Values::Decimal($builder) => $result,
            Values::Text($builder) => $result,
            Values::Date($builder) => $result,
            Values::Time($builder) => $result,
            Values::Timestamp($builder) => $result,
            Values::Binary($builder) => $result,
        }
    };
}

impl Column {
    /// A column without values, with room for some rows.
    pub fn new(kind: Kind, strict: bool, rows: usize) -> Self {
        let text_room = rows * 8;
        let values = match kind {
            Kind::Boolean => Values::Boolean(BooleanBuilder::with_capacity(rows)),
            Kind::Int16 => Values::Int16(Int16Builder::with_capacity(rows)),
            Kind::Int32 => Values::Int32(Int32Builder::with_capacity(rows)),
            Kind::Int64 => Values::Int64(Int64Builder::with_capacity(rows)),
            Kind::Float32 => Values::Float32(Float32Builder::with_capacity(rows)),
            Kind::Float64 => Values::Float64(Float64Builder::with_capacity(rows)),
            Kind::Decimal(..) => Values::Decimal(
                Decimal128Builder::with_capacity(rows).with_data_type(kind.data_type()),
            ),
            Kind::Text => Values::Text(StringBuilder::with_capacity(rows, text_room)),
            Kind::Date => Values::Date(Date32Builder::with_capacity(rows)),
            Kind::Time => Values::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            Kind::Timestamp | Kind::TimestampTz => Values::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(kind.data_type()),
            ),
            Kind::Binary => Values::Binary(BinaryBuilder::with_capacity(rows, text_room)),
        };
        Self {
            kind,
            strict,
            values,
        }
    }

    /// The kind of its values.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether its type was inferred, so that texts are read strictly.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Adds a value.
    ///
    /// # Errors
    ///
    /// Why it does not fit.
    #[inline]
    pub fn push(&mut self, text: &[u8]) -> Result<(), Misfit> {
        match &mut self.values {
            Values::Int64(column) => match value::parse_integer(text, self.strict) {
                Some(value) => column.append_value(value),
                None => return self.push_other(text),
            },
            Values::Text(column) => {
                column.append_value(str::from_utf8(text).map_err(|_| Misfit::Encoding)?);
            }
            _ => return self.push_other(text),
        }
        Ok(())
    }

    /// Adds a value of any kind but text, with or without spaces around it.
    fn push_other(&mut self, text: &[u8]) -> Result<(), Misfit> {
        let text = value::trim(text);
        let strict = self.strict;
        let integer = || value::parse_integer(text, strict).ok_or(Misfit::Type);
        let narrow = |_| Misfit::Type;
        match &mut self.values {
            Values::Boolean(column) => {
                column.append_value(value::parse_boolean(text).ok_or(Misfit::Type)?);
            }
            Values::Int16(column) => {
                column.append_value(integer()?.try_into().map_err(narrow)?);
            }
            Values::Int32(column) => {
                column.append_value(integer()?.try_into().map_err(narrow)?);
            }
            Values::Int64(column) => column.append_value(integer()?),
            Values::Float32(column) => {
                let value = value::parse_float(text, strict).ok_or(Misfit::Type)?;
                column.append_value(value as f32);
            }
            Values::Float64(column) => {
                column.append_value(value::parse_float(text, strict).ok_or(Misfit::Type)?);
            }
            Values::Decimal(column) => {
                let Kind::Decimal(precision, scale) = self.kind else {
                    return Err(Misfit::Type);
                };
                let value = value::parse_decimal(text, precision, scale);
                column.append_value(value.ok_or(Misfit::Type)?);
            }
            Values::Text(column) => {
                column.append_value(str::from_utf8(text).map_err(|_| Misfit::Encoding)?);
            }
            Values::Date(column) => {
                column.append_value(calendar::parse_date(text).ok_or(Misfit::Type)?);
            }
            Values::Time(column) => {
                column.append_value(calendar::parse_time(text).ok_or(Misfit::Type)?);
            }
            Values::Timestamp(column) => {
                let zoned = self.kind == Kind::TimestampTz;
                column.append_value(parse_stamp(text, zoned, strict).ok_or(Misfit::Type)?);
            }
            Values::Binary(column) => {
                column.append_value(BASE64_STANDARD.decode(text).map_err(|_| Misfit::Type)?);
            }
        }
        Ok(())
    }

    /// Adds a NULL.
    #[inline]
    pub fn push_null(&mut self) {
        each!(&mut self.values, column => column.append_null());
    }

    /// The values so far as an array; the column is empty afterwards.
    pub fn finish(&mut self) -> ArrayRef {
        each!(&mut self.values, column => Arc::new(column.finish()))
    }
}

/// Microseconds of a timestamp. Where the user declared the type, a timestamp
/// without an offset is one of UTC, and a date is its midnight.
fn parse_stamp(text: &[u8], zoned: bool, strict: bool) -> Option<i64> {
    match calendar::parse_timestamp(text) {
        Some(stamp) if stamp.zoned == zoned || (zoned && !strict) => Some(stamp.micros),
        Some(_) => None,
        None if strict => None,
        None => calendar::parse_date(text).map(|days| i64::from(days) * 86_400_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Decimal128Type, Int32Type, TimestampMicrosecondType};

    fn column(kind: Kind, strict: bool, texts: &[&str]) -> Result<ArrayRef, Misfit> {
        let mut column = Column::new(kind, strict, 0);
        for text in texts {
            column.push(text.as_bytes())?;
        }
        column.push_null();
        Ok(column.finish())
    }

    #[test]
    fn a_column_holds_the_values_of_its_texts() {
        let array = column(Kind::Int32, false, &["1", " 2 "]).unwrap();
        assert_eq!(array.as_primitive::<Int32Type>().values()[..2], [1, 2]);
        assert_eq!(array.null_count(), 1);
        let array = column(Kind::Decimal(6, 2), false, &["1.5"]).unwrap();
        assert_eq!(array.as_primitive::<Decimal128Type>().value(0), 150);
        assert_eq!(array.data_type(), &Kind::Decimal(6, 2).data_type());
        let array = column(Kind::Binary, false, &["aGk="]).unwrap();
        assert_eq!(array.as_binary::<i32>().value(0), b"hi");
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        assert_eq!(
            column(Kind::Int32, false, &["3000000000"]).unwrap_err(),
            Misfit::Type
        );
        assert_eq!(
            column(Kind::Int64, true, &["007"]).unwrap_err(),
            Misfit::Type
        );
        assert_eq!(
            column(Kind::Date, true, &["today"]).unwrap_err(),
            Misfit::Type
        );
        let mut text = Column::new(Kind::Text, true, 0);
        assert_eq!(text.push(b"caf\xe9").unwrap_err(), Misfit::Encoding);
    }

    #[test]
    fn a_declared_timestamp_takes_what_an_inferred_one_does_not() {
        let texts = [
            "1970-01-02",
            "1970-01-01T00:00:01",
            "1970-01-01T01:00:00+01:00",
        ];
        let array = column(Kind::TimestampTz, false, &texts).unwrap();
        let values = array.as_primitive::<TimestampMicrosecondType>().values();
        assert_eq!(values[..3], [86_400_000_000, 1_000_000, 0]);
        assert!(column(Kind::TimestampTz, true, &texts[..1]).is_err());
        assert!(column(Kind::Timestamp, false, &texts[2..]).is_err());
    }
}
