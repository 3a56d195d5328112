//! What the server publishes of a table.

use vesicle_connector::{Error, Result};
use vesicle_postgres_client::{Client, identifier};

use crate::log::slot;
use crate::table::Table;

/// The publication that a stream is read by.
pub struct Publication {
    /// Its name.
    pub name: String,
    /// Whether it is the document's, and nothing is made or changed.
    named: bool,
}

/// A publication as the server describes it.
struct Found {
    /// Whether it has every kind of change.
    whole: bool,
    has_table: bool,
}

impl Publication {
    /// The one that the document names, or the table's own.
    pub fn of(table: &Table, named: Option<&str>) -> Self {
        Self {
            name: match named {
                Some(name) => name.to_owned(),
                None => slot::name(&[&table.name.schema, &table.name.table]),
            },
            named: named.is_some(),
        }
    }

    async fn find(&self, client: &Client, table: &Table) -> Result<Option<Found>> {
        let find = "\
SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
       EXISTS (SELECT FROM pg_catalog.pg_publication_tables t
                WHERE t.pubname = p.pubname AND t.schemaname = $2 AND t.tablename = $3)
  FROM pg_catalog.pg_publication p WHERE p.pubname = $1";
        let name = &table.name;
        let row = client
            .query_one(find, &[&self.name, &name.schema, &name.table])
            .await?;
        Ok(row.map(|row| Found {
            whole: row.get(0),
            has_table: row.get(1),
        }))
    }

    /// Whether it is there and has all changes of the table, or can be made so.
    ///
    /// # Errors
    ///
    /// `not-found`, `configuration` or `permission`, with what to do.
    pub async fn check(&self, client: &Client, table: &Table) -> Result<()> {
        let found = self.find(client, table).await?;
        match found {
            Some(found) if !found.whole => Err(self.lacks(
                client,
                "does not have inserts, updates, deletes and truncates; ALTER PUBLICATION … SET \
                 (publish = 'insert, update, delete, truncate')",
            )),
            Some(Found {
                has_table: true, ..
            }) => Ok(()),
            Some(_) if self.named => {
                let name = &table.name;
                Err(self.lacks(
                    client,
                    &format!(
                        "does not have the table {name}; ALTER PUBLICATION … ADD TABLE {name}, and \
                         publish_via_partition_root where the table has partitions"
                    ),
                ))
            }
            None if self.named => {
                let message = format!("{}: there is no publication {}", client.place(), self.name);
                Err(Error::not_found("no-publication", message))
            }
            _ => Self::check_rights(client, table).await,
        }
    }

    /// Whether it has been what it has to be since a slot was made.
    ///
    /// # Errors
    ///
    /// `not-found` or `configuration` if changes may be missing in it.
    pub async fn expect(&self, client: &Client, table: &Table) -> Result<()> {
        match self.find(client, table).await? {
            Some(Found {
                whole: true,
                has_table: true,
            }) => Ok(()),
            _ => {
                let message = format!(
                    "{}: the publication {} has not all changes of {} any more, and those in \
                     between are lost; --fresh copies the table anew",
                    client.place(),
                    self.name,
                    table.name
                );
                Err(Error::not_found("publication-changed", message))
            }
        }
    }

    fn lacks(&self, client: &Client, what: &str) -> Error {
        let message = format!("{}: the publication {} {what}", client.place(), self.name);
        Error::configuration("publication", message)
    }

    /// Whether the user may make a publication of the table.
    async fn check_rights(client: &Client, table: &Table) -> Result<()> {
        let rights = "\
SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE')
   AND (SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = $1)";
        let row = client.query_one(rights, &[&table.oid]).await?;
        if row.is_some_and(|row| row.get(0)) {
            return Ok(());
        }
        let name = &table.name;
        let message = format!(
            "{}: the user may not publish {name}, which takes its owner, with CREATE on the \
             database; let the owner run CREATE PUBLICATION some_name FOR TABLE {name} and write \
             publication: some_name",
            client.place()
        );
        Err(Error::permission("cannot-publish", message))
    }

    /// Makes it as it has to be.
    ///
    /// # Errors
    ///
    /// As of [`Publication::check`]; what the server says.
    pub async fn ensure(&self, client: &Client, table: &Table) -> Result<()> {
        self.check(client, table).await?;
        let (name, of) = (identifier(&self.name), table.name.quoted());
        let make = match self.find(client, table).await? {
            Some(found) if found.has_table => return Ok(()),
            Some(_) => format!("ALTER PUBLICATION {name} ADD TABLE {of}"),
            None => format!(
                "CREATE PUBLICATION {name} FOR TABLE {of} WITH (publish_via_partition_root = true)"
            ),
        };
        client.run(&make).await
    }
}
