//! From what the server says to what travels on.
//!
//! Invariants: changes leave in the order of the log; a checkpoint lies between
//! transactions, behind all changes before it.

use std::time::{Duration, Instant};

use vesicle_connector::{Emitter, Error, Operation, Result};
use vesicle_postgres_client::{Client, Lsn, Options as Server, Streamed};

use crate::NAME;
use crate::log::group::{Group, Kind};
use crate::log::is_far;
use crate::log::link::{Event, Link};
use crate::log::message::{Message, Relation, Tuple};
use crate::log::position::Position;
use crate::log::shape::{Shape, Wanted};

/// How many bytes of changes are worth a checkpoint.
const ENOUGH: u64 = 256 << 10;

/// How long changes may go without a checkpoint, where transactions end.
const LONGEST: Duration = Duration::from_secs(1);

/// When reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Once everything before this position has been read.
    Reached(Lsn),
    /// Not before the host asks for it.
    Asked,
}

/// Reads the log of a table.
pub struct Reader<'a> {
    link: Link,
    server: &'a Server,
    wanted: Wanted,
    /// The object identifier of the table.
    table: u32,
    until: Until,
    shape: Option<Shape>,
    group: Option<Group>,
    /// All transactions that end before have been emitted or are gathered.
    read: Position,
    /// The position of the newest checkpoint.
    covered: Lsn,
    in_transaction: bool,
    /// Bytes emitted or gathered since the newest checkpoint.
    uncovered: u64,
    /// When the first of them came.
    since: Instant,
}

impl<'a> Reader<'a> {
    /// What reads a table's changes over a link.
    pub fn new(link: Link, server: &'a Server, wanted: Wanted, table: u32, until: Until) -> Self {
        let read = link.durable().clone();
        Self {
            link,
            server,
            wanted,
            table,
            until,
            shape: None,
            group: None,
            covered: read.lsn,
            read,
            in_transaction: false,
            uncovered: 0,
            since: Instant::now(),
        }
    }

    /// Emits changes until the end.
    ///
    /// # Errors
    ///
    /// `data` for a value that cannot be represented; `schema` if the log does
    /// not have what is wanted; what the server says.
    pub async fn read(mut self, out: &mut Emitter) -> Result<()> {
        // The answer says how far the server is.
        self.link.tell(true).await?;
        loop {
            if let Some(said) = self.link.ready().await? {
                if self.take(said, out).await? {
                    break;
                }
                continue;
            }
            // There is time.
            self.cover(out).await?;
            if self.link.is_asked() && !self.in_transaction {
                break;
            }
            match self.link.wait().await? {
                Event::Said(said) => {
                    if self.take(said, out).await? {
                        break;
                    }
                }
                Event::Silence | Event::Committed => {}
            }
        }
        self.end(out).await
    }

    /// Leaves everything covered and, unless the host is in a hurry, the slot
    /// where the destination is.
    async fn end(mut self, out: &mut Emitter) -> Result<()> {
        self.flush(out).await?;
        let cursor = self.read.to_cursor();
        self.link.during(out.settle(cursor)).await?;
        while !self.link.is_asked() && !self.link.is_durable(self.read.lsn) {
            self.link.wait().await?;
        }
        self.link.finish().await
    }

    /// Takes what the server says. Whether that was the end.
    async fn take(&mut self, said: Streamed, out: &mut Emitter) -> Result<bool> {
        match said {
            Streamed::Data(bytes) => {
                self.message(Message::parse(bytes)?, out).await?;
                Ok(false)
            }
            Streamed::Alive { sent, asks } => {
                if asks {
                    self.link.tell(false).await?;
                }
                if self.in_transaction {
                    return Ok(false);
                }
                if sent > self.read.lsn {
                    self.read.lsn = sent;
                }
                match self.until {
                    Until::Reached(end) if sent >= end => return Ok(true),
                    // The server catches up, and is asked again in a while.
                    Until::Reached(_) => {}
                    // Nothing happened to this table, and the log grows, or
                    // the server wants to end and waits for us.
                    Until::Asked
                        if self.uncovered == 0
                            && (is_far(self.covered, sent) || asks && sent > self.covered) =>
                    {
                        self.covered = sent;
                        let cursor = self.read.to_cursor();
                        self.link.during(out.settle(cursor)).await?;
                    }
                    Until::Asked => {}
                }
                Ok(false)
            }
        }
    }

    async fn message(&mut self, message: Message, out: &mut Emitter) -> Result<()> {
        match message {
            Message::Begin => self.in_transaction = true,
            Message::Commit(end) => {
                self.in_transaction = false;
                self.read.lsn = end;
                if self.uncovered >= ENOUGH || self.since.elapsed() >= LONGEST {
                    self.cover(out).await?;
                }
            }
            Message::Relation(relation) if relation.oid == self.table => {
                self.relation(relation, out).await?;
            }
            Message::Insert(table, row) if table == self.table => {
                self.shape()?.check(&row)?;
                self.push(Kind::of(Operation::Insert), &row, out).await?;
            }
            Message::Update(table, before, row) if table == self.table => {
                self.update(before, row, out).await?;
            }
            Message::Delete(table, row) if table == self.table => {
                self.shape()?.check(&row)?;
                self.push(Kind::of(Operation::Delete), &row, out).await?;
            }
            Message::Truncate(tables) if tables.contains(&self.table) => {
                self.flush(out).await?;
                self.gather(Kind::of(Operation::Truncate))?;
                self.flush(out).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The table is described, for the first time or anew.
    async fn relation(&mut self, relation: Relation, out: &mut Emitter) -> Result<()> {
        if self
            .shape
            .as_ref()
            .is_some_and(|shape| shape.is_of(&relation))
        {
            return Ok(());
        }
        self.flush(out).await?;
        let (server, wanted) = (self.server, &self.wanted);
        let found = self.link.during(async {
            let client = Client::connect(server, NAME).await?;
            Shape::new(&client, wanted, relation).await
        });
        self.shape = Some(found.await?);
        Ok(())
    }

    async fn update(
        &mut self,
        before: Option<Tuple>,
        mut row: Tuple,
        out: &mut Emitter,
    ) -> Result<()> {
        let shape = self.shape()?;
        shape.complete(before.as_ref(), &mut row)?;
        let unchanged = shape.unchanged(&row);
        let kind = Kind {
            operation: Operation::Update,
            unchanged,
        };
        match before {
            Some(before) if !shape.same_key(&before, &row) => {
                if kind.unchanged.is_empty() {
                    // All of the row is here.
                    self.push(Kind::of(Operation::Delete), &before, out).await?;
                    return self.push(Kind::of(Operation::Insert), &row, out).await;
                }
                self.flush(out).await?;
                self.push(Kind::of(Operation::Rekey), &before, out).await?;
                self.add(&row)?;
                self.push(kind, &row, out).await
            }
            _ => self.push(kind, &row, out).await,
        }
    }

    fn shape(&self) -> Result<&Shape> {
        self.shape.as_ref().ok_or_else(|| {
            Error::data(
                "bad-log",
                "the log has a row of a table that it has not described",
            )
        })
    }

    /// Takes a change, behind all that came before.
    async fn push(&mut self, kind: Kind, row: &Tuple, out: &mut Emitter) -> Result<()> {
        if !self.group.as_ref().is_some_and(|group| group.is_of(&kind)) {
            self.flush(out).await?;
            self.gather(kind)?;
        }
        self.add(row)?;
        self.emit(out).await
    }

    /// Begins a group.
    fn gather(&mut self, kind: Kind) -> Result<()> {
        if self.uncovered == 0 {
            self.since = Instant::now();
        }
        // A change without rows is one too.
        self.uncovered += 1;
        self.group = Some(Group::new(kind, self.shape()?, self.wanted.mapping));
        Ok(())
    }

    /// Adds a row to the group.
    fn add(&mut self, row: &Tuple) -> Result<()> {
        if let (Some(group), Some(shape)) = (&mut self.group, &self.shape) {
            self.uncovered += group.push(row, shape)?;
        }
        Ok(())
    }

    /// Emits the group's batches that are full.
    async fn emit(&mut self, out: &mut Emitter) -> Result<()> {
        let (Some(group), Some(shape)) = (&mut self.group, &self.shape) else {
            return Ok(());
        };
        while let Some((batch, taken)) = group.next_batch(shape)? {
            let change = group.change(shape);
            self.link.during(out.changes(change, batch, taken)).await?;
        }
        Ok(())
    }

    /// Emits all that is gathered.
    async fn flush(&mut self, out: &mut Emitter) -> Result<()> {
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        group.finish()?;
        if let (true, Some(shape)) = (group.is_truncation(), &self.shape) {
            let nothing = arrow_array::RecordBatch::new_empty(shape.schema.clone());
            let change = group.change(shape);
            self.link.during(out.changes(change, nothing, 0)).await?;
        }
        self.emit(out).await?;
        self.group = None;
        Ok(())
    }

    /// Emits all that is gathered and, between transactions, a checkpoint.
    async fn cover(&mut self, out: &mut Emitter) -> Result<()> {
        self.flush(out).await?;
        if self.in_transaction || self.uncovered == 0 {
            return Ok(());
        }
        self.uncovered = 0;
        self.covered = self.read.lsn;
        let cursor = self.read.to_cursor();
        self.link.during(out.checkpoint(cursor)).await
    }
}
