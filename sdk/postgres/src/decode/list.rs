//! Columns of arrays.
//!
//! An array's elements have on the wire the form of a tuple's fields, so what
//! decodes a column of them decodes them.
//!
//! Invariant: a list holds the elements of an array of one dimension whose
//! first index is 1; any other is an error, for its shape would be lost.

use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::Field;
use vesicle_connector::Error;

use super::BLOCK_BYTES;
use super::column::{Cells, Decode, Fault, value};
use crate::wire::word;

pub(super) struct List {
    element: Box<dyn Decode>,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    /// The places of the elements of a block.
    places: Vec<u32>,
}

impl List {
    pub(super) fn new(element: Box<dyn Decode>) -> Self {
        Self {
            element,
            ends: vec![0],
            nulls: NullBufferBuilder::new(0),
            places: Vec::new(),
        }
    }

    /// Adds the places of the elements of the array at `start..end`.
    fn elements(&mut self, data: &[u8], start: usize, end: usize) -> Result<(), Error> {
        if end - start < 12 {
            return Err(bad("is too short"));
        }
        let dimensions = word(data, start);
        if dimensions == 0 && end - start == 12 {
            return Ok(());
        }
        if dimensions != 1 {
            return Err(shape(format!("has {dimensions} dimensions")));
        }
        if end - start < 20 {
            return Err(bad("is too short"));
        }
        let (count, first) = (word(data, start + 12), word(data, start + 16));
        if first != 1 {
            return Err(shape(format!("counts from {first}")));
        }
        let mut at = start + 20;
        for _ in 0..count {
            if end - at < 4 {
                return Err(bad("ends within its elements"));
            }
            self.places.push(at as u32);
            let length = word(data, at);
            at += 4;
            if length < -1 || length > 0 && length as usize > end - at {
                return Err(bad("has an element of a length that cannot be"));
            }
            at += length.max(0) as usize;
        }
        match at == end && count >= 0 {
            true => Ok(()),
            false => Err(bad("goes on after its elements")),
        }
    }
}

impl Decode for List {
    fn decode(&mut self, data: &[u8], cells: Cells<'_>) -> Result<(), Fault> {
        self.places.clear();
        let base = self.ends[self.ends.len() - 1] as usize;
        let earlier = self.ends.len() - 1;
        for (cell, place) in cells.iter().enumerate() {
            match value(data, place) {
                None => self.nulls.append_null(),
                Some(bytes) => {
                    self.nulls.append_non_null();
                    let start = place + 4;
                    self.elements(data, start, start + bytes.len())
                        .map_err(|error| Fault { cell, error })?;
                }
            }
            // Elements take 4 bytes each of a tuple of 64 MiB at most.
            self.ends.push((base + self.places.len()) as i32);
        }
        let ends = &self.ends[earlier + 1..];
        self.element
            .decode(data, Cells::new(&self.places, 0, 1))
            .map_err(|fault| Fault {
                cell: ends.partition_point(|&end| end as usize <= base + fault.cell),
                error: fault.error,
            })
    }

    fn size(&self) -> usize {
        self.element.size() + 4 * self.ends.len() + self.ends.len().div_ceil(8)
    }

    fn finish(&mut self) -> Result<ArrayRef, Fault> {
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let nulls = self.nulls.finish();
        let values = self.element.finish().map_err(|fault| Fault {
            cell: ends[1..].partition_point(|&end| end as usize <= fault.cell),
            error: fault.error,
        })?;
        let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        match ListArray::try_new(item, ends, values, nulls) {
            Ok(list) => Ok(Arc::new(list)),
            Err(error) => Err(Fault {
                cell: 0,
                error: error.into(),
            }),
        }
    }

    fn row_size(&self) -> usize {
        5
    }

    /// Elements may take less on the wire than in Arrow.
    fn amplifies(&self) -> bool {
        true
    }

    fn bound(&self, data: &[u8], cells: Cells<'_>, more: &mut [usize]) {
        let row = self.element.row_size();
        for (place, more) in cells.iter().zip(more) {
            let size = match value(data, place) {
                Some(_) if self.element.amplifies() => BLOCK_BYTES,
                // At least 4 bytes an element.
                Some(bytes) => bytes.len() / 4 * row,
                None => 0,
            };
            *more = more.saturating_add(size);
        }
    }
}

#[cold]
fn bad(what: &str) -> Error {
    Error::data("bad-copy", format!("the array {what}"))
}

#[cold]
fn shape(what: String) -> Error {
    Error::data(
        "array-shape",
        format!(
            "the array {what}, which a list does not keep: cast the column to text in a view, or \
             leave the row out"
        ),
    )
}
