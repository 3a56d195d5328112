//! Writing the rows of one partition into the staging table.
//!
//! Invariant: a transaction is open while there are rows without a commit; it
//! ends with the cursor that covers them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use vesicle_connector::{Batch, CommitRequest, Error, PartitionCursor, Receipt, Result, Writer};
use vesicle_postgres::{Encoder, wire};
use vesicle_postgres_client::{Client, CopyIn};

use crate::columns;
use crate::ledger::Ledger;
use crate::load::Detail;

/// Writes one partition.
pub struct TableWriter {
    client: Client,
    detail: Detail,
    partition: String,
    encoder: Option<Encoder>,
    copy: Option<Copy>,
}

/// A copy under way, in a transaction of its own.
struct Copy {
    into: CopyIn,
    rows: u64,
    bytes: u64,
}

impl TableWriter {
    /// What writes a partition of a load.
    pub fn new(client: Client, detail: Detail, partition: &str) -> Self {
        Self {
            client,
            detail,
            partition: partition.to_owned(),
            encoder: None,
            copy: None,
        }
    }

    /// Begins a transaction in which the load cannot end.
    async fn begin(&self) -> Result<()> {
        self.client.run("BEGIN").await?;
        let Detail {
            pipeline,
            stream,
            run,
            target,
            ..
        } = &self.detail;
        let ledger = Ledger::new(&self.client, &target.schema);
        if ledger.is_under_way(pipeline, stream, run).await? {
            return Ok(());
        }
        let message = format!(
            "{target}: the load of run {run} is not under way any more; somebody else has ended it"
        );
        Err(Error::conflict("not-under-way", message).without_retry())
    }

    /// Sends tuples.
    async fn send(&mut self, tuples: Bytes, rows: u64) -> Result<()> {
        let copy = self.copy().await?;
        copy.rows += rows;
        copy.bytes += tuples.len() as u64;
        copy.into.send(tuples).await
    }

    async fn copy(&mut self) -> Result<&mut Copy> {
        if self.copy.is_none() {
            self.begin().await?;
            let copy = format!(
                "COPY {} ({}) FROM STDIN (FORMAT binary)",
                self.detail.staging.quoted(),
                self.detail.quoted_columns()
            );
            let mut into = self.client.copy_in(&copy).await?;
            into.send(Bytes::from_static(wire::HEADER)).await?;
            self.copy = Some(Copy {
                into,
                rows: 0,
                bytes: 0,
            });
        }
        self.copy
            .as_mut()
            .ok_or_else(|| Error::internal("no-copy", "no copy is under way"))
    }
}

impl Writer for TableWriter {
    async fn schema(&mut self, schema: SchemaRef) -> Result<()> {
        let columns = columns::of_schema(&schema)?;
        self.encoder = Some(Encoder::new(&schema, &columns)?);
        Ok(())
    }

    async fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        let encoder = self
            .encoder
            .as_mut()
            .ok_or_else(|| Error::internal("no-schema", "rows came before their schema"))?;
        let mut tuples = Vec::with_capacity(batch.get_array_memory_size());
        encoder.encode(&batch, None, &mut tuples)?.whole()?;
        self.send(tuples.into(), batch.num_rows() as u64).await
    }

    async fn encoded(&mut self, batch: Batch) -> Result<()> {
        // Drivers give no other format than the spec names.
        self.send(batch.payload.into(), batch.rows).await
    }

    async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt> {
        let (mut rows, mut bytes) = (0, 0);
        match self.copy.take() {
            Some(mut copy) => {
                copy.into.send(Bytes::from_static(wire::TRAILER)).await?;
                let taken = copy.into.finish().await?;
                (rows, bytes) = (copy.rows, copy.bytes);
                if taken != rows {
                    let message = format!("the server has taken {taken} of {rows} rows");
                    return Err(Error::internal("rows-missing", message));
                }
            }
            None => self.begin().await?,
        }
        let Detail {
            pipeline,
            stream,
            target,
            ..
        } = &self.detail;
        let moved = PartitionCursor {
            partition: self.partition.clone(),
            cursor: request.cursor.clone(),
            last: request.last,
        };
        Ledger::new(&self.client, &target.schema)
            .advance((pipeline, stream), &moved, rows, bytes)
            .await?;
        self.client.run("COMMIT").await?;
        Ok(Receipt::of(request, rows, bytes))
    }
}
