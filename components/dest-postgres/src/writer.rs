//! Writing the rows of one partition into the staging table, and changes into
//! the target.
//!
//! Invariant: a transaction is open while there are rows without a commit; it
//! ends with the cursor that covers them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use vesicle_connector::{
    Batch, Change, CommitRequest, Error, Operation, PartitionCursor, Receipt, Result, Writer,
};
use vesicle_postgres::{Encoder, wire};
use vesicle_postgres_client::{Client, CopyIn};

use crate::changes::Changes;
use crate::columns;
use crate::ledger::Ledger;
use crate::load::Detail;
use crate::publish;

/// Writes one partition.
pub struct TableWriter {
    client: Client,
    detail: Detail,
    partition: String,
    encoder: Option<Encoder>,
    copy: Option<Copy>,
    /// Changes, once the rows before them are the target's.
    changes: Option<Changes>,
    /// Whether a transaction is open.
    is_open: bool,
    /// What the transaction has taken.
    taken: Taken,
}

#[derive(Clone, Copy, Default)]
struct Taken {
    rows: u64,
    bytes: u64,
}

/// A copy under way, in a transaction of its own.
struct Copy {
    into: CopyIn,
    rows: u64,
    bytes: u64,
}

impl TableWriter {
    /// What writes a partition of a load; if it `goes_on`, with a part of it
    /// written before.
    pub fn new(client: Client, detail: Detail, partition: &str, goes_on: bool) -> Self {
        let changes = detail.has_changes && goes_on;
        Self {
            client,
            changes: changes.then(|| Changes::new(detail.target.clone())),
            is_open: false,
            taken: Taken::default(),
            detail,
            partition: partition.to_owned(),
            encoder: None,
            copy: None,
        }
    }

    /// Begins a transaction in which the load cannot end.
    async fn begin(&mut self) -> Result<()> {
        if self.is_open {
            return Ok(());
        }
        self.client.run("BEGIN").await?;
        self.is_open = true;
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

    /// Ends the copy under way.
    async fn end_copy(&mut self) -> Result<()> {
        let Some(mut copy) = self.copy.take() else {
            return Ok(());
        };
        copy.into.send(Bytes::from_static(wire::TRAILER)).await?;
        let taken = copy.into.finish().await?;
        if taken != copy.rows {
            let message = format!("the server has taken {taken} of {} rows", copy.rows);
            return Err(Error::internal("rows-missing", message));
        }
        self.taken.rows += copy.rows;
        self.taken.bytes += copy.bytes;
        Ok(())
    }

    /// Where changes follow: makes the rows before them the target's, once.
    async fn hand_over(&mut self) -> Result<()> {
        if self.detail.has_changes && self.changes.is_none() {
            self.end_copy().await?;
            publish::hand_over(&self.client, &self.detail).await?;
            self.changes = Some(Changes::new(self.detail.target.clone()));
        }
        Ok(())
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

    async fn changes(&mut self, change: Change, batch: RecordBatch) -> Result<()> {
        self.begin().await?;
        self.hand_over().await?;
        let changes = self
            .changes
            .as_mut()
            .ok_or_else(|| Error::internal("no-changes", "changes came in a load that has none"))?;
        self.taken.bytes += changes.take(&self.client, &change, &batch).await?;
        self.taken.rows += match change.operation {
            Operation::Rekey => 0,
            _ => batch.num_rows() as u64,
        };
        Ok(())
    }

    async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt> {
        self.begin().await?;
        self.end_copy().await?;
        self.hand_over().await?;
        if let Some(changes) = &mut self.changes {
            changes.apply(&self.client).await?;
        }
        let Taken { rows, bytes } = std::mem::take(&mut self.taken);
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
        let ledger = Ledger::new(&self.client, &target.schema);
        ledger
            .advance((pipeline, stream), &moved, rows, bytes)
            .await?;
        if self.detail.has_changes {
            ledger.publish(pipeline, stream, &self.partition).await?;
        }
        self.client.run("COMMIT").await?;
        self.is_open = false;
        Ok(Receipt::of(request, rows, bytes))
    }
}
