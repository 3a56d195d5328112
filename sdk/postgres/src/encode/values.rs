//! A column's values in PostgreSQL's form, before they are put into tuples.
//!
//! Invariant: there is a value for every row; for one that is NULL, or has a
//! fault, it is whatever it is.

use std::borrow::Cow;

use arrow_array::ArrowNativeTypeOp;
use arrow_buffer::NullBuffer;
use vesicle_connector::Error;

/// What is wrong with rows, in the order in which it was found.
#[derive(Default)]
pub(super) struct Faults(Vec<(usize, Error)>);

impl Faults {
    #[cold]
    pub(super) fn add(&mut self, row: usize, error: Error) {
        self.0.push((row, error));
    }

    pub(super) fn into_inner(self) -> Vec<(usize, Error)> {
        self.0
    }
}

/// The values of a column.
pub(super) struct Values<'a> {
    data: Data<'a>,
    nulls: Option<NullBuffer>,
}

enum Data<'a> {
    /// Every one is NULL.
    Null,
    /// Values of one size, one after the other.
    Fixed(usize, Vec<u8>),
    /// Values of any size; the ends are one more than the values.
    Any(Cow<'a, [u8]>, Ends<'a>),
}

/// Where values end, the first one being where the first starts.
pub(super) enum Ends<'a> {
    Narrow(&'a [i32]),
    Wide(&'a [i64]),
    Own(Vec<usize>),
}

impl<'a> Values<'a> {
    pub(super) fn null(rows: usize) -> Self {
        Self {
            data: Data::Null,
            nulls: Some(NullBuffer::new_null(rows)),
        }
    }

    /// Values of `width` bytes each.
    pub(super) fn fixed(width: usize, bytes: Vec<u8>, nulls: Option<NullBuffer>) -> Self {
        Self {
            data: Data::Fixed(width, bytes),
            nulls,
        }
    }

    pub(super) fn any(
        bytes: impl Into<Cow<'a, [u8]>>,
        ends: Ends<'a>,
        nulls: Option<NullBuffer>,
    ) -> Self {
        Self {
            data: Data::Any(bytes.into(), ends),
            nulls,
        }
    }

    pub(super) fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }

    /// The value of a row, none if it is NULL.
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        match &self.data {
            Data::Null => None,
            Data::Fixed(width, bytes) => Some(&bytes[row * width..(row + 1) * width]),
            Data::Any(bytes, Ends::Narrow(ends)) => Some(within(bytes, &ends[row..row + 2])),
            Data::Any(bytes, Ends::Wide(ends)) => Some(within(bytes, &ends[row..row + 2])),
            Data::Any(bytes, Ends::Own(ends)) => Some(&bytes[ends[row]..ends[row + 1]]),
        }
    }

    /// Adds to each row's size that of its value with its length.
    pub(super) fn add_sizes(&self, sizes: &mut [usize]) {
        let nulls = self.has_nulls();
        match &self.data {
            Data::Fixed(width, _) => add_lengths(nulls, |_| *width, sizes),
            Data::Any(_, Ends::Narrow(ends)) => add_lengths(nulls, |row| length(ends, row), sizes),
            Data::Any(_, Ends::Wide(ends)) => add_lengths(nulls, |row| length(ends, row), sizes),
            Data::Any(_, Ends::Own(ends)) => {
                add_lengths(nulls, |row| ends[row + 1] - ends[row], sizes);
            }
            Data::Null => add_lengths(None, |_| 0, sizes),
        }
    }

    fn has_nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref().filter(|nulls| nulls.null_count() > 0)
    }

    /// Puts the values of the rows from `start` on into their places, which
    /// become those of what comes next.
    pub(super) fn write(&self, start: usize, places: &mut [usize], out: &mut [u8]) {
        match &self.data {
            Data::Fixed(1, bytes) => self.write_fixed::<1>(bytes, start, places, out),
            Data::Fixed(2, bytes) => self.write_fixed::<2>(bytes, start, places, out),
            Data::Fixed(4, bytes) => self.write_fixed::<4>(bytes, start, places, out),
            Data::Fixed(8, bytes) => self.write_fixed::<8>(bytes, start, places, out),
            Data::Fixed(16, bytes) => self.write_fixed::<16>(bytes, start, places, out),
            Data::Any(bytes, Ends::Narrow(ends)) => {
                let value = |row: usize| within(bytes, &ends[row..row + 2]);
                write(self.has_nulls(), value, start, places, out);
            }
            Data::Any(bytes, Ends::Wide(ends)) => {
                let value = |row: usize| within(bytes, &ends[row..row + 2]);
                write(self.has_nulls(), value, start, places, out);
            }
            Data::Any(bytes, Ends::Own(ends)) => {
                let value = |row: usize| &bytes[ends[row]..ends[row + 1]];
                write(self.has_nulls(), value, start, places, out);
            }
            Data::Fixed(width, bytes) => {
                let value = |row: usize| &bytes[row * width..(row + 1) * width];
                write(self.has_nulls(), value, start, places, out);
            }
            Data::Null => write(self.has_nulls(), |_| &[], start, places, out),
        }
    }

    fn write_fixed<const W: usize>(
        &self,
        bytes: &[u8],
        start: usize,
        places: &mut [usize],
        out: &mut [u8],
    ) {
        let nulls = self.has_nulls();
        let values = bytes.as_chunks::<W>().0[start..].iter();
        for ((row, place), value) in (start..).zip(places).zip(values) {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                write_null(place, out);
                continue;
            }
            let target = &mut out[*place..*place + 4 + W];
            target[..4].copy_from_slice(&(W as i32).to_be_bytes());
            target[4..].copy_from_slice(value);
            *place += 4 + W;
        }
    }
}

#[inline]
fn within<'b, T: ArrowNativeTypeOp + TryInto<usize>>(bytes: &'b [u8], pair: &[T]) -> &'b [u8] {
    // Arrow's offsets are not negative.
    let at = |end: T| end.try_into().unwrap_or(0);
    &bytes[at(pair[0])..at(pair[1])]
}

#[inline(always)]
fn length<T: ArrowNativeTypeOp + TryInto<usize>>(ends: &[T], row: usize) -> usize {
    ends[row + 1]
        .sub_wrapping(ends[row])
        .try_into()
        .unwrap_or(0)
}

#[inline]
fn add_lengths(nulls: Option<&NullBuffer>, length: impl Fn(usize) -> usize, sizes: &mut [usize]) {
    match nulls {
        None => sizes
            .iter_mut()
            .enumerate()
            .for_each(|(row, size)| *size += 4 + length(row)),
        Some(nulls) => {
            for ((row, size), valid) in sizes.iter_mut().enumerate().zip(nulls) {
                *size += 4 + if valid { length(row) } else { 0 };
            }
        }
    }
}

#[inline]
fn write_null(place: &mut usize, out: &mut [u8]) {
    out[*place..*place + 4].copy_from_slice(&(-1_i32).to_be_bytes());
    *place += 4;
}

#[inline]
fn write<'b>(
    nulls: Option<&NullBuffer>,
    value: impl Fn(usize) -> &'b [u8],
    start: usize,
    places: &mut [usize],
    out: &mut [u8],
) {
    for (row, place) in (start..).zip(places) {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            write_null(place, out);
            continue;
        }
        let value = value(row);
        let end = *place + 4 + value.len();
        let target = &mut out[*place..end];
        // A row above 64 MiB is skipped, and so is what is written of it.
        target[..4].copy_from_slice(&(value.len() as i32).to_be_bytes());
        target[4..].copy_from_slice(value);
        *place = end;
    }
}
