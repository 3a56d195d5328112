//! Consecutive changes of one kind, gathered to travel together.
//!
//! Invariant: what is gathered leaves in the order in which it came.

use arrow_array::RecordBatch;
use vesicle_connector::{Change, Operation, Result};
use vesicle_postgres::{Decoder, Options as Mapping};

use crate::log::message::Tuple;
use crate::log::shape::Shape;

/// What changes have in common that travel together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What happened.
    pub operation: Operation,
    /// The columns that are unchanged, by place.
    pub unchanged: Vec<usize>,
}

impl Kind {
    /// Changes without unchanged columns.
    pub fn of(operation: Operation) -> Self {
        Self {
            operation,
            unchanged: Vec::new(),
        }
    }
}

/// Changes of one kind.
pub struct Group {
    kind: Kind,
    decoder: Decoder,
    /// A tuple on its way to the decoder.
    tuple: Vec<u8>,
    /// Bytes that came in and no batch accounts for.
    taken: u64,
}

impl Group {
    /// An empty group.
    pub fn new(kind: Kind, shape: &Shape, mapping: Mapping) -> Self {
        Self {
            kind,
            decoder: Decoder::of_tuples(&shape.columns, mapping),
            tuple: Vec::new(),
            taken: 0,
        }
    }

    /// Whether changes of a kind belong to it.
    pub fn is_of(&self, kind: &Kind) -> bool {
        // A row that is rekeyed may be rekeyed again.
        self.kind == *kind && kind.operation != Operation::Rekey
    }

    /// Whether every row was removed.
    pub fn is_truncation(&self) -> bool {
        self.kind.operation == Operation::Truncate
    }

    /// Takes a row, of how many bytes it tells.
    ///
    /// # Errors
    ///
    /// `data` for a value that cannot be represented.
    pub fn push(&mut self, tuple: &Tuple, shape: &Shape) -> Result<u64> {
        let key_only = matches!(self.kind.operation, Operation::Delete | Operation::Rekey);
        self.tuple.clear();
        shape.write(tuple, key_only, &mut self.tuple);
        let size = self.tuple.len() as u64;
        self.taken += size;
        self.decoder.push(&self.tuple)?;
        Ok(size)
    }

    /// The changes.
    pub fn change(&self, shape: &Shape) -> Change {
        Change {
            operation: self.kind.operation,
            key: shape.names(&shape.key),
            unchanged: shape.names(&self.kind.unchanged),
        }
    }

    /// A batch that is full, and how many bytes came for it.
    ///
    /// # Errors
    ///
    /// As of [`Group::push`].
    pub fn next_batch(&mut self, shape: &Shape) -> Result<Option<(RecordBatch, u64)>> {
        let Some(batch) = self.decoder.next_batch() else {
            return Ok(None);
        };
        let taken = std::mem::take(&mut self.taken);
        shape.declare(batch).map(|batch| Some((batch, taken)))
    }

    /// Nothing more comes: what is left makes the last batch.
    ///
    /// # Errors
    ///
    /// As of [`Group::push`].
    pub fn finish(&mut self) -> Result<()> {
        self.decoder.finish()
    }
}
