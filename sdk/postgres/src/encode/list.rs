//! Lists to arrays of one dimension that count from 1.

use arrow_array::cast::AsArray;
use arrow_array::{Array, OffsetSizeTrait};
use arrow_buffer::NullBuffer;
use vesicle_connector::Error;

use super::plan::Prepare;
use super::values::{Ends, Faults, Values};

/// Lists whose elements `element` brings into form.
pub(super) fn list<O: OffsetSizeTrait>(element: Prepare, oid: u32) -> Prepare {
    Box::new(move |array, faults| {
        let list = array.as_list::<O>();
        let ends: Vec<usize> = list.offsets().iter().map(|end| end.as_usize()).collect();
        arrays(
            &element,
            oid,
            list.values().as_ref(),
            &ends,
            list.nulls(),
            faults,
        )
    })
}

/// Lists that all have the same length.
pub(super) fn fixed(element: Prepare, oid: u32) -> Prepare {
    Box::new(move |array, faults| {
        let list = array.as_fixed_size_list();
        let size = usize::try_from(list.value_length()).unwrap_or(0);
        let ends: Vec<usize> = (0..=list.len()).map(|row| row * size).collect();
        arrays(
            &element,
            oid,
            list.values().as_ref(),
            &ends,
            list.nulls(),
            faults,
        )
    })
}

fn arrays(
    element: &Prepare,
    oid: u32,
    values: &dyn Array,
    ends: &[usize],
    nulls: Option<&NullBuffer>,
    faults: &mut Faults,
) -> Values<'static> {
    let mut found = Faults::default();
    let elements = element(values, &mut found);
    let null = |row: usize| nulls.is_some_and(|nulls| nulls.is_null(row));
    for (index, error) in found.into_inner() {
        // Elements before the first list, after the last or of NULL are nobody's.
        let row = ends.partition_point(|&end| end <= index);
        if row > 0 && row < ends.len() && !null(row - 1) {
            let place = index - ends[row - 1] + 1;
            faults.add(row - 1, error.context(format!("element {place}")));
        }
    }
    let mut bytes = Vec::new();
    let mut places = Vec::with_capacity(ends.len());
    places.push(0);
    for (row, pair) in ends.windows(2).enumerate() {
        if !null(row) {
            let start = bytes.len();
            write(&elements, pair[0]..pair[1], oid, &mut bytes);
            if i32::try_from(bytes.len() - start).is_err() {
                faults.add(
                    row,
                    Error::data("row-too-large", "the array is larger than 2 GiB"),
                );
            }
        }
        places.push(bytes.len());
    }
    Values::any(bytes, Ends::Own(places), nulls.cloned())
}

/// Adds an array of the elements in `range`.
fn write(elements: &Values<'_>, range: std::ops::Range<usize>, oid: u32, out: &mut Vec<u8>) {
    let count = range.len() as i32;
    let any_null = range.clone().any(|index| elements.get(index).is_none());
    let dimensions = i32::from(count > 0);
    for word in [dimensions, i32::from(any_null), oid as i32] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    if dimensions == 0 {
        return;
    }
    for word in [count, 1] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for index in range {
        match elements.get(index) {
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            Some(value) => {
                out.extend_from_slice(&(value.len() as i32).to_be_bytes());
                out.extend_from_slice(value);
            }
        }
    }
}
