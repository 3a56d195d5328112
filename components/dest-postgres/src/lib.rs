//! A destination that writes tables of PostgreSQL.
//!
//! # Tables
//!
//! A stream `orders` or `shop.orders` becomes the table `orders` in the
//! configured schema, which is made if it is not there, as is the table.
//!
//! # How a load becomes visible
//!
//! Rows go into a staging table by COPY, each commit in one transaction with
//! the cursor that covers it. The last step publishes all of them in one
//! transaction and notes that the load is complete:
//!
//! - `append` adds them to the table; a table that is not there yet is the
//!   staging table under its own name.
//! - `replace` puts them in the place of what the table held. A table that
//!   nothing depends on is swapped for the staging table; one that has views,
//!   indexes, keys, grants or triggers keeps them, and gets the rows.
//! - `upsert` adds them and changes the rows of the same primary key.
//!
//! With `sync_mode: cdc` the snapshot becomes visible in this way with the first
//! commit, and the changes after it with each: what they come to is applied to
//! the table in one transaction with the cursor. Rows are found by the stream's
//! key, on which the table gets its primary key if it has no unique index. A
//! table that the source truncates is emptied.
//!
//! Readers see the old rows until then. Staging tables are logged: what is
//! committed survives the server's crash.
//!
//! # Rows of another shape
//!
//! Rows are staged in the types of the table that they are for, so that what
//! does not fit is found while rows are written. What `schema_evolution` allows
//! to change in that table is changed in the transaction that publishes.
//!
//! # Rows that do not fit
//!
//! A value that its column does not take, a NULL where there must be none, and
//! what a domain or a CHECK of the table refuses make a reject of their row.
//! Keys and references bite when rows are published, and then the load fails.
//! Rows that are written again go into the target with each commit, and there a
//! key or a reference makes a reject too.
//!
//! # What is kept beside the tables
//!
//! `_vesicle_load` has the newest load of each stream, `_vesicle_cursor` how
//! far its partitions are. Whoever empties both makes the next run begin anew.

mod changes;
mod claim;
mod columns;
mod evolve;
mod keys;
mod ledger;
mod load;
mod options;
mod publish;
mod shape;
mod sieve;
mod staged;
mod target;
mod writer;

use vesicle_connector::{Config, Destination, Load, LoadRequest, Result, Spec, Summary};
use vesicle_postgres_client::Client;

use crate::load::Detail;
use crate::options::Options;
use crate::writer::TableWriter;

/// What the sessions are called in `pg_stat_activity`.
const NAME: &str = "vesicle dest-postgres";

/// A commit is durable when it is answered, whatever the default is: the source
/// is told of it, and may forget the rows.
const DURABLE: &str = "SELECT pg_catalog.set_config('synchronous_commit', 'on', false)
    WHERE pg_catalog.current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')";

/// Writes tables.
pub struct PostgresDestination {
    options: Options,
}

impl PostgresDestination {
    async fn connect(&self) -> Result<Client> {
        let client = Client::connect(&self.options.server, NAME).await?;
        client.run(DURABLE).await?;
        Ok(client)
    }

    /// A session that writes for a load: nobody begins another one meanwhile.
    async fn writing(&self, detail: &Detail) -> Result<Client> {
        let client = self.connect().await?;
        let schema = &self.options.schema;
        let share = claim::share(schema, &detail.pipeline, &detail.stream);
        client.run(&share).await?;
        Ok(client)
    }
}

impl Destination for PostgresDestination {
    type Writer = TableWriter;

    fn spec() -> Spec {
        options::spec()
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            options: Options::parse(&config)?,
        })
    }

    async fn check(&self) -> Result<()> {
        target::check_schema(&self.connect().await?, &self.options.schema).await
    }

    async fn begin(&self, request: &LoadRequest) -> Result<Load> {
        load::begin(&self.connect().await?, &self.options.schema, request).await
    }

    async fn writer(&self, load: &Load, partition: &str) -> Result<TableWriter> {
        let detail = Detail::parse(&load.detail)?;
        let client = self.writing(&detail).await?;
        if let Some(columns) = &detail.replay {
            let staging = detail.staging.quoted();
            client
                .run(&format!("CREATE TABLE {staging} ({columns})"))
                .await?;
        }
        let at = load.cursors.iter().find(|at| at.partition == partition);
        let cursor = at.map(|at| at.cursor.clone());
        Ok(TableWriter::new(client, detail, partition, cursor))
    }

    async fn finish(&self, load: &Load) -> Result<Summary> {
        let detail = Detail::parse(&load.detail)?;
        publish::publish(&self.writing(&detail).await?, &detail).await
    }

    async fn abort(&self, load: &Load) -> Result<()> {
        let detail = Detail::parse(&load.detail)?;
        load::discard(&self.writing(&detail).await?, &detail).await
    }
}

vesicle_connector::export_destination!(PostgresDestination);
