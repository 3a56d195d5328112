//! What identifies the rows of a table in its log.

use vesicle_connector::{Error, Result, StreamRequest};
use vesicle_postgres_client::Client;

use crate::table::{Kind, Table};

/// `$1` is the table.
const IDENTITY: &str = "\
SELECT c.relreplident::text, c.relpersistence::text,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.pg_index i
              CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
              WHERE i.indrelid = c.oid AND i.indimmediate
                AND CASE c.relreplident WHEN 'd' THEN i.indisprimary
                                        WHEN 'i' THEN i.indisreplident ELSE false END
              ORDER BY k.place)
  FROM pg_catalog.pg_class c WHERE c.oid = $1";

/// The columns that identify the rows of a table, in the log too.
///
/// # Errors
///
/// `unsupported` for what has no log of its own; `configuration` if nothing
/// identifies its rows, with what to do.
pub async fn key(client: &Client, table: &Table, request: &StreamRequest) -> Result<Vec<String>> {
    let name = &table.name;
    let refuse = |why: &str| {
        let message = format!(
            "stream {:?}: {why}; set sync_mode to full_refresh or incremental",
            request.name
        );
        Err(Error::unsupported("no-log", message))
    };
    if table.kind == Kind::Query {
        return refuse(&format!(
            "{name} is no table with a log of its own, but a view, a foreign table, or one with \
             children"
        ));
    }
    let Some(row) = client.query_one(IDENTITY, &[&table.oid]).await? else {
        return Ok(Vec::new());
    };
    let (identity, persistence): (String, String) = (row.get(0), row.get(1));
    if persistence != "p" {
        return refuse(&format!(
            "{name} is unlogged or temporary, so no log has its changes"
        ));
    }
    if table.is_materialized {
        return refuse(&format!(
            "{name} is a materialized view, which has no log of changes"
        ));
    }
    let identifying: Vec<String> = row.get(2);
    let is_full = identity == "f";
    let key = match (&request.primary_key[..], is_full) {
        ([], true) => &table.key,
        ([], false) => &identifying,
        (_, _) => &request.primary_key,
    };
    let advice = |why: &str| {
        let message = format!(
            "stream {:?}: {why}, so that nobody can tell which row a change is of; give {name} a \
             primary key, or ALTER TABLE {name} REPLICA IDENTITY FULL and name the columns that \
             identify a row under primary_key",
            request.name
        );
        Err(Error::configuration("no-identity", message))
    };
    if !is_full && identifying.is_empty() {
        return advice(&format!(
            "{name} has neither a primary key nor another replica identity"
        ));
    }
    if key.is_empty() {
        return advice(&format!("{name} has no primary key"));
    }
    if let Some(other) = key
        .iter()
        .find(|name| !is_full && !identifying.contains(name))
    {
        let message = format!(
            "stream {:?}: the log of {name} identifies rows by {}, and primary_key has {other:?}; \
             name those columns, or ALTER TABLE {name} REPLICA IDENTITY FULL",
            request.name,
            identifying.join(", ")
        );
        return Err(Error::configuration("other-identity", message));
    }
    let read = |name: &&String| !request.columns.is_empty() && !request.columns.contains(name);
    if let Some(missing) = key.iter().find(read) {
        let message = format!(
            "stream {:?}: columns leaves {missing:?} out, which identifies rows; add it",
            request.name
        );
        return Err(Error::configuration("no-identity", message));
    }
    table.wanted(key)?;
    Ok(key.clone())
}
