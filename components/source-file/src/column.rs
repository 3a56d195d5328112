//! A column of a batch being made of texts.
//!
//! Values are converted by loops that know their type, over as many cells as
//! the caller has. Invariant: the first value that does not fit is the one that
//! is named; nothing is made of the column afterwards, unless it is truncated to
//! where it stood before.

use std::iter;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_schema::ArrowError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::builders::{Booleans, Primitives, Texts};
use crate::calendar;
use crate::cell::Cell;
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

/// A value that is not added to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Which of the cells it is.
    pub row: usize,
    /// Why.
    pub misfit: Misfit,
}

/// A column being made.
pub struct Column {
    kind: Kind,
    /// Whether a text is only a number if the number says all of it.
    strict: bool,
    values: Values,
}

enum Values {
    Boolean(Booleans),
    Int16(Primitives<Int16Type>),
    Int32(Primitives<Int32Type>),
    Int64(Primitives<Int64Type>),
    Float32(Primitives<Float32Type>),
    Float64(Primitives<Float64Type>),
    Decimal(Primitives<Decimal128Type>, u8, u8),
    Text(Texts),
    Date(Primitives<Date32Type>),
    Time(Primitives<Time64MicrosecondType>),
    Timestamp(Primitives<TimestampMicrosecondType>),
    Binary(Texts),
}

impl Column {
    /// A column without values, with room for some rows.
    pub fn new(kind: Kind, strict: bool, rows: usize) -> Self {
        let text_room = rows * 8;
        let values = match kind {
            Kind::Boolean => Values::Boolean(Booleans::with_room(rows)),
            Kind::Int16 => Values::Int16(Primitives::with_room(rows)),
            Kind::Int32 => Values::Int32(Primitives::with_room(rows)),
            Kind::Int64 => Values::Int64(Primitives::with_room(rows)),
            Kind::Float32 => Values::Float32(Primitives::with_room(rows)),
            Kind::Float64 => Values::Float64(Primitives::with_room(rows)),
            Kind::Decimal(precision, scale) => {
                Values::Decimal(Primitives::with_room(rows), precision, scale)
            }
            Kind::Text => Values::Text(Texts::with_room(rows, text_room)),
            Kind::Date => Values::Date(Primitives::with_room(rows)),
            Kind::Time => Values::Time(Primitives::with_room(rows)),
            Kind::Timestamp | Kind::TimestampTz => Values::Timestamp(Primitives::with_room(rows)),
            Kind::Binary => Values::Binary(Texts::with_room(rows, text_room)),
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

    /// Adds values, and NULL for each that is none; how many bytes of text they
    /// have. A text that is not of the column's type is NULL if it spells that,
    /// spaces around it apart.
    ///
    /// # Errors
    ///
    /// The first that does not fit.
    pub fn extend<'a>(
        &mut self,
        cells: impl Iterator<Item = Option<Cell<'a>>>,
        spells_null: impl Fn(&[u8]) -> bool,
    ) -> Result<usize, Unfit> {
        let strict = self.strict;
        match &mut self.values {
            Values::Boolean(column) => {
                let parse = |cell: Cell| value::parse_boolean(cell.text());
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Int16(column) => {
                let parse = |cell: Cell| value::integer(cell, strict)?.try_into().ok();
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Int32(column) => {
                let parse = |cell: Cell| value::integer(cell, strict)?.try_into().ok();
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Int64(column) => {
                let parse = |cell: Cell| value::integer(cell, strict);
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Float32(column) => {
                let parse = |cell: Cell| narrow(value::parse_float(cell.text(), strict)?);
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Float64(column) => {
                let parse = |cell: Cell| value::parse_float(cell.text(), strict);
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Decimal(column, precision, scale) => {
                let parse = |cell: Cell| value::parse_decimal(cell.text(), *precision, *scale);
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Text(column) => return extend_texts(column, cells),
            Values::Date(column) => {
                let parse = |cell: Cell| calendar::parse_date(cell.text());
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Time(column) => {
                let parse = |cell: Cell| calendar::parse_time(cell.text());
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Timestamp(column) => {
                let zoned = self.kind == Kind::TimestampTz;
                let parse = |cell: Cell| parse_stamp(cell.text(), zoned, strict);
                convert(cells, parse, spells_null, |value| column.push(value))?;
            }
            Values::Binary(column) => {
                let mut bytes = 0;
                let cells = cells.inspect(|cell| bytes += cell.map_or(0, Cell::len));
                let parse = |cell: Cell| BASE64_STANDARD.decode(cell.text()).ok();
                let put = |value: Option<Vec<u8>>| column.push(value.as_deref().map(Cell::from));
                convert(cells, parse, |_| false, put)?;
                return Ok(bytes);
            }
        }
        Ok(0)
    }

    /// Adds a value; how many bytes of text it has.
    ///
    /// # Errors
    ///
    /// Why it does not fit.
    pub fn push(&mut self, text: &[u8]) -> Result<usize, Misfit> {
        let cell = iter::once(Some(Cell::from(text)));
        self.extend(cell, |_| false).map_err(|unfit| unfit.misfit)
    }

    /// Adds a NULL.
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Boolean(column) => column.push(None),
            Values::Int16(column) => column.push(None),
            Values::Int32(column) => column.push(None),
            Values::Int64(column) => column.push(None),
            Values::Float32(column) => column.push(None),
            Values::Float64(column) => column.push(None),
            Values::Decimal(column, ..) => column.push(None),
            Values::Text(column) => column.push(None),
            Values::Date(column) => column.push(None),
            Values::Time(column) => column.push(None),
            Values::Timestamp(column) => column.push(None),
            Values::Binary(column) => column.push(None),
        }
    }

    /// Takes out all values but the first.
    pub fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(column) => column.truncate(rows),
            Values::Int16(column) => column.truncate(rows),
            Values::Int32(column) => column.truncate(rows),
            Values::Int64(column) => column.truncate(rows),
            Values::Float32(column) => column.truncate(rows),
            Values::Float64(column) => column.truncate(rows),
            Values::Decimal(column, ..) => column.truncate(rows),
            Values::Text(column) | Values::Binary(column) => column.truncate(rows),
            Values::Date(column) => column.truncate(rows),
            Values::Time(column) => column.truncate(rows),
            Values::Timestamp(column) => column.truncate(rows),
        }
    }

    /// The values as an array.
    ///
    /// # Errors
    ///
    /// None but defects.
    pub fn finish(self) -> Result<ArrayRef, ArrowError> {
        let data_type = self.kind.data_type();
        Ok(match self.values {
            Values::Boolean(column) => Arc::new(column.finish()),
            Values::Int16(column) => Arc::new(column.finish()),
            Values::Int32(column) => Arc::new(column.finish()),
            Values::Int64(column) => Arc::new(column.finish()),
            Values::Float32(column) => Arc::new(column.finish()),
            Values::Float64(column) => Arc::new(column.finish()),
            Values::Decimal(column, ..) => Arc::new(column.finish().with_data_type(data_type)),
            Values::Text(column) => Arc::new(column.finish()?),
            Values::Date(column) => Arc::new(column.finish()),
            Values::Time(column) => Arc::new(column.finish()),
            Values::Timestamp(column) => Arc::new(column.finish().with_data_type(data_type)),
            Values::Binary(column) => Arc::new(column.finish_binary()),
        })
    }
}

/// Reads each cell and puts what it says, or NULL.
#[inline(always)]
fn convert<'a, T>(
    cells: impl Iterator<Item = Option<Cell<'a>>>,
    parse: impl Fn(Cell) -> Option<T>,
    spells_null: impl Fn(&[u8]) -> bool,
    mut put: impl FnMut(Option<T>),
) -> Result<(), Unfit> {
    for (row, cell) in cells.enumerate() {
        let Some(cell) = cell else {
            put(None);
            continue;
        };
        // One call, so that it is inlined; seldom more than one turn.
        let mut cell = cell;
        let value = loop {
            let value = parse(cell);
            if value.is_some() {
                break value;
            }
            let text = value::trim(cell.text());
            if text.len() < cell.len() {
                cell = text.into();
            } else if spells_null(text) {
                break None;
            } else {
                let misfit = Misfit::Type;
                return Err(Unfit { row, misfit });
            }
        };
        put(value);
    }
    Ok(())
}

/// Adds texts; how many bytes they have.
fn extend_texts<'a>(
    column: &mut Texts,
    cells: impl Iterator<Item = Option<Cell<'a>>>,
) -> Result<usize, Unfit> {
    let rows = column.len();
    let bytes = column.bytes();
    cells.for_each(|cell| column.push(cell));
    if let Some(bad) = column.first_bad(rows) {
        return Err(Unfit {
            row: bad - rows,
            misfit: Misfit::Encoding,
        });
    }
    Ok(column.bytes() - bytes)
}

/// The nearest number of 32 bits; none if that is infinite and the number not.
fn narrow(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (narrow.is_finite() || !value.is_finite()).then_some(narrow)
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
        Ok(column.finish().unwrap())
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
