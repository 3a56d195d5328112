//! The columns of a load, and those of the table they go to.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use vesicle_connector::{Error, Result, nearest_hint};
use vesicle_postgres::arrow::type_of;
use vesicle_postgres::catalog::Column;

use crate::target::TableName;

/// The columns that rows of a schema get.
///
/// # Errors
///
/// `unsupported` for a type without a counterpart.
pub fn of_schema(schema: &Schema) -> Result<Vec<Column>> {
    let column = |field: &Arc<Field>| {
        let mut column = Column::new(field.name(), type_of(field)?);
        column.nullable = field.is_nullable();
        Ok(column)
    };
    schema.fields().iter().map(column).collect()
}

/// Whether rows can go into a table: each column is there, under its name and
/// with its type, and no other column insists on a value.
///
/// # Errors
///
/// `schema` with the column and what to do.
pub fn check(target: &TableName, wanted: &[Column], existing: &[Column]) -> Result<()> {
    let names = || existing.iter().map(|column| column.name.as_str());
    for column in wanted {
        let name = &column.name;
        let Some(found) = existing.iter().find(|found| found.name == *name) else {
            let message = format!(
                "{target} has no column {name:?}, which the source has; {}",
                nearest_hint(name, names())
            );
            return Err(Error::schema("new-column", message));
        };
        if found.r#type != column.r#type {
            let message = format!(
                "{target}: column {name:?} has the type {}, and the source's has {}; alter the \
                 table, or cast the column in a view of the source",
                found.r#type, column.r#type
            );
            return Err(Error::schema("other-type", message));
        }
    }
    Ok(())
}
