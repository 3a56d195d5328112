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
//! # Incremental
//!
//! Rows are read in the order of `cursor_field`, and among those of the same
//! value in that of `tie_breaker_field`, or of the primary key where none is
//! named. The next run reads the rows after the last one. What it cannot see:
//! rows that are deleted, changes that do not move the cursor, and rows that a
//! transaction commits later than another one with a greater cursor. A column
//! that a trigger or a sequence fills in the order of commits has none of the
//! last; where there is no such column, let a full refresh catch up now and
//! then.
//!
//! # Changes
//!
//! With `sync_mode: cdc` the first run copies the table as of one snapshot, and
//! whatever changes after it is read from the server's log: rows that are
//! added, changed and removed, changed keys, truncation. A run ends where the
//! log ended when it began to read it; with `follow: true` it goes on until it
//! is stopped. The server needs `wal_level = logical`, the user the right to
//! replicate, and the table a primary key or `REPLICA IDENTITY FULL` with a
//! `primary_key` in the document.
//!
//! Each stream has a replication slot of its own, `vesicle_…`, which keeps the
//! server's log until the destination has what is in it: a pipeline that is not
//! run any more needs its slot dropped. A slot that is gone, or had to keep
//! more than `max_slot_wal_keep_size`, has lost changes, which is an error; only
//! `--fresh` then helps, which copies the table anew. Each table has a
//! publication of its own unless `publication` names one.
//!
//! Generated columns are left out: the log does not have them. So is what no log
//! has: views, foreign tables, unlogged tables.
//!
//! # Formats
//!
//! Rows are read by COPY in its binary form. A destination that takes that
//! form gets a full refresh untouched, any other gets Arrow.

mod incremental;
mod log;
mod options;
mod partition;
mod reading;
mod rows;
mod stream;
mod table;

use vesicle_connector::{
    Config, Cursor, Emitter, Error, Format, Partition, Plan, Result, Source, Spec, StreamInfo,
    StreamRequest, SyncMode,
};
use vesicle_postgres_client::Client;

use crate::incremental::Key;
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
                sync_modes: table.sync_modes(),
                estimate: table.estimate(),
            });
        }
        Ok(streams)
    }

    async fn plan(&self, request: &StreamRequest) -> Result<Plan> {
        if request.partition_key.is_some() {
            let message = format!(
                "stream {:?}: source-postgres cuts tables by their blocks, which covers every row \
                 whatever its key; leave partition_key out",
                request.name
            );
            return Err(Error::unsupported("partition-key", message));
        }
        let client = self.connect().await?;
        client.run(BEGIN).await?;
        let table = Table::find(&client, &self.name(&request.name)).await?;
        table.lock(&client).await?;
        let schema = table.schema(&request.columns, self.options.mapping)?;
        match request.sync_mode {
            SyncMode::FullRefresh => {}
            SyncMode::Incremental => {
                let key = Key::of(&table, request)?;
                key.check(&client, &table).await?;
                let partition = Partition::new(incremental::PARTITION, "");
                client.close().await;
                return Ok(Plan::new(schema, vec![partition]));
            }
            SyncMode::Cdc => {
                let plan = log::plan(&client, table, request, &self.options).await?;
                // The plan is held as long as the log is read, and the table
                // may change meanwhile.
                client.close().await;
                return Ok(plan);
            }
        }
        let format = match self.options.may_pass_untouched {
            true => reading::format(&table.wanted(&request.columns)?, &request.accepts),
            false => Format::ArrowIpc,
        };
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
        cursor: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()> {
        let client = self.connect().await?;
        if request.sync_mode == SyncMode::Incremental {
            client.run(BEGIN).await?;
            let table = Table::find(&client, &self.name(&request.name)).await?;
            let (mapping, cursor) = (self.options.mapping, cursor.as_deref());
            return incremental::read(&client, &table, request, mapping, cursor, out).await;
        }
        if request.sync_mode == SyncMode::Cdc {
            client.run(BEGIN).await?;
            let table = Table::find(&client, &self.name(&request.name)).await?;
            let (options, cursor) = (&self.options, cursor.as_deref());
            return log::read(client, table, request, options, cursor, out).await;
        }
        let detail = Detail::parse(&partition.detail)?;
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
