//! Values of one type for a column of another, where an [`Encoder`] alone does
//! not take them.
//!
//! Invariant: a value is converted only if nothing of it is lost: `12.50` is no
//! integer and no `numeric(5,1)` has all of `0.25`, a timestamp is a date only at
//! midnight, and a number is a float only if the float gives back its digits. A
//! value that cannot be converted is a fault with its row, and NULL in the
//! result.
//!
//! [`Encoder`]: crate::Encoder

mod calendar;
mod exact;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use arrow_array::builder::BooleanBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::DataType;
use vesicle_connector::{Error, Result};

use crate::catalog::Column;
use crate::encode;
use crate::types::{Scalar, Type};
use crate::value::shown;
use calendar::between_times;
use exact::{in_full, rounds, unrounded};
use text::{from_text, to_text};

/// What is wrong with the values of some rows.
pub type Faults = Vec<(usize, Error)>;

type Convert = Box<dyn Fn(&dyn Array, &mut Faults) -> ArrayRef>;

/// How the values of a field are brought into a column.
pub struct Coercion {
    /// None where the encoder takes them as they are.
    convert: Option<Convert>,
    kind: DataType,
}

impl Coercion {
    /// How values of an Arrow type are brought into a column.
    ///
    /// # Errors
    ///
    /// `schema` if there is no way.
    pub fn new(kind: &DataType, column: &Column) -> Result<Self> {
        let direct = encode::takes(kind, column);
        let Type::Scalar(target) = &column.r#type else {
            direct?;
            return Ok(Self::none(kind));
        };
        let (convert, kind) = match (direct, rounds(kind, target)) {
            (Ok(()), false) => return Ok(Self::none(kind)),
            (Ok(()), true) => (None, kind.clone()),
            (Err(refused), _) => {
                let (convert, kind) = conversion(kind, target).ok_or(refused)?;
                (Some(convert), kind)
            }
        };
        let convert = match (convert, target) {
            (convert, Scalar::Numeric(Some(limit))) => {
                return Ok(Self {
                    convert: Some(unrounded(convert, &kind, *limit)?),
                    kind: DataType::Utf8,
                });
            }
            (convert, target) => in_full(convert, target),
        };
        Ok(Self { convert, kind })
    }

    /// For a column of the values' own type, which takes them as they are.
    ///
    /// # Errors
    ///
    /// `schema` if it does not.
    pub fn none_for(kind: &DataType, column: &Column) -> Result<Self> {
        encode::takes(kind, column).map(|()| Self::none(kind))
    }

    fn none(kind: &DataType) -> Self {
        Self {
            convert: None,
            kind: kind.clone(),
        }
    }

    /// The Arrow type of what comes out, which the column's encoder takes.
    pub fn kind(&self) -> &DataType {
        &self.kind
    }

    /// Converts values.
    pub fn convert(&self, array: &ArrayRef, faults: &mut Faults) -> ArrayRef {
        match &self.convert {
            Some(convert) => convert(array.as_ref(), faults),
            None => Arc::clone(array),
        }
    }
}

fn as_it_is() -> Convert {
    Box::new(|array, _| arrow_array::make_array(array.to_data()))
}

fn conversion(kind: &DataType, target: &Scalar) -> Option<(Convert, DataType)> {
    let is_text = matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    match target {
        Scalar::Text
        | Scalar::Varchar(_)
        | Scalar::Bpchar(_)
        | Scalar::Citext
        | Scalar::Name
        | Scalar::Numeric(_) => Some((to_text(kind)?, DataType::Utf8)),
        _ if is_text => from_text(target),
        Scalar::Bool => to_bool(kind),
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 if *kind == DataType::Boolean => {
            let convert: Convert = Box::new(|array, _| {
                let values = array.as_boolean().iter();
                let numbers = values.map(|value| value.map(i16::from));
                Arc::new(numbers.collect::<arrow_array::Int16Array>())
            });
            Some((convert, DataType::Int16))
        }
        _ => between_times(kind, target),
    }
}

fn each_text(array: &dyn Array, mut each: impl FnMut(usize, Option<&str>)) {
    match array.data_type() {
        DataType::Utf8 => {
            (array.as_string::<i32>().iter().enumerate()).for_each(|(r, t)| each(r, t))
        }
        DataType::LargeUtf8 => {
            (array.as_string::<i64>().iter().enumerate()).for_each(|(r, t)| each(r, t));
        }
        _ => (array.as_string_view().iter().enumerate()).for_each(|(r, t)| each(r, t)),
    }
}

/// Notes a fault where a text could not be read.
fn unless<T>(
    read: Option<T>,
    row: usize,
    text: &str,
    target: &str,
    faults: &mut Faults,
) -> Option<T> {
    if read.is_none() {
        let message = format!("{} cannot become {target} without loss", shown(text));
        faults.push((row, Error::data("not-coerced", message)));
    }
    read
}

/// Truth values of 0 and 1.
fn to_bool(kind: &DataType) -> Option<(Convert, DataType)> {
    fn of<A: ArrowPrimitiveType>() -> Convert
    where
        A::Native: Into<i64>,
    {
        Box::new(|array, faults| {
            let mut values = BooleanBuilder::with_capacity(array.len());
            for (row, value) in array.as_primitive::<A>().iter().enumerate() {
                values.append_option(value.and_then(|value| {
                    let value: i64 = value.into();
                    let read = [0, 1].contains(&value).then_some(value == 1);
                    unless(read, row, &value.to_string(), "boolean", faults)
                }));
            }
            Arc::new(values.finish())
        })
    }
    let convert = match kind {
        DataType::Int16 => of::<Int16Type>(),
        DataType::Int32 => of::<Int32Type>(),
        DataType::Int64 => of::<Int64Type>(),
        _ => return None,
    };
    Some((convert, DataType::Boolean))
}
