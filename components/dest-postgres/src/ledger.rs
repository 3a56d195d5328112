//! What the server keeps of loads: their record and their cursors.
//!
//! Invariant: the tables change only in the transactions that change the rows
//! they speak of.

use vesicle_connector::{PartitionCursor, Result};
use vesicle_postgres_client::{Client, identifier};

/// The two tables, in a schema.
pub struct Ledger<'c> {
    client: &'c Client,
    load: String,
    cursor: String,
}

/// The newest load of a stream.
pub struct Record {
    /// The run that began it.
    pub run: String,
    /// Who goes on with it.
    pub holder: String,
    /// The table it stages its rows in.
    pub staging: String,
    /// The snapshot it was begun with.
    pub snapshot: Option<String>,
    /// The columns it was begun with.
    pub columns: String,
    /// How the source was read, in a word that stays.
    pub sync_mode: String,
    /// Whether it has been published.
    pub complete: bool,
    /// Rows and bytes that it has published.
    pub rows: u64,
    /// See `rows`.
    pub bytes: u64,
}

impl<'c> Ledger<'c> {
    /// The ledger in a schema.
    pub fn new(client: &'c Client, schema: &str) -> Self {
        let schema = identifier(schema);
        Self {
            client,
            load: format!("{schema}._vesicle_load"),
            cursor: format!("{schema}._vesicle_cursor"),
        }
    }

    /// Makes the tables if they are not there.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn make(&self) -> Result<()> {
        let Self { load, cursor, .. } = self;
        let tables = format!(
            "CREATE TABLE IF NOT EXISTS {load} (
               pipeline text NOT NULL, stream text NOT NULL, run text NOT NULL,
               target text NOT NULL, staging text NOT NULL, snapshot text,
               columns text NOT NULL, sync_mode text NOT NULL, complete boolean NOT NULL DEFAULT false,
               holder text NOT NULL DEFAULT '',
               rows bigint NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,
               begun timestamptz NOT NULL DEFAULT now(), ended timestamptz,
               PRIMARY KEY (pipeline, stream));
             CREATE TABLE IF NOT EXISTS {cursor} (
               pipeline text NOT NULL, stream text NOT NULL, partition text NOT NULL,
               cursor text NOT NULL, last boolean NOT NULL, published text,
               rows bigint NOT NULL, bytes bigint NOT NULL,
               moved timestamptz NOT NULL DEFAULT now(),
               PRIMARY KEY (pipeline, stream, partition));"
        );
        self.client.run(&tables).await
    }

    /// The record of a stream's newest load, kept from changing until the
    /// transaction ends.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn find(&self, pipeline: &str, stream: &str) -> Result<Option<Record>> {
        let find = format!(
            "SELECT run, holder, staging, snapshot, columns, sync_mode, complete, rows, bytes
               FROM {} WHERE pipeline = $1 AND stream = $2 FOR UPDATE",
            self.load
        );
        let row = self.client.query_one(&find, &[&pipeline, &stream]).await?;
        Ok(row.map(|row| Record {
            run: row.get("run"),
            holder: row.get("holder"),
            staging: row.get("staging"),
            snapshot: row.get("snapshot"),
            columns: row.get("columns"),
            sync_mode: row.get("sync_mode"),
            complete: row.get("complete"),
            rows: row.get::<_, i64>("rows").unsigned_abs(),
            bytes: row.get::<_, i64>("bytes").unsigned_abs(),
        }))
    }

    /// The other streams of a pipeline that a run has written to a table.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn others_of_run(
        &self,
        (pipeline, stream): (&str, &str),
        target: &str,
        run: &str,
    ) -> Result<Vec<String>> {
        let find = format!(
            "SELECT stream FROM {} WHERE pipeline = $1 AND stream <> $2 AND target = $3 AND run = $4",
            self.load
        );
        let rows = self
            .client
            .query(&find, &[&pipeline, &stream, &target, &run])
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Notes who goes on with a load.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn hold(&self, pipeline: &str, stream: &str, holder: &str) -> Result<()> {
        let hold = format!(
            "UPDATE {} SET holder = $3 WHERE pipeline = $1 AND stream = $2",
            self.load
        );
        self.client
            .execute(&hold, &[&pipeline, &stream, &holder])
            .await?;
        Ok(())
    }

    /// Whether a run is the one that goes on with the load under way.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn is_held_by(&self, pipeline: &str, stream: &str, run: &str) -> Result<bool> {
        let find = format!(
            "SELECT 1 FROM {} WHERE pipeline = $1 AND stream = $2 AND NOT complete
                AND starts_with(holder, $3 || '/')",
            self.load
        );
        let row = self
            .client
            .query_one(&find, &[&pipeline, &stream, &run])
            .await?;
        Ok(row.is_some())
    }

    /// Whether the load of a holder is under way, kept so until the transaction
    /// ends.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn is_under_way(&self, pipeline: &str, stream: &str, holder: &str) -> Result<bool> {
        let find = format!(
            "SELECT 1 FROM {} WHERE pipeline = $1 AND stream = $2 AND holder = $3 AND NOT complete
                FOR SHARE",
            self.load
        );
        let row = self
            .client
            .query_one(&find, &[&pipeline, &stream, &holder])
            .await?;
        Ok(row.is_some())
    }

    /// Notes a load that begins, in the place of the one before.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn put(
        &self,
        pipeline: &str,
        stream: &str,
        target: &str,
        record: &Record,
    ) -> Result<()> {
        let put = format!(
            "INSERT INTO {} AS load (pipeline, stream, run, target, staging, snapshot, columns, sync_mode,
               holder)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (pipeline, stream) DO UPDATE SET
               run = excluded.run, target = excluded.target, staging = excluded.staging,
               snapshot = excluded.snapshot, columns = excluded.columns,
               sync_mode = excluded.sync_mode, holder = excluded.holder,
               complete = false, rows = 0, bytes = 0, begun = now(), ended = NULL",
            self.load
        );
        self.client
            .execute(
                &put,
                &[
                    &pipeline,
                    &stream,
                    &record.run,
                    &target,
                    &record.staging,
                    &record.snapshot,
                    &record.columns,
                    &record.sync_mode,
                    &record.holder,
                ],
            )
            .await?;
        Ok(())
    }

    /// Sets the cursors to where the last published load has ended.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn rewind(&self, pipeline: &str, stream: &str) -> Result<()> {
        let cursor = &self.cursor;
        let of_stream = "pipeline = $1 AND stream = $2";
        let rewind = format!(
            "UPDATE {cursor} SET cursor = published, last = false, rows = 0, bytes = 0
              WHERE {of_stream} AND published IS NOT NULL"
        );
        self.client.execute(&rewind, &[&pipeline, &stream]).await?;
        let others = format!("DELETE FROM {cursor} WHERE {of_stream} AND published IS NULL");
        self.client.execute(&others, &[&pipeline, &stream]).await?;
        Ok(())
    }

    /// Notes that what a partition's cursor covers is published.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn publish(&self, pipeline: &str, stream: &str, partition: &str) -> Result<()> {
        let keep = format!(
            "UPDATE {} SET published = cursor WHERE pipeline = $1 AND stream = $2 AND partition = $3",
            self.cursor
        );
        self.client
            .execute(&keep, &[&pipeline, &stream, &partition])
            .await?;
        Ok(())
    }

    /// Notes that a load has been published.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn complete(&self, pipeline: &str, stream: &str) -> Result<(u64, u64)> {
        let complete = format!(
            "UPDATE {} SET complete = true, ended = now(), rows = sum.rows, bytes = sum.bytes
               FROM (SELECT coalesce(sum(rows), 0)::int8 AS rows,
                            coalesce(sum(bytes), 0)::int8 AS bytes
                       FROM {} WHERE pipeline = $1 AND stream = $2) sum
              WHERE pipeline = $1 AND stream = $2
             RETURNING sum.rows, sum.bytes",
            self.load, self.cursor
        );
        let row = self
            .client
            .query_one(&complete, &[&pipeline, &stream])
            .await?;
        let keep = format!(
            "UPDATE {} SET published = cursor WHERE pipeline = $1 AND stream = $2",
            self.cursor
        );
        self.client.execute(&keep, &[&pipeline, &stream]).await?;
        let number = |value: i64| value.unsigned_abs();
        Ok(row.map_or((0, 0), |row| (number(row.get(0)), number(row.get(1)))))
    }

    /// Notes that a load is given up: no run goes on with it.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn give_up(&self, pipeline: &str, stream: &str) -> Result<()> {
        let give_up = format!(
            "UPDATE {} SET run = '', complete = true, ended = now()
              WHERE pipeline = $1 AND stream = $2",
            self.load
        );
        self.client.execute(&give_up, &[&pipeline, &stream]).await?;
        Ok(())
    }

    /// Whether the load under way has rows that are durable.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn has_rows(&self, pipeline: &str, stream: &str) -> Result<bool> {
        let find = format!(
            "SELECT 1 FROM {} WHERE pipeline = $1 AND stream = $2 AND rows > 0 LIMIT 1",
            self.cursor
        );
        let row = self.client.query_one(&find, &[&pipeline, &stream]).await?;
        Ok(row.is_some())
    }

    /// Takes the cursors of a stream out.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn forget_cursors(&self, pipeline: &str, stream: &str) -> Result<()> {
        let forget = format!(
            "DELETE FROM {} WHERE pipeline = $1 AND stream = $2",
            self.cursor
        );
        self.client.execute(&forget, &[&pipeline, &stream]).await?;
        Ok(())
    }

    /// How far each partition is durable.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn cursors(&self, pipeline: &str, stream: &str) -> Result<Vec<PartitionCursor>> {
        let all = format!(
            "SELECT partition, cursor, last FROM {} WHERE pipeline = $1 AND stream = $2
              ORDER BY partition",
            self.cursor
        );
        let rows = self.client.query(&all, &[&pipeline, &stream]).await?;
        let cursors = rows.iter().map(|row| PartitionCursor {
            partition: row.get("partition"),
            cursor: row.get("cursor"),
            last: row.get("last"),
        });
        Ok(cursors.collect())
    }

    /// Moves a partition's cursor on from where it was `before`, with what was
    /// written since. It is `false`, and nothing has moved, if it is not there.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn advance(
        &self,
        (pipeline, stream): (&str, &str),
        before: Option<&str>,
        moved: &PartitionCursor,
        rows: u64,
        bytes: u64,
    ) -> Result<bool> {
        let advance = format!(
            "INSERT INTO {} AS moved (pipeline, stream, partition, cursor, last, rows, bytes)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (pipeline, stream, partition) DO UPDATE SET
               cursor = excluded.cursor, last = excluded.last, moved = now(),
               rows = moved.rows + excluded.rows, bytes = moved.bytes + excluded.bytes
             WHERE moved.cursor IS NOT DISTINCT FROM $8",
            self.cursor
        );
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let changed = self
            .client
            .execute(
                &advance,
                &[
                    &pipeline,
                    &stream,
                    &moved.partition,
                    &&*moved.cursor,
                    &moved.last,
                    &signed(rows),
                    &signed(bytes),
                    &before,
                ],
            )
            .await?;
        Ok(changed == 1)
    }
}
