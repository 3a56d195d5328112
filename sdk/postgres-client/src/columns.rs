//! The columns of a table, as the server's catalog has them.

use tokio_postgres::Row;
use vesicle_connector::{Error, Result};
use vesicle_postgres::catalog::{self, Column};

use crate::Client;

impl Client {
    /// The columns of the table with an object identifier, in their order.
    ///
    /// # Errors
    ///
    /// `unsupported` for a column whose type cannot be carried; what the server
    /// says.
    pub async fn columns(&self, oid: u32) -> Result<Vec<Column>> {
        described(&self.query(catalog::COLUMNS, &[&oid]).await?)
    }

    /// The columns with these names, object identifiers of types, and modifiers
    /// of types. Each may be NULL.
    ///
    /// # Errors
    ///
    /// As of [`Client::columns`]; `schema` for a type that is not there any more.
    pub async fn columns_of(&self, given: &[(String, u32, i32)]) -> Result<Vec<Column>> {
        let names: Vec<_> = given.iter().map(|(name, _, _)| name.as_str()).collect();
        let types: Vec<_> = given.iter().map(|(_, oid, _)| *oid).collect();
        let modifiers: Vec<_> = given.iter().map(|(_, _, modifier)| *modifier).collect();
        let rows = self
            .query(catalog::TYPES, &[&names, &types, &modifiers])
            .await?;
        let columns = described(&rows)?;
        let is_missing = |name: &&&str| columns.iter().all(|column| column.name != **name);
        if let Some(name) = names.iter().find(is_missing) {
            let message = format!("column {name:?} had a type that is not there any more");
            return Err(Error::schema("no-such-type", message));
        }
        Ok(columns)
    }
}

fn described(rows: &[Row]) -> Result<Vec<Column>> {
    let rows = rows.iter().map(|row| catalog::Row {
        column: row.get("column"),
        depth: row.get("depth"),
        not_null: row.get("not_null"),
        generated: row.get("generated"),
        dimensions: row.get("dimensions"),
        oid: row.get("oid"),
        schema: row.get("schema"),
        name: row.get("name"),
        kind: row.get::<_, String>("kind").chars().next().unwrap_or('?'),
        declared: row.get("declared"),
        labels: row.get("labels"),
    });
    catalog::columns(&rows.collect::<Vec<_>>())
}
