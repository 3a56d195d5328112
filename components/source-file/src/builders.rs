//! Arrays being made of values whose number is not known before.
//!
//! Arrow's builders keep the validity of each value as it comes; these note
//! only where a NULL is, since most values are none.

use arrow_array::{ArrowPrimitiveType, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{
    BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer,
};
use arrow_schema::ArrowError;

use crate::cell::Cell;

/// Texts of at most this many bytes are copied as if they had this many.
const SHORT: usize = 16;

/// Which values are NULL.
struct Validity(NullBufferBuilder);

impl Validity {
    fn new(rows: usize) -> Self {
        Self(NullBufferBuilder::new(rows))
    }

    /// Notes a NULL after some values, of which those not noted are values.
    #[inline]
    fn null_after(&mut self, rows: usize) {
        self.values_up_to(rows);
        self.0.append_null();
    }

    #[inline]
    fn values_up_to(&mut self, rows: usize) {
        self.0.append_n_non_nulls(rows - self.0.len());
    }

    /// Takes out what is after some rows.
    fn truncate(&mut self, rows: usize) {
        if self.0.len() > rows {
            self.0.truncate(rows);
        }
    }

    fn finish(mut self, rows: usize) -> Option<NullBuffer> {
        self.values_up_to(rows);
        self.0.finish()
    }
}

/// Values of a fixed width.
pub struct Primitives<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    validity: Validity,
}

impl<T: ArrowPrimitiveType> Primitives<T> {
    /// None, with room for some.
    pub fn with_room(rows: usize) -> Self {
        Self {
            values: Vec::with_capacity(rows),
            validity: Validity::new(rows),
        }
    }

    /// Adds a value or NULL.
    #[inline(always)]
    pub fn push(&mut self, value: Option<T::Native>) {
        if value.is_none() {
            self.validity.null_after(self.values.len());
        }
        self.values.push(value.unwrap_or_default());
    }

    /// Takes out all but the first.
    pub fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.validity.truncate(rows);
    }

    /// All of them as an array.
    pub fn finish(self) -> PrimitiveArray<T> {
        let validity = self.validity.finish(self.values.len());
        PrimitiveArray::new(ScalarBuffer::from(self.values), validity)
    }
}

/// Truth values.
pub struct Booleans {
    values: BooleanBufferBuilder,
    validity: Validity,
}

impl Booleans {
    /// None, with room for some.
    pub fn with_room(rows: usize) -> Self {
        Self {
            values: BooleanBufferBuilder::new(rows),
            validity: Validity::new(rows),
        }
    }

    /// Adds a value or NULL.
    #[inline(always)]
    pub fn push(&mut self, value: Option<bool>) {
        if value.is_none() {
            self.validity.null_after(self.values.len());
        }
        self.values.append(value.unwrap_or_default());
    }

    /// Takes out all but the first.
    pub fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.validity.truncate(rows);
    }

    /// All of them as an array.
    pub fn finish(mut self) -> BooleanArray {
        let validity = self.validity.finish(self.values.len());
        BooleanArray::new(self.values.finish(), validity)
    }
}

/// Texts, or bytes.
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each text ends, after a zero.
    ends: Vec<i32>,
    validity: Validity,
}

impl Texts {
    /// None, with room for some.
    pub fn with_room(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self {
            bytes: Vec::with_capacity(bytes),
            ends,
            validity: Validity::new(rows),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a text or NULL.
    #[inline(always)]
    pub fn push(&mut self, cell: Option<Cell>) {
        match cell {
            None => self.validity.null_after(self.len()),
            Some(cell) => match cell.head::<SHORT>() {
                // Sixteen bytes are one instruction, so many are a call.
                Some(head) if cell.len() <= SHORT => {
                    let end = self.bytes.len() + cell.len();
                    self.bytes.extend_from_slice(head);
                    self.bytes.truncate(end);
                }
                _ => self.bytes.extend_from_slice(cell.text()),
            },
        }
        // A batch has far fewer bytes than 2 GiB.
        self.ends.push(self.bytes.len() as i32);
    }

    /// Takes out all but the first.
    pub fn truncate(&mut self, rows: usize) {
        if let Some(end) = self.ends.get(rows) {
            // An end is the number of bytes before it.
            self.bytes.truncate(*end as usize);
        }
        self.ends.truncate(rows + 1);
        self.validity.truncate(rows);
    }

    /// Which is the first, from one on, that is not UTF-8.
    pub fn first_bad(&self, from: usize) -> Option<usize> {
        let ends = &self.ends[from..];
        let place = |end: i32| end as usize;
        let start = place(ends[0]);
        let is_good = str::from_utf8(&self.bytes[start..]).is_ok_and(|text| {
            text.is_ascii()
                || ends
                    .iter()
                    .all(|end| text.is_char_boundary(place(*end) - start))
        });
        if is_good {
            return None;
        }
        let is_bad =
            |ends: &[i32]| str::from_utf8(&self.bytes[place(ends[0])..place(ends[1])]).is_err();
        Some(from + ends.windows(2).position(is_bad)?)
    }

    /// All of them as an array of bytes.
    pub fn finish_binary(self) -> BinaryArray {
        let validity = self.validity.finish(self.ends.len() - 1);
        let ends = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        BinaryArray::new(ends, Buffer::from_vec(self.bytes), validity)
    }

    /// All of them as an array.
    ///
    /// # Errors
    ///
    /// If one is not UTF-8.
    pub fn finish(self) -> Result<StringArray, ArrowError> {
        let validity = self.validity.finish(self.ends.len() - 1);
        let ends = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        StringArray::try_new(ends, Buffer::from_vec(self.bytes), validity)
    }
}
