//! Compares the columns of two schemas.

use arrow_schema::{FieldRef, Schema};
use vesicle_connector::{Error, Result};

use crate::words;

/// What to do where rows are not those that their load was begun for.
pub const BEGIN_ANEW: &str = "run with --fresh to begin the load anew";

/// The columns of a schema in the order that another one has them; those that
/// it has not come last.
pub fn in_order_of(order: &Schema, schema: &Schema) -> Schema {
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    fields.sort_by_key(|field| order.index_of(field.name()).unwrap_or(usize::MAX));
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// Makes sure that two schemas have the same columns, in any order. Where they
/// have not, the error ends with the advice.
///
/// # Errors
///
/// `schema`, with the column.
pub fn check_same(place: &str, whose: &str, was: &Schema, is: &Schema, advice: &str) -> Result<()> {
    let differs = |what: String| {
        Err(Error::schema(
            "other-columns",
            format!("{place}: {what}; {advice}"),
        ))
    };
    for field in was.fields() {
        let name = field.name();
        match is.field_with_name(name) {
            Err(_) => return differs(format!("column {name:?} of {whose} is not in the stream")),
            Ok(other) if other.data_type() != field.data_type() => {
                let (was, is) = words::tell_apart(field.data_type(), other.data_type());
                return differs(format!(
                    "column {name:?} of {whose} is of type {was}, in the stream it is {is}"
                ));
            }
            Ok(_) => {}
        }
    }
    match is
        .fields()
        .iter()
        .find(|field| was.field_with_name(field.name()).is_err())
    {
        Some(field) => {
            let name = field.name();
            differs(format!("column {name:?} of the stream is not in {whose}"))
        }
        None => Ok(()),
    }
}
