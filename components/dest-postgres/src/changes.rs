//! Applying changes to the target.
//!
//! Changes are gathered in a temporary table, each with its number and whether
//! it removes the row; what comes of them all is applied by one DELETE and one
//! INSERT … ON CONFLICT, in which the last change of a row counts. Before these,
//! rows of which some values stay are changed in their other columns.
//!
//! Invariants: all of it happens within the transaction under way, which the
//! writer begins and ends; a change that leaves values alone is the first one
//! that is gathered of its row: if it is not, what is gathered is applied.

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use vesicle_connector::{Change, Error, Evolution, Operation, RemovedColumn, Result};
use vesicle_postgres::wire;
use vesicle_postgres_client::{Client, CopyIn};

use crate::columns;
use crate::evolve::plan;
use crate::keys::Keys;
use crate::load::make_enums;
use crate::staged::{GATHERED, Staged, ensure_key};
use crate::target::TableName;

/// Changes on their way to a table.
pub struct Changes {
    target: TableName,
    policy: Evolution,
    staged: Option<Staged>,
    copy: Option<CopyIn>,
    /// The number of the next change.
    number: i64,
    /// What is gathered, and not applied yet.
    gathered: Gathered,
}

#[derive(Default)]
struct Gathered {
    removals: bool,
    rows: bool,
    /// The sets of columns that are left alone, and how many rows leave each.
    left: Vec<(Vec<String>, u64)>,
    keys: Keys,
}

impl Changes {
    /// Changes to a table, which may be changed by the policy.
    pub fn new(target: TableName, policy: Evolution) -> Self {
        Self {
            target,
            policy,
            staged: None,
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
        let batch = &self.staged()?.convert(change, batch)?;
        match change.operation {
            Operation::Truncate => {
                self.forget(client).await?;
                let clear = format!("DELETE FROM {}", self.target.quoted());
                client.run(&clear).await.map(|()| 0)
            }
            Operation::Rekey => {
                self.apply(client).await?;
                let bytes = self.gather(client, change, batch).await?;
                self.end_copy().await?;
                let changed = client
                    .execute(&self.staged()?.rekey(&self.target), &[])
                    .await?;
                self.all_were_there(changed, batch.num_rows() as u64 / 2)?;
                self.forget(client).await?;
                Ok(bytes)
            }
            Operation::Update if !change.unchanged.is_empty() => {
                self.update(client, change, batch).await
            }
            _ => self.gather(client, change, batch).await,
        }
    }

    /// Applies what is gathered.
    ///
    /// # Errors
    ///
    /// `conflict` if a row that is changed in part is not there; what the server
    /// says.
    pub async fn apply(&mut self, client: &Client) -> Result<()> {
        if self.copy.is_none() {
            return Ok(());
        }
        self.end_copy().await?;
        let (staged, gathered) = (self.staged()?, &self.gathered);
        for (place, (unchanged, rows)) in gathered.left.iter().enumerate() {
            let update = staged.update(&self.target, place + 1, unchanged);
            self.all_were_there(client.execute(&update, &[]).await?, *rows)?;
        }
        if gathered.removals {
            client.run(&staged.delete(&self.target)).await?;
        }
        if gathered.rows {
            client.run(&staged.insert(&self.target)).await?;
        }
        self.forget(client).await
    }

    /// Makes a place for changes like these, unless there is one.
    async fn fit(&mut self, client: &Client, change: &Change, batch: &RecordBatch) -> Result<()> {
        if let Some(staged) = &self.staged
            && staged.key == change.key
            && (Arc::ptr_eq(&staged.schema, batch.schema_ref()) || staged.schema == batch.schema())
        {
            return Ok(());
        }
        self.apply(client).await?;
        let wanted = columns::of_schema(batch.schema_ref())?;
        let existing = self.target.existing(client).await?.ok_or_else(|| {
            let message = format!("{}: the table is gone; --fresh copies it anew", self.target);
            Error::not_found("no-target", message)
        })?;
        // What the source has now was looked at when the load began. A column
        // that the log does not have yet is not a removed one.
        let is_gone = |staged: &Staged| {
            let mut before = staged.columns.iter();
            before.any(|name| wanted.iter().all(|column| column.name != *name))
        };
        let mut policy = self.policy;
        if !self.staged.as_ref().is_some_and(is_gone) {
            policy.removed_column = RemovedColumn::Ignore;
        }
        let route = plan(&self.target, Some(&existing), &wanted, policy)?;
        make_enums(client, batch.schema_ref()).await?;
        for statement in &route.statements {
            client.run(statement).await?;
        }
        let (key, type_change) = (change.key.clone(), policy.type_change);
        let staged = Staged::new(batch.schema(), &route, key, type_change)?;
        ensure_key(client, &self.target, &staged.key).await?;
        client.run(&staged.create(&self.target)).await?;
        self.staged = Some(staged);
        Ok(())
    }

    /// Takes changes that leave columns alone.
    async fn update(
        &mut self,
        client: &Client,
        change: &Change,
        batch: &RecordBatch,
    ) -> Result<u64> {
        let (mut first, mut bytes) = (0, 0);
        for (row, hash) in self.staged()?.hashes(batch)?.into_iter().enumerate() {
            if !self.gathered.keys.insert(hash) {
                let before = batch.slice(first, row - first);
                bytes += self.gather(client, change, &before).await?;
                self.apply(client).await?;
                self.gathered.keys.insert(hash);
                first = row;
            }
        }
        let rest = batch.slice(first, batch.num_rows() - first);
        Ok(bytes + self.gather(client, change, &rest).await?)
    }

    /// Sends changes to where they are gathered.
    async fn gather(
        &mut self,
        client: &Client,
        change: &Change,
        batch: &RecordBatch,
    ) -> Result<u64> {
        let rows = batch.num_rows() as u64;
        if rows == 0 {
            return Ok(0);
        }
        let leaves = match change.unchanged.is_empty() {
            true => 0,
            false => self.gathered.leave(&change.unchanged, rows),
        };
        let tuples = self
            .staged()?
            .tuples(change.operation, batch, self.number, leaves)?;
        self.number += rows as i64;
        if leaves == 0 {
            for hash in self.staged()?.hashes(batch)? {
                self.gathered.keys.insert(hash);
            }
            match change.operation {
                Operation::Delete => self.gathered.removals = true,
                Operation::Rekey => {}
                _ => self.gathered.rows = true,
            }
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

    fn staged(&self) -> Result<&Staged> {
        let unfit = || Error::internal("no-shape", "changes were taken before their shape");
        self.staged.as_ref().ok_or_else(unfit)
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
        self.end_copy().await?;
        self.gathered = Gathered::default();
        client.run(&format!("TRUNCATE {GATHERED}")).await
    }
}

impl Gathered {
    /// The place of a set of columns that some rows leave alone, counted from 1.
    fn leave(&mut self, unchanged: &[String], rows: u64) -> i32 {
        let known = self.left.iter().position(|(set, _)| set == unchanged);
        let place = known.unwrap_or_else(|| {
            self.left.push((unchanged.to_vec(), 0));
            self.left.len() - 1
        });
        self.left[place].1 += rows;
        // A table of 1600 columns has more sets of them, a log has not.
        place as i32 + 1
    }
}
