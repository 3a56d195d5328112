//! Records that were found, and their values.

use std::slice::ChunksExact;

use super::field::Field;
use crate::cell::Cell;
use crate::nulls::NullSet;

/// Records that lie in memory one after another.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    /// The window from the first of them on.
    pub(super) bytes: &'a [u8],
    pub(super) unescaped: &'a [u8],
    /// Their fields.
    pub fields: &'a [Field],
}

impl<'a> Records<'a> {
    /// A field as it is meant, without its quotes.
    #[inline(always)]
    pub fn cell(&self, field: Field) -> Cell<'a> {
        let bytes = if field.is_unescaped() {
            self.unescaped
        } else {
            self.bytes
        };
        Cell::first(&bytes[field.start()..], field.len())
    }

    /// The bytes of a field as it is meant.
    pub fn value(&self, field: Field) -> &'a [u8] {
        self.cell(field).text()
    }

    /// A field of each of the first records, of which all have so many. It is
    /// NULL if it spells that and `nulls` are given.
    #[inline(always)]
    pub fn column(
        &self,
        place: usize,
        width: usize,
        rows: usize,
        nulls: Option<&'a NullSet>,
    ) -> Cells<'a> {
        Cells {
            records: *self,
            rows: self.fields[..rows * width].chunks_exact(width),
            place,
            nulls,
        }
    }
}

/// A field of each of some records.
pub struct Cells<'a> {
    records: Records<'a>,
    rows: ChunksExact<'a, Field>,
    place: usize,
    nulls: Option<&'a NullSet>,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Option<Cell<'a>>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let field = self.rows.next()?[self.place];
        let cell = self.records.cell(field);
        let is_null = match self.nulls {
            Some(nulls) => field.is_bare() && nulls.contains(cell.text()),
            None => false,
        };
        Some((!is_null).then_some(cell))
    }
}
