//! What decodes one column's fields.

use arrow_array::ArrayRef;
use vesicle_connector::Error;

use crate::arrow::{self, Options};
use crate::decode::{fixed, list, text};
use crate::types::{Scalar, Type};

/// The fields of one column within a block: where their lengths are.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    places: &'a [u32],
    first: usize,
    step: usize,
}

impl<'a> Cells<'a> {
    /// Every `step`th place, from the `first` on.
    pub(super) fn new(places: &'a [u32], first: usize, step: usize) -> Self {
        Self {
            places,
            first,
            step,
        }
    }

    /// The number of fields.
    pub(super) fn len(&self) -> usize {
        self.places.len() / self.step
    }

    /// The places of the fields' lengths.
    #[inline]
    pub(super) fn iter(self) -> impl Iterator<Item = usize> + 'a {
        let rest = self.places.get(self.first..).unwrap_or(&[]);
        rest.iter().step_by(self.step).map(|&place| place as usize)
    }
}

/// The value whose length is at `place`, none if it is NULL. The scan has made
/// sure that it is there.
///
/// Left to itself the compiler makes it a call for each value.
#[inline(always)]
pub(super) fn value(data: &[u8], place: usize) -> Option<&[u8]> {
    let length = crate::wire::word(data, place);
    match usize::try_from(length) {
        Ok(length) => Some(&data[place + 4..place + 4 + length]),
        Err(_) => None,
    }
}

/// A value that is not what it should be.
#[derive(Debug)]
pub(super) struct Fault {
    /// Which of the fields, counted from the first that was given.
    pub(super) cell: usize,
    pub(super) error: Error,
}

/// Decodes one column, block after block.
pub(super) trait Decode {
    /// Adds the fields of a block.
    fn decode(&mut self, data: &[u8], cells: Cells<'_>) -> Result<(), Fault>;

    /// The bytes of what was added.
    fn size(&self) -> usize;

    /// What was added, as an array; then there is nothing.
    fn finish(&mut self) -> Result<ArrayRef, Fault>;

    /// Bytes of Arrow buffers that a row takes beyond its bytes on the wire.
    fn row_size(&self) -> usize;

    /// Whether a value may take more than its row size and its bytes on the wire.
    fn amplifies(&self) -> bool {
        false
    }

    /// Adds for each row what a value may take more, at most.
    fn bound(&self, _data: &[u8], _cells: Cells<'_>, _more: &mut [usize]) {}
}

/// What decodes a column of this type.
pub(super) fn of(kind: &Type, options: Options) -> Box<dyn Decode> {
    let element = scalar(kind.scalar(), options);
    match kind {
        Type::Scalar(_) => element,
        Type::Array(_) => Box::new(list::List::new(element)),
    }
}

fn scalar(kind: &Scalar, options: Options) -> Box<dyn Decode> {
    if let Scalar::Numeric(limit) = kind
        && let Some((precision, scale)) = arrow::decimal(*limit, options)
    {
        return fixed::decimal(precision, scale);
    }
    fixed::of(kind).unwrap_or_else(|| text::of(kind))
}
