//! Writing the rows of one partition into the staging table, and changes into
//! the target.
//!
//! Where single rows may be refused, each batch is copied behind a savepoint, so
//! that what the server refuses can be told row by row ([`crate::sieve`]); where
//! they may not, one COPY takes all rows up to the commit.
//!
//! Invariants: a transaction is open while there are rows without a commit; it
//! ends with the cursor that covers them. It ends only if the cursor is still
//! where this writer has left it, so that of two that write the same rows at
//! once, as when a host was given up too early, one does.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use vesicle_connector::{
    Batch, Change, CommitRequest, Error, Operation, PartitionCursor, Receipt, Reject, Result,
    Writer,
};
use vesicle_postgres::wire;
use vesicle_postgres_client::{Client, CopyIn};

use crate::changes::Changes;
use crate::claim;
use crate::columns;
use crate::evolve::{Route, evolve};
use crate::ledger::Ledger;
use crate::load::{Detail, make_enums};
use crate::publish;
use crate::shape::{Converted, Shape, Tuples};
use crate::sieve;

/// Writes one partition.
pub struct TableWriter {
    pub(crate) client: Client,
    pub(crate) detail: Detail,
    partition: String,
    /// How far the partition is durable.
    cursor: Option<String>,
    path: Option<Path>,
    copy: Option<Copy>,
    /// Changes, once the rows before them are the target's.
    changes: Option<Changes>,
    /// Whether a transaction is open.
    is_open: bool,
    /// What the transaction has taken.
    taken: Taken,
    pub(crate) rejected: Vec<Reject>,
}

#[derive(Clone, Copy, Default)]
struct Taken {
    rows: u64,
    bytes: u64,
}

/// A copy under way, and the rows it was given.
struct Copy {
    into: CopyIn,
    rows: u64,
}

/// How rows of the present shape are written.
struct Path {
    schema: SchemaRef,
    shape: Shape,
    route: Route,
    /// The statement that takes them.
    copy: String,
}

impl TableWriter {
    /// What writes a partition of a load, of which all up to `cursor` is
    /// written already.
    pub fn new(client: Client, detail: Detail, partition: &str, cursor: Option<String>) -> Self {
        let changes = detail.has_changes && cursor.is_some();
        Self {
            client,
            changes: changes.then(|| Changes::new(detail.target.clone(), detail.evolution)),
            detail,
            partition: partition.to_owned(),
            cursor,
            path: None,
            copy: None,
            is_open: false,
            taken: Taken::default(),
            rejected: Vec::new(),
        }
    }

    /// Begins a transaction in which the load cannot end, unless one is open.
    async fn begin(&mut self) -> Result<()> {
        if self.is_open {
            return Ok(());
        }
        self.client.run("BEGIN").await?;
        self.is_open = true;
        let Detail {
            pipeline,
            stream,
            holder,
            target,
            ..
        } = &self.detail;
        let ledger = Ledger::new(&self.client, &target.schema);
        if ledger.is_under_way(pipeline, stream, holder).await? {
            return Ok(());
        }
        Err(claim::taken_over(&self.detail))
    }

    fn path(&self) -> Result<&Path> {
        self.path
            .as_ref()
            .ok_or_else(|| Error::internal("no-schema", "rows came before their schema"))
    }

    /// Begins a COPY into the staging table.
    pub(crate) async fn copy_in(&self) -> Result<CopyIn> {
        let mut into = self.client.copy_in(&self.path()?.copy).await?;
        into.send(Bytes::from_static(wire::HEADER)).await?;
        Ok(into)
    }

    /// Counts tuples that the server has taken.
    pub(crate) fn count(&mut self, rows: u64, bytes: usize) {
        self.taken.rows += rows;
        self.taken.bytes += bytes as u64;
    }

    /// Sends tuples to the COPY under way.
    async fn send(&mut self, (tuples, rows): Tuples) -> Result<()> {
        self.begin().await?;
        if self.copy.is_none() {
            let into = self.copy_in().await?;
            self.copy = Some(Copy { into, rows: 0 });
        }
        self.count(rows, tuples.len());
        match &mut self.copy {
            Some(copy) => {
                copy.rows += rows;
                copy.into.send(tuples.into()).await
            }
            None => Err(Error::internal("no-copy", "no copy is under way")),
        }
    }

    /// Ends the COPY under way, if one is.
    async fn end_copy(&mut self) -> Result<()> {
        let Some(mut copy) = self.copy.take() else {
            return Ok(());
        };
        copy.into.send(Bytes::from_static(wire::TRAILER)).await?;
        let taken = copy
            .into
            .finish()
            .await
            .map_err(|error| explained(error, &self.detail))?;
        if taken != copy.rows {
            let message = format!("the server has taken {taken} of {} rows", copy.rows);
            return Err(Error::internal("rows-missing", message));
        }
        Ok(())
    }

    /// Where changes follow: makes the rows before them the target's, once.
    async fn hand_over(&mut self) -> Result<()> {
        if self.detail.has_changes && self.changes.is_none() {
            self.end_copy().await?;
            publish::hand_over(&self.client, &self.detail).await?;
            let Detail {
                target, evolution, ..
            } = &self.detail;
            self.changes = Some(Changes::new(target.clone(), *evolution));
        }
        Ok(())
    }

    /// Makes the staging table take rows of a shape that is not the one it was
    /// made for.
    async fn widen(&mut self, schema: &SchemaRef, route: &Route) -> Result<()> {
        self.end_copy().await?;
        self.begin().await?;
        make_enums(&self.client, schema).await?;
        let staging = self.detail.staging.quoted();
        let columns = route.written().map(|it| {
            format!(
                "ADD COLUMN IF NOT EXISTS {} {}",
                vesicle_postgres_client::identifier(&it.column.name),
                it.declared
            )
        });
        let columns: Vec<_> = columns.collect();
        if columns.is_empty() {
            return Ok(());
        }
        let alter = format!("ALTER TABLE {staging} {}", columns.join(", "));
        self.client.run(&alter).await
    }

    /// Writes rows that Arrow holds.
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let (converted, tuples, rejects) = self.path()?.shape.convert(batch)?;
        if !self.detail.rejects {
            return match rejects.into_iter().next() {
                Some(reject) => Err(reject.reason.context(&self.detail.target)),
                None => self.send(tuples).await,
            };
        }
        self.rejected.extend(rejects);
        self.begin().await?;
        if let Some(_refused) = sieve::try_copy(self, tuples).await? {
            sieve::one_by_one(self, &converted).await?;
        }
        Ok(())
    }

    pub(crate) fn part(&self, of: &Converted, start: usize, length: usize) -> Result<Tuples> {
        self.path()?.shape.part(of, start, length)
    }
}

/// The server's refusal of a row, in the user's own names and with what to do.
pub(crate) fn explained(mut error: Error, detail: &Detail) -> Error {
    let staging = &detail.staging.table;
    error.message = error.message.replace(staging, &detail.target.table);
    // not_null_violation
    if error.code == "23502" {
        error.message.push_str(&format!(
            "\nlet it be NULL in {} with schema_evolution: {{ nullability: allow }}",
            detail.target
        ));
    }
    error
}

impl Writer for TableWriter {
    async fn schema(&mut self, schema: SchemaRef) -> Result<()> {
        if self.changes.is_some() {
            // Changes look at the target themselves.
            return Ok(());
        }
        let sources = columns::of_schema(&schema)?;
        let policy = self.detail.evolution;
        let route = evolve(&self.client, &self.detail.target, &sources, policy).await?;
        let has_changed = |path: &Path| path.schema != schema;
        if !self.detail.has_changes && self.path.as_ref().is_some_and(has_changed) {
            self.widen(&schema, &route).await?;
        }
        let names: Vec<_> = route.written().map(|it| it.column.name.clone()).collect();
        let copy = format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            self.detail.staging.quoted(),
            crate::load::quoted(&names)
        );
        let shape = Shape::new(&schema, sources, &route, policy.type_change)?;
        self.path = Some(Path {
            schema,
            shape,
            route,
            copy,
        });
        Ok(())
    }

    async fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        self.write(batch).await
    }

    async fn encoded(&mut self, batch: Batch) -> Result<()> {
        // Drivers give no other format than the spec names.
        let path = self.path()?;
        if !path.route.is_plain() {
            for rows in path.shape.decode(&batch.payload)? {
                self.write(rows).await?;
            }
            return Ok(());
        }
        if !self.detail.rejects {
            return self.send((batch.payload, batch.rows)).await;
        }
        self.begin().await?;
        let tuples = (batch.payload, batch.rows);
        if let Some(tuples) = sieve::try_copy(self, tuples).await? {
            for rows in self.path()?.shape.decode(&tuples)? {
                self.write(rows).await?;
            }
        }
        Ok(())
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
        let before = self.cursor.as_deref();
        let is_ours = ledger
            .advance((pipeline, stream), before, &moved, rows, bytes)
            .await?;
        if !is_ours {
            let message = format!(
                "{target}: another run has written to partition {} since this one began; nothing of \
                 this commit was kept",
                self.partition
            );
            return Err(Error::conflict("written-by-another", message).without_retry());
        }
        if self.detail.has_changes {
            ledger.publish(pipeline, stream, &self.partition).await?;
        }
        self.client.run("COMMIT").await?;
        self.is_open = false;
        self.cursor = Some(request.cursor.clone());
        Ok(Receipt::of(request, rows, bytes))
    }

    fn rejects(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.rejected)
    }
}
