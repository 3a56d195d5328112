//! A table or view as the catalog describes it.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use vesicle_connector::{Error, Estimate, Result, SyncMode};
use vesicle_postgres::{Column, Options as Mapping, arrow};
use vesicle_postgres_client::Client;

use crate::stream::{self, StreamName};

/// A table or view.
pub struct Table {
    /// Its name.
    pub name: StreamName,
    /// Its object identifier.
    pub oid: u32,
    /// What it is.
    pub kind: Kind,
    /// Whether it is a materialized view.
    pub is_materialized: bool,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// Blocks of the largest part that has blocks of its own; zero if none has.
    pub blocks: u32,
    /// Rows, as the server last estimated them.
    rows: Option<u64>,
    /// Bytes on disk, all parts together.
    bytes: Option<u64>,
}

/// What rows can be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table with rows of its own, or a materialized view.
    Plain,
    /// A table whose rows are in its partitions.
    Partitioned,
    /// A view or a foreign table: only a query says where its rows are.
    Query,
}

/// `$1` is the schema, `$2` the name.
const FIND: &str = "\
SELECT c.oid,
       c.relkind::text AS kind,
       c.relhassubclass AS has_children,
       c.reltuples::float8 AS rows,
       s.bytes,
       s.blocks,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.pg_index i
              CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
              WHERE i.indrelid = c.oid AND i.indisprimary
              ORDER BY k.place) AS key
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (
       SELECT sum(p.size)::int8 AS bytes,
              max(p.size / current_setting('block_size')::int8)::int8 AS blocks
         FROM (SELECT pg_catalog.pg_relation_size(t.relid) AS size
                 FROM pg_catalog.pg_partition_tree(c.oid) t WHERE c.relkind = 'p'
               UNION ALL
               SELECT pg_catalog.pg_relation_size(c.oid) WHERE c.relkind IN ('r', 'm')) p
       ) s
 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

impl Table {
    /// Looks a table or view up, as the transaction under way sees it.
    ///
    /// # Errors
    ///
    /// `not-found` with names that are near; `unsupported` for a column whose
    /// type cannot be carried; what the server says.
    pub async fn find(client: &Client, name: &StreamName) -> Result<Self> {
        let found = client.query_one(FIND, &[&name.schema, &name.table]).await?;
        let Some(row) = found else {
            return Err(missing(client, name).await?);
        };
        let relkind: String = row.get("kind");
        let kind = match (relkind.as_str(), row.get("has_children")) {
            ("p", _) => Kind::Partitioned,
            // With children, rows are in several tables.
            ("r", true) => Kind::Query,
            ("r" | "m", _) => Kind::Plain,
            _ => Kind::Query,
        };
        let oid: u32 = row.get("oid");
        let rows: f64 = row.get("rows");
        Ok(Self {
            name: name.clone(),
            oid,
            kind,
            is_materialized: relkind == "m",
            columns: client
                .columns(oid)
                .await
                .map_err(|error| error.context(name))?,
            key: row.get("key"),
            blocks: count(row.get("blocks"))
                .unwrap_or(0)
                .try_into()
                .unwrap_or(u32::MAX),
            // Minus one where the server has not looked yet.
            rows: (rows >= 0.0 && kind != Kind::Query).then_some(rows as u64),
            bytes: count(row.get("bytes")),
        })
    }

    /// Keeps the table's shape as it is until the transaction ends.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn lock(&self, client: &Client) -> Result<()> {
        // A materialized view cannot be locked.
        if self.kind == Kind::Query || self.is_materialized {
            return Ok(());
        }
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", self.name.quoted());
        client.run(&lock).await
    }

    /// The wanted columns, in the wanted order; all if none are named.
    ///
    /// # Errors
    ///
    /// `configuration` for one there is not.
    pub fn wanted(&self, names: &[String]) -> Result<Vec<Column>> {
        if names.is_empty() {
            return Ok(self.columns.clone());
        }
        let find = |name: &String| {
            let column = self.columns.iter().find(|column| column.name == *name);
            column.cloned().ok_or_else(|| {
                let known = self.columns.iter().map(|column| column.name.as_str());
                let message = format!(
                    "{}: there is no column {name:?}; {}",
                    self.name,
                    vesicle_connector::nearest_hint(name, known)
                );
                Error::configuration("no-such-column", message)
            })
        };
        names.iter().map(find).collect()
    }

    /// The wanted columns as Arrow has them.
    ///
    /// # Errors
    ///
    /// As of [`Table::wanted`].
    pub fn schema(&self, names: &[String], mapping: Mapping) -> Result<SchemaRef> {
        let columns = self.wanted(names)?;
        let schema: Schema = arrow::schema(&columns, mapping);
        Ok(Arc::new(schema))
    }

    /// How it can be read: what has rows of its own has a log of them too.
    pub fn sync_modes(&self) -> Vec<SyncMode> {
        let mut modes = vec![SyncMode::FullRefresh, SyncMode::Incremental];
        if self.kind != Kind::Query && !self.is_materialized {
            modes.push(SyncMode::Cdc);
        }
        modes
    }

    /// How much there is.
    pub fn estimate(&self) -> Estimate {
        Estimate {
            rows: self.rows,
            bytes: self.bytes,
        }
    }
}

/// The error of a name that stands for nothing.
async fn missing(client: &Client, name: &StreamName) -> Result<Error> {
    let known = stream::all(client, &name.schema).await?;
    let known = known.iter().map(|known| known.table.as_str());
    let message = format!(
        "{}: there is no table or view {name}; {}",
        client.place(),
        vesicle_connector::nearest_hint(&name.table, known)
    );
    Ok(Error::not_found("no-such-table", message))
}

fn count(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| value.try_into().ok())
}
