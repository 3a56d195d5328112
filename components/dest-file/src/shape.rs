//! Compares the columns of two schemas.

use arrow_schema::Schema;
use vesicle_connector::{Error, Result};

/// Makes sure that two schemas have the same columns, in any order.
///
/// # Errors
///
/// `schema`, with the column.
pub fn check_same(place: &str, whose: &str, was: &Schema, is: &Schema) -> Result<()> {
    let advice = "choose another path, write_mode: replace, or start afresh";
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
                return differs(format!(
                    "column {name:?} of {whose} is of type {}, in the stream it is {}",
                    field.data_type(),
                    other.data_type()
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
