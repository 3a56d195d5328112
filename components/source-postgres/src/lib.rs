//! A source that reads tables and views of PostgreSQL.
//!
//! # Streams
//!
//! A stream is a table or a view: `name`, which is looked up in the configured
//! schema, or `schema.name`.
//!
//! # Full refresh
//!
//! All partitions of a stream are read in one snapshot: the plan begins a
//! transaction, exports its snapshot and stays open until the host is done;
//! whoever reads a partition imports it. Tables are cut into ranges of blocks,
//! which cover every row whatever its key; views are read in one piece. A
//! snapshot does not outlive the session it comes of, so an interrupted
//! refresh starts again.
//!
//! Rows are read by COPY in its binary form. A destination that takes that
//! form gets it untouched, any other gets Arrow.

mod options;
mod partition;
mod reading;
mod stream;
mod table;

use vesicle_connector::{
    Config, Cursor, Emitter, Error, Partition, Plan, Result, Source, Spec, StreamInfo,
    StreamRequest, SyncMode,
};
use vesicle_postgres_client::Client;

use crate::options::Options;
use crate::partition::{Blocks, Detail};
use crate::reading::Reading;
use crate::stream::StreamName;
use crate::table::Table;

/// What the sessions are called in `pg_stat_activity`.
const NAME: &str = "vesicle source-postgres";

/// Begins a transaction that sees one state of the data from first to last.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Reads tables.
pub struct PostgresSource {
    options: Options,
}

impl PostgresSource {
    async fn connect(&self) -> Result<Client> {
        Client::connect(&self.options.server, NAME).await
    }

    fn name(&self, stream: &str) -> StreamName {
        StreamName::parse(stream, &self.options.schema)
    }
}

impl Source for PostgresSource {
    fn spec() -> Spec {
        options::spec()
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            options: Options::parse(&config)?,
        })
    }

    async fn check(&self) -> Result<()> {
        self.connect().await?.run("SELECT 1").await
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        let client = self.connect().await?;
        client.run(BEGIN).await?;
        let mut streams = Vec::new();
        for name in stream::all(&client, &self.options.schema).await? {
            let table = Table::find(&client, &name).await?;
            streams.push(StreamInfo {
                name: name.in_document(&self.options.schema),
                schema: table.schema(&[], self.options.mapping)?,
                key: table.key.clone(),
                sync_modes: vec![SyncMode::FullRefresh],
                estimate: table.estimate(),
            });
        }
        Ok(streams)
    }

    async fn plan(&self, request: &StreamRequest) -> Result<Plan> {
        if request.sync_mode != SyncMode::FullRefresh {
            let message = format!(
                "stream {:?}: source-postgres reads whole tables; set sync_mode: full_refresh",
                request.name
            );
            return Err(Error::unsupported("sync-mode", message));
        }
        let client = self.connect().await?;
        client.run(BEGIN).await?;
        let table = Table::find(&client, &self.name(&request.name)).await?;
        table.lock(&client).await?;
        let schema = table.schema(&request.columns, self.options.mapping)?;
        let format = reading::format(&table.wanted(&request.columns)?, &request.accepts);
        let snapshot = partition::export_snapshot(&client).await?;
        let partitions = Blocks::cut(&table, request.parallelism);
        let partitions = partitions
            .into_iter()
            .map(|blocks| partition::describe(&snapshot, blocks, format, &table))
            .collect::<Result<_>>()?;
        Ok(Plan::new(schema, partitions)
            .emitting(format)
            .holding(client))
    }

    async fn read(
        &self,
        request: &StreamRequest,
        partition: &Partition,
        _: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()> {
        let detail = Detail::parse(&partition.detail)?;
        let client = self.connect().await?;
        client.run(BEGIN).await?;
        detail.import_snapshot(&client).await?;
        let table = Table::find(&client, &self.name(&request.name)).await?;
        let reading = Reading {
            table: &table,
            columns: table.wanted(&request.columns)?,
            mapping: self.options.mapping,
        };
        reading.read(&client, &detail, out).await?;
        client.run("COMMIT").await?;
        out.checkpoint(partition::END).await
    }
}

vesicle_connector::export_source!(PostgresSource);
