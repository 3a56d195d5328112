//! Tables by name: where rows go.

use std::fmt;

use serde::{Deserialize, Serialize};
use vesicle_connector::{Error, Result};
use vesicle_postgres::Column;
use vesicle_postgres_client::{Client, identifier};

/// A table by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableName {
    /// The schema it is in.
    pub schema: String,
    /// Its own name.
    pub table: String,
}

impl TableName {
    /// The table that a stream is written to: what follows the last dot of its
    /// name.
    pub fn of_stream(stream: &str, schema: &str) -> Self {
        let table = stream.rsplit_once('.').map_or(stream, |(_, table)| table);
        Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
        }
    }

    /// A table that lasts as long as its session.
    pub fn temporary(table: &str) -> Self {
        Self {
            schema: "pg_temp".to_owned(),
            table: table.to_owned(),
        }
    }

    /// The name as SQL writes it.
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.table))
    }

    /// The columns; none if there is no such table.
    ///
    /// # Errors
    ///
    /// `schema` if the name stands for something that rows cannot be written
    /// to; what the server says.
    pub async fn columns(&self, client: &Client) -> Result<Option<Vec<Column>>> {
        let found = client.query_one(FIND, &[&self.schema, &self.table]).await?;
        let Some(row) = found else { return Ok(None) };
        let (oid, kind): (u32, String) = (row.get("oid"), row.get("kind"));
        if !["r", "p"].contains(&kind.as_str()) {
            let message = format!(
                "{}: {self} is not a table; rows can be written to tables only",
                client.place()
            );
            return Err(Error::schema("not-a-table", message));
        }
        client.columns(oid).await.map(Some)
    }

    /// Whether it is there, and has a row.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn has_rows(&self, client: &Client) -> Result<bool> {
        if self.columns(client).await?.is_none() {
            return Ok(false);
        }
        let any = format!("SELECT 1 FROM {} LIMIT 1", self.quoted());
        Ok(client.query_one(&any, &[]).await?.is_some())
    }

    /// The columns, with what the table says of each; none if there is no such
    /// table.
    ///
    /// # Errors
    ///
    /// As of [`TableName::columns`].
    pub async fn existing(&self, client: &Client) -> Result<Option<Vec<Existing>>> {
        let Some(columns) = self.columns(client).await? else {
            return Ok(None);
        };
        let rows = client.query(DECLARED, &[&self.quoted()]).await?;
        let existing = |column: Column| {
            let row = rows
                .iter()
                .find(|row| row.get::<_, &str>("name") == column.name);
            let row = row.ok_or_else(|| {
                let message = format!(
                    "{self}: column {:?} went while it was looked at",
                    column.name
                );
                Error::conflict("changed-table", message)
            })?;
            Ok(Existing {
                declared: row.get("declared"),
                is_filled: row.get("filled"),
                is_key: row.get("key"),
                column,
            })
        };
        columns
            .into_iter()
            .map(existing)
            .collect::<Result<_>>()
            .map(Some)
    }

    /// The CHECKs of the table that speak of no other columns than these, as
    /// `ALTER TABLE` takes them.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn checks(&self, client: &Client, columns: &[String]) -> Result<Vec<String>> {
        let rows = client.query(CHECKS, &[&self.quoted(), &columns]).await?;
        let check = |row: &vesicle_postgres_client::Row| {
            let (name, definition): (&str, &str) = (row.get("name"), row.get("definition"));
            format!("ADD CONSTRAINT {} {definition}", identifier(name))
        };
        Ok(rows.iter().map(check).collect())
    }
}

/// A column that a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// The column, with the type that a domain is made over.
    pub column: Column,
    /// Its type as SQL declares it.
    pub declared: String,
    /// Whether the server fills it where a row has no value: it has a default,
    /// is an identity, or is generated.
    pub is_filled: bool,
    /// Whether it is part of the primary key.
    pub is_key: bool,
}

const DECLARED: &str = "\
SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared,
       (a.atthasdef OR a.attidentity <> '') AS filled,
       EXISTS (SELECT FROM pg_catalog.pg_index i
                WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey))
         AS key
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped";

/// The CHECKs of a table that speak of no other columns than these.
const CHECKS: &str = "\
SELECT k.conname::text AS name, pg_catalog.pg_get_constraintdef(k.oid) AS definition
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = $1::text::regclass AND k.contype = 'c'
   AND NOT EXISTS (SELECT FROM unnest(k.conkey) AS n (attnum)
                     JOIN pg_catalog.pg_attribute a
                       ON a.attrelid = k.conrelid AND a.attnum = n.attnum
                    WHERE a.attname <> ALL ($2))";

const FIND: &str = "\
SELECT c.oid, c.relkind::text AS kind
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = $2
   AND (n.nspname = $1 OR $1 = 'pg_temp' AND n.oid = pg_catalog.pg_my_temp_schema())";

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// Whether tables can be made in a schema, which may not be there yet.
///
/// # Errors
///
/// `permission` if they cannot; what the server says.
pub async fn check_schema(client: &Client, schema: &str) -> Result<()> {
    let allowed = "\
SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)
            THEN pg_catalog.has_schema_privilege($1, 'CREATE, USAGE')
            ELSE pg_catalog.has_database_privilege(current_database(), 'CREATE') END";
    let row = client.query_one(allowed, &[&schema]).await?;
    if row.is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    let message = format!(
        "{}: the user may not make tables in the schema {schema}; grant it CREATE and USAGE there",
        client.place()
    );
    Err(Error::permission("cannot-create", message))
}
