//! Which Arrow types a column takes, and how.
//!
//! A column takes what PostgreSQL would assign to it without loss: an integer
//! of any width, as long as the value fits; any float for a float; text for
//! everything that is text in Arrow. A number is no text and a text no number.

use std::sync::Arc;

use arrow_array::{Array, cast::AsArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use vesicle_connector::{Error, Result};

use super::values::{Ends, Faults, Values};
use super::{list, number, text, time};
use crate::catalog::Column;
use crate::types::{Scalar, Type};

/// Brings an array's values into PostgreSQL's form.
pub(super) type Prepare =
    Box<dyn for<'a> Fn(&'a dyn Array, &mut Faults) -> Values<'a> + Send + Sync>;

/// How the column takes arrays of this type.
pub(super) fn of(kind: &DataType, column: &Column) -> Result<Prepare> {
    let name = &column.name;
    if column.generated {
        let message = format!("column {name:?} is computed by the server and takes no values");
        return Err(Error::schema("generated-column", message));
    }
    let plan = match &column.r#type {
        Type::Scalar(target) => scalar(kind, target),
        Type::Array(target) => match element_oid(column) {
            Some(oid) => array(kind, target, oid),
            None => {
                let message = format!(
                    "column {name:?} has elements of a type that only the catalog knows: take \
                     the column from there"
                );
                return Err(Error::schema("unknown-element", message));
            }
        },
    };
    plan.ok_or_else(|| {
        let message = format!(
            "column {name:?} has the type {}, which does not take Arrow's {kind}",
            column.r#type
        );
        Error::schema("type-mismatch", message)
    })
}

fn element_oid(column: &Column) -> Option<u32> {
    column.element_oid.or_else(|| column.r#type.scalar().oid())
}

fn array(kind: &DataType, target: &Scalar, oid: u32) -> Option<Prepare> {
    match kind {
        DataType::Null => Some(null()),
        DataType::List(item) => {
            scalar(item.data_type(), target).map(|it| list::list::<i32>(it, oid))
        }
        DataType::LargeList(item) => {
            scalar(item.data_type(), target).map(|it| list::list::<i64>(it, oid))
        }
        DataType::FixedSizeList(item, _) => {
            scalar(item.data_type(), target).map(|it| list::fixed(it, oid))
        }
        _ => None,
    }
}

fn scalar(kind: &DataType, target: &Scalar) -> Option<Prepare> {
    match kind {
        DataType::Null => Some(null()),
        DataType::Dictionary(_, values) => scalar(values, target).map(dictionary),
        DataType::Boolean if *target == Scalar::Bool => Some(boolean()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text::of(kind, target),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => text::of_bytes(kind, target),
        _ => number::of(kind, target).or_else(|| time::of(kind, target)),
    }
}

fn null() -> Prepare {
    Box::new(|array, _| Values::null(array.len()))
}

fn boolean() -> Prepare {
    Box::new(|array, _| {
        let array = array.as_boolean();
        let bytes = array.values().iter().map(u8::from).collect();
        Values::fixed(1, bytes, array.nulls().cloned())
    })
}

/// A dictionary: its values are brought into form once.
fn dictionary(prepare: Prepare) -> Prepare {
    let prepare: Arc<Prepare> = Arc::new(prepare);
    Box::new(move |array, faults| {
        let dictionary = array.as_any_dictionary();
        if dictionary.values().is_empty() {
            return Values::null(array.len());
        }
        let mut found = Faults::default();
        let values = prepare(dictionary.values().as_ref(), &mut found);
        let found = found.into_inner();
        let keys = dictionary.normalized_keys();
        let null = |row: usize| dictionary.keys().is_null(row);
        let (mut bytes, mut ends, mut valid) =
            (Vec::new(), vec![0], Vec::with_capacity(keys.len()));
        for (row, &key) in keys.iter().enumerate() {
            let value = if null(row) { None } else { values.get(key) };
            bytes.extend_from_slice(value.unwrap_or(&[]));
            valid.push(value.is_some());
            ends.push(bytes.len());
            if let Some((_, error)) = found.iter().find(|fault| fault.0 == key && !null(row)) {
                faults.add(row, error.clone());
            }
        }
        Values::any(bytes, Ends::Own(ends), Some(NullBuffer::from(valid)))
    })
}
