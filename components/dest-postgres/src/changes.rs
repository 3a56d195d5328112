//! Applying changes to the target.
//!
//! Changes are gathered in a temporary table, each with its number and whether
//! it removes the row; what comes of them all is applied by one DELETE and one
//! INSERT … ON CONFLICT, in which the last change of a row counts. What needs
//! to know the row as it is (values that stay, other keys) has what was gathered
//! before applied first.
//!
//! Invariant: all of it happens within the transaction under way, which the
//! writer begins and ends.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use vesicle_connector::{Change, Error, Operation, Result};
use vesicle_postgres::{Column, Encoder, Scalar, Type, wire};
use vesicle_postgres_client::{Client, CopyIn, identifier};

use crate::columns;
use crate::load::quoted;
use crate::target::TableName;

/// Where changes are gathered.
const GATHERED: &str = "pg_temp._vesicle_changes";
/// Its columns beside the target's: the number of a change, and whether it
/// removes the row.
const NUMBER: &str = "_vesicle_number";
const REMOVES: &str = "_vesicle_removes";

/// Changes on their way to a table.
pub struct Changes {
    target: TableName,
    shape: Option<Shape>,
    copy: Option<CopyIn>,
    /// The number of the next change.
    number: i64,
    /// What is gathered, and not applied yet.
    gathered: Gathered,
}

#[derive(Clone, Copy, Default)]
struct Gathered {
    removals: bool,
    rows: bool,
}

/// What the gathered changes look like.
struct Shape {
    /// That of the batches.
    schema: SchemaRef,
    /// That with the number and the removal, and any column NULL.
    staged: SchemaRef,
    encoder: Encoder,
    columns: Vec<String>,
    key: Vec<String>,
}

impl Changes {
    /// Changes to a table.
    pub fn new(target: TableName) -> Self {
        Self {
            target,
            shape: None,
            copy: None,
            number: 0,
            gathered: Gathered::default(),
        }
    }

    /// Takes changes. How many bytes they are at the server.
    ///
    /// # Errors
    ///
    /// `schema` if the target has not their columns; `conflict` if a row that
    /// is changed in part is not there; what the server says.
    pub async fn take(
        &mut self,
        client: &Client,
        change: &Change,
        batch: &RecordBatch,
    ) -> Result<u64> {
        self.fit(client, change, batch).await?;
        match change.operation {
            Operation::Truncate => {
                self.end_copy().await?;
                self.forget(client).await?;
                let clear = format!("DELETE FROM {}", self.target.quoted());
                client.run(&clear).await.map(|()| 0)
            }
            Operation::Rekey => {
                self.apply(client).await?;
                let bytes = self.gather(client, change, batch).await?;
                self.rekey(client, batch.num_rows() as u64 / 2).await?;
                Ok(bytes)
            }
            Operation::Update if !change.unchanged.is_empty() => {
                self.apply(client).await?;
                let first = self.number;
                let bytes = self.gather(client, change, batch).await?;
                self.fill(client, change, first, batch.num_rows() as u64)
                    .await?;
                Ok(bytes)
            }
            _ => self.gather(client, change, batch).await,
        }
    }

    /// Applies what is gathered.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn apply(&mut self, client: &Client) -> Result<()> {
        self.end_copy().await?;
        let Some(shape) = &self.shape else {
            return Ok(());
        };
        let (target, key) = (self.target.quoted(), quoted(&shape.key));
        let last =
            format!("SELECT DISTINCT ON ({key}) * FROM {GATHERED} ORDER BY {key}, {NUMBER} DESC");
        if self.gathered.removals {
            let delete = format!(
                "DELETE FROM {target} AS target USING ({last}) AS change
                  WHERE change.{REMOVES} AND {}",
                shape.same_key("target", "change")
            );
            client.run(&delete).await?;
        }
        if self.gathered.rows {
            let columns = quoted(&shape.columns);
            let others = shape
                .columns
                .iter()
                .filter(|name| !shape.key.contains(name));
            let others: Vec<_> = others
                .map(|name| format!("{0} = excluded.{0}", identifier(name)))
                .collect();
            let action = match others[..] {
                [] => "DO NOTHING".to_owned(),
                _ => format!("DO UPDATE SET {}", others.join(", ")),
            };
            let insert = format!(
                "INSERT INTO {target} ({columns})
                 SELECT {columns} FROM ({last}) AS change WHERE NOT {REMOVES} ORDER BY {NUMBER}
                 ON CONFLICT ({key}) {action}"
            );
            client.run(&insert).await?;
        }
        self.forget(client).await
    }

    /// Makes a place for changes like these, unless there is one.
    async fn fit(&mut self, client: &Client, change: &Change, batch: &RecordBatch) -> Result<()> {
        if let Some(shape) = &self.shape
            && shape.key == change.key
            && (Arc::ptr_eq(&shape.schema, batch.schema_ref()) || shape.schema == batch.schema())
        {
            return Ok(());
        }
        self.apply(client).await?;
        let wanted = columns::of_schema(batch.schema_ref())?;
        let existing = self.target.columns(client).await?.ok_or_else(|| {
            let message = format!("{}: the table is gone; --fresh copies it anew", self.target);
            Error::not_found("no-target", message)
        })?;
        columns::check(&self.target, &wanted, &existing)?;
        let shape = Shape::new(batch.schema(), &wanted, change.key.clone())?;
        ensure_key(client, &self.target, &shape.key).await?;
        let make = format!(
            "DROP TABLE IF EXISTS {GATHERED};
             CREATE TEMPORARY TABLE _vesicle_changes ON COMMIT DELETE ROWS AS
             SELECT {}, 0::bigint AS {NUMBER}, false AS {REMOVES} FROM {} WITH NO DATA",
            quoted(&shape.columns),
            self.target.quoted()
        );
        client.run(&make).await?;
        self.shape = Some(shape);
        Ok(())
    }

    /// Sends changes to where they are gathered.
    async fn gather(
        &mut self,
        client: &Client,
        change: &Change,
        batch: &RecordBatch,
    ) -> Result<u64> {
        let shape = self.shape.as_ref().ok_or_else(unfit)?;
        let staged = shape.stage(change, batch, self.number)?;
        let mut tuples = Vec::with_capacity(staged.get_array_memory_size());
        shape.encoder.encode(&staged, None, &mut tuples)?.whole()?;
        self.number += batch.num_rows() as i64;
        match change.operation {
            Operation::Delete => self.gathered.removals = true,
            Operation::Rekey => {}
            _ => self.gathered.rows = true,
        }
        let copy = match &mut self.copy {
            Some(copy) => copy,
            None => {
                let copy = format!("COPY {GATHERED} FROM STDIN (FORMAT binary)");
                let copy = self.copy.insert(client.copy_in(&copy).await?);
                copy.send(Bytes::from_static(wire::HEADER)).await?;
                copy
            }
        };
        let bytes = tuples.len() as u64;
        copy.send(tuples.into()).await?;
        Ok(bytes)
    }

    /// Gives the rows of other keys, pairs of which are gathered and nothing
    /// else, those.
    async fn rekey(&mut self, client: &Client, rows: u64) -> Result<()> {
        self.end_copy().await?;
        let shape = self.shape.as_ref().ok_or_else(unfit)?;
        let sets = shape.key.iter().map(|name| {
            let name = identifier(name);
            format!("{name} = after.{name}")
        });
        let rekey = format!(
            "UPDATE {} AS target SET {} FROM {GATHERED} AS before
               JOIN {GATHERED} AS after ON after.{NUMBER} = before.{NUMBER} + 1
              WHERE before.{REMOVES} AND {}",
            self.target.quoted(),
            sets.collect::<Vec<_>>().join(", "),
            shape.same_key("target", "before")
        );
        let changed = client.execute(&rekey, &[]).await?;
        self.all_were_there(changed, rows)?;
        self.forget(client).await
    }

    /// Gives gathered rows, from a number on, the values that the target's have
    /// in the columns that stay.
    async fn fill(
        &mut self,
        client: &Client,
        change: &Change,
        first: i64,
        rows: u64,
    ) -> Result<()> {
        self.end_copy().await?;
        let shape = self.shape.as_ref().ok_or_else(unfit)?;
        let sets = change.unchanged.iter().map(|name| {
            let name = identifier(name);
            format!("{name} = target.{name}")
        });
        let fill = format!(
            "UPDATE {GATHERED} AS change SET {} FROM {} AS target
              WHERE change.{NUMBER} >= {first} AND {}",
            sets.collect::<Vec<_>>().join(", "),
            self.target.quoted(),
            shape.same_key("target", "change")
        );
        let filled = client.execute(&fill, &[]).await?;
        self.all_were_there(filled, rows)
    }

    fn all_were_there(&self, found: u64, rows: u64) -> Result<()> {
        if found == rows {
            return Ok(());
        }
        let message = format!(
            "{}: of {rows} rows that the source has changed in part, {found} are there; somebody \
             else changes the table. --fresh copies it anew",
            self.target
        );
        Err(Error::conflict("row-missing", message).without_retry())
    }

    async fn end_copy(&mut self) -> Result<()> {
        if let Some(mut copy) = self.copy.take() {
            copy.send(Bytes::from_static(wire::TRAILER)).await?;
            copy.finish().await?;
        }
        Ok(())
    }

    /// Leaves nothing gathered.
    async fn forget(&mut self, client: &Client) -> Result<()> {
        self.gathered = Gathered::default();
        match self.shape {
            Some(_) => client.run(&format!("TRUNCATE {GATHERED}")).await,
            None => Ok(()),
        }
    }
}

impl Shape {
    fn new(schema: SchemaRef, columns: &[Column], key: Vec<String>) -> Result<Self> {
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let mut fields: Vec<_> = schema.fields().iter().map(nullable).collect();
        fields.push(Field::new(NUMBER, DataType::Int64, false));
        fields.push(Field::new(REMOVES, DataType::Boolean, false));
        let staged = Arc::new(Schema::new(fields));
        let mut all = columns.to_vec();
        for column in &mut all {
            column.nullable = true;
        }
        all.push(Column::new(NUMBER, Type::Scalar(Scalar::Int8)));
        all.push(Column::new(REMOVES, Type::Scalar(Scalar::Bool)));
        Ok(Self {
            encoder: Encoder::new(&staged, &all)?,
            schema,
            staged,
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            key,
        })
    }

    /// Changes as they are gathered: without what means nothing, numbered.
    fn stage(&self, change: &Change, batch: &RecordBatch, number: i64) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let is_key_only = matches!(change.operation, Operation::Delete | Operation::Rekey);
        let columns = self.columns.iter().zip(batch.columns());
        let columns = columns.map(|(name, array)| {
            let is_carried = match is_key_only {
                true => self.key.contains(name),
                false => !change.unchanged.contains(name),
            };
            match is_carried {
                true => Arc::clone(array),
                false => new_null_array(array.data_type(), rows),
            }
        });
        let mut columns: Vec<ArrayRef> = columns.collect();
        let numbers = Int64Array::from_iter_values(number..number + rows as i64);
        columns.push(Arc::new(numbers));
        let removes = |row: usize| match change.operation {
            Operation::Delete => true,
            Operation::Rekey => row.is_multiple_of(2),
            _ => false,
        };
        let removes: BooleanArray = (0..rows).map(|row| Some(removes(row))).collect();
        columns.push(Arc::new(removes));
        Ok(RecordBatch::try_new(Arc::clone(&self.staged), columns)?)
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let conditions = self.key.iter().map(|name| {
            let name = identifier(name);
            format!("{one}.{name} = {other}.{name}")
        });
        conditions.collect::<Vec<_>>().join(" AND ")
    }
}

/// Makes sure that the target has a unique index on the key, by which its rows
/// are found; its primary key, where it has none.
async fn ensure_key(client: &Client, target: &TableName, key: &[String]) -> Result<()> {
    let find = "\
SELECT 1
  FROM pg_catalog.pg_index i
 CROSS JOIN LATERAL (
       SELECT array_agg(a.attname::text) AS names FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
       ) k
 WHERE i.indrelid = $1::text::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
   AND i.indpred IS NULL AND i.indexprs IS NULL AND k.names @> $2 AND k.names <@ $2";
    let quoted_target = target.quoted();
    if client
        .query_one(find, &[&quoted_target, &key])
        .await?
        .is_some()
    {
        return Ok(());
    }
    let add = format!(
        "ALTER TABLE {quoted_target} ADD PRIMARY KEY ({})",
        quoted(key)
    );
    client.run(&add).await.map_err(|error| {
        error.context(format!(
            "{target} has no unique index on ({}), by which changed rows are found, and cannot get \
             one",
            key.join(", ")
        ))
    })
}

fn unfit() -> Error {
    Error::internal("no-shape", "changes were taken before their shape")
}
