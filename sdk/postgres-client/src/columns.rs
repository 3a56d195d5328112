//! The columns of a table, as the server's catalog has them.

use vesicle_connector::Result;
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
        let rows = self.query(catalog::COLUMNS, &[&oid]).await?;
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
}
