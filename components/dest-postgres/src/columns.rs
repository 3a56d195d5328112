//! The columns of a load.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use vesicle_connector::Result;
use vesicle_postgres::arrow::type_of;
use vesicle_postgres::catalog::Column;

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
