//! The names of streams.

use std::fmt;

use vesicle_connector::Result;
use vesicle_postgres_client::{Client, identifier};

/// A table or view by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName {
    /// The schema it is in.
    pub schema: String,
    /// Its own name.
    pub table: String,
}

/// Tables, partitioned tables, views, materialized views and foreign tables of
/// a schema that the user may read. Partitions are read with their table.
const ALL: &str = "\
SELECT c.relname::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
   AND NOT starts_with(c.relname, '_vesicle_')
   AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
 ORDER BY c.relname";

impl StreamName {
    /// `table` in a schema, or `schema.table`.
    pub fn parse(name: &str, schema: &str) -> Self {
        let (schema, table) = name.split_once('.').unwrap_or((schema, name));
        Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
        }
    }

    /// The name that a document uses, whose tables are in a schema by default.
    pub fn in_document(&self, schema: &str) -> String {
        if self.schema == schema && !self.table.contains('.') {
            self.table.clone()
        } else {
            self.to_string()
        }
    }

    /// The name as SQL writes it.
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.table))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// All that can be read in a schema.
///
/// # Errors
///
/// What the server says.
pub async fn all(client: &Client, schema: &str) -> Result<Vec<StreamName>> {
    let rows = client.query(ALL, &[&schema]).await?;
    let names = rows.iter().map(|row| StreamName {
        schema: schema.to_owned(),
        table: row.get(0),
    });
    Ok(names.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_schema_is_in_the_configured_one() {
        let name = StreamName::parse("orders", "shop");
        assert_eq!(name.to_string(), "shop.orders");
        assert_eq!(name.in_document("shop"), "orders");
        let other = StreamName::parse("old.orders", "shop");
        assert_eq!(other.in_document("shop"), "old.orders");
        assert_eq!(StreamName::parse("a\"b", "s").quoted(), "\"s\".\"a\"\"b\"");
    }
}
