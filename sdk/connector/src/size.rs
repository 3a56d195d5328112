//! How large a batch becomes on the wire, and how it is cut into pieces that
//! cross the boundary cheaply.
//!
//! Invariants: pieces hold the rows of the batch, in order, each once; a piece
//! of more than one row is at most half as large again as was asked for; the
//! size is computed without encoding and is off by padding and metadata only.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericListArray, OffsetSizeTrait, RecordBatch, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, FieldRef};

use crate::error::Result;

/// The rows of `batch`, cut so that a piece encodes to about `target` bytes.
pub(crate) fn pieces(batch: RecordBatch, target: usize) -> Pieces {
    Pieces {
        rest: vec![batch],
        target,
    }
}

/// An iterator over the pieces of a batch, each with its size in bytes.
pub(crate) struct Pieces {
    /// What is not yet handed out, the next one last.
    rest: Vec<RecordBatch>,
    target: usize,
}

impl Iterator for Pieces {
    type Item = (RecordBatch, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = self.rest.pop()?;
            let rows = batch.num_rows();
            let size = batch_size(&batch);
            if rows <= 1 || size <= self.target + self.target / 2 {
                return Some((batch, size));
            }
            // At least two, so that every piece has fewer rows than the whole.
            let count = size.div_ceil(self.target).clamp(2, rows);
            let rows_each = rows.div_ceil(count);
            let starts = (0..rows).step_by(rows_each);
            let cut = starts.map(|start| batch.slice(start, rows_each.min(rows - start)));
            let first = self.rest.len();
            self.rest.extend(cut);
            self.rest[first..].reverse();
        }
    }
}

/// The bytes of the buffers that IPC writes for the batch, dictionaries apart.
pub(crate) fn batch_size(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| array_size(column))
        .sum()
}

fn array_size(array: &dyn Array) -> usize {
    let rows = array.len();
    let nulls = if array.null_count() > 0 {
        rows.div_ceil(8)
    } else {
        0
    };
    nulls
        + match array.data_type() {
            DataType::Utf8View => rows * 16 + array.as_string_view().total_buffer_bytes_used(),
            DataType::BinaryView => rows * 16 + array.as_binary_view().total_buffer_bytes_used(),
            DataType::Struct(_) => array
                .as_struct()
                .columns()
                .iter()
                .map(|child| array_size(child))
                .sum(),
            DataType::List(_) => list_size(array.as_list::<i32>()),
            DataType::LargeList(_) => list_size(array.as_list::<i64>()),
            DataType::Map(_, _) => {
                let map = array.as_map();
                let (start, end) = range(map.offsets());
                (rows + 1) * 4 + array_size(&map.entries().slice(start, end - start))
            }
            DataType::FixedSizeList(_, _) => {
                // Arrow slices the values along with the list.
                array_size(array.as_fixed_size_list().values())
            }
            DataType::Dictionary(_, _) => array_size(array.as_any_dictionary().keys()),
            _ => {
                let data = array.to_data();
                let all = data.get_slice_memory_size();
                let nulls = data.nulls().map_or(0, |_| rows.div_ceil(8));
                all.map_or(array.get_array_memory_size(), |all| {
                    all.saturating_sub(nulls)
                })
            }
        }
}

fn list_size<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> usize {
    let (start, end) = range(list.offsets());
    (list.len() + 1) * size_of::<O>() + array_size(&list.values().slice(start, end - start))
}

/// The part of the values that the offsets refer to.
fn range<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> (usize, usize) {
    // An offset buffer always holds at least one offset.
    (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize())
}

/// The batch without the parts of text buffers that no row refers to.
///
/// IPC writes all the buffers of a view array, whichever rows remain of it.
pub(crate) fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    if !batch
        .columns()
        .iter()
        .any(|column| holds_views(column.data_type()))
    {
        return Ok(batch);
    }
    let (schema, columns, _) = batch.into_parts();
    let columns = columns
        .into_iter()
        .map(compact_array)
        .collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn holds_views(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::Struct(fields) => fields.iter().any(|field| holds_views(field.data_type())),
        DataType::List(field) | DataType::LargeList(field) => holds_views(field.data_type()),
        _ => false,
    }
}

fn compact_array(array: ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Utf8View => {
            let views = array.as_string_view();
            if is_wasteful(views.data_buffers(), views.total_buffer_bytes_used()) {
                Arc::new(views.gc())
            } else {
                array
            }
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            if is_wasteful(views.data_buffers(), views.total_buffer_bytes_used()) {
                Arc::new(views.gc())
            } else {
                array
            }
        }
        DataType::Struct(_) if holds_views(array.data_type()) => {
            let (fields, columns, nulls) = array.as_struct().clone().into_parts();
            let columns = columns
                .into_iter()
                .map(compact_array)
                .collect::<Result<_>>()?;
            Arc::new(StructArray::try_new(fields, columns, nulls)?)
        }
        DataType::List(field) if holds_views(field.data_type()) => {
            compact_list(field, array.as_list::<i32>())?
        }
        DataType::LargeList(field) if holds_views(field.data_type()) => {
            compact_list(field, array.as_list::<i64>())?
        }
        _ => array,
    })
}

fn compact_list<O: OffsetSizeTrait>(
    field: &FieldRef,
    list: &GenericListArray<O>,
) -> Result<ArrayRef> {
    let (start, end) = range(list.offsets());
    let values = compact_array(list.values().slice(start, end - start))?;
    let offsets = OffsetBuffer::from_lengths(list.offsets().lengths());
    let list =
        GenericListArray::<O>::try_new(field.clone(), offsets, values, list.nulls().cloned())?;
    Ok(Arc::new(list))
}

/// Whether copying the used bytes costs less than sending the unused ones.
fn is_wasteful(buffers: &[arrow_buffer::Buffer], used: usize) -> bool {
    let held: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    held > used + used / 2 + 4096
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{ListBuilder, StringBuilder, StringViewBuilder};
    use arrow_array::{Int64Array, StringArray, StringViewArray};
    use arrow_select::concat::concat_batches;

    use super::*;
    use crate::ipc::Encoder;

    fn batch(column: impl Array + 'static) -> RecordBatch {
        RecordBatch::try_from_iter([("column", Arc::new(column) as _)]).unwrap()
    }

    fn payload(batch: &RecordBatch) -> usize {
        let (mut encoder, _) = Encoder::new(batch.schema_ref()).unwrap();
        encoder.encode(batch, batch_size(batch)).unwrap().len()
    }

    /// The size is what IPC writes, but for metadata and padding.
    fn assert_size_is_right(batch: &RecordBatch) {
        let (size, written) = (batch_size(batch), payload(batch));
        assert!(
            (size..size + 1024).contains(&written),
            "{size} for {written}"
        );
    }

    fn lists() -> RecordBatch {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for n in 0..1000 {
            lists.append_value((0..n % 7).map(|word| Some(format!("word {word}"))));
        }
        batch(lists.finish())
    }

    fn views() -> StringViewArray {
        let mut views = StringViewBuilder::new();
        for n in 0..1000 {
            views.append_value(format!("a text of more than twelve bytes: {n}"));
        }
        views.finish()
    }

    #[test]
    fn the_size_is_right_for_whole_batches_and_for_slices() {
        let optional = Int64Array::from_iter((0..1000).map(|n| (n % 3 > 0).then_some(n)));
        let texts = StringArray::from_iter_values((0..1000).map(|n| format!("text {n}")));
        for whole in [batch(optional), batch(texts), lists(), batch(views())] {
            assert_size_is_right(&whole);
            assert_size_is_right(&compact(whole.slice(400, 100)).unwrap());
        }
    }

    #[test]
    fn the_pieces_are_the_batch_and_none_is_too_large() {
        for whole in [lists(), batch(views())] {
            let pieces: Vec<_> = pieces(whole.clone(), 4096).collect();
            assert!(pieces.len() > 3);
            assert!(pieces.iter().all(|(_, size)| *size <= 6144));
            let pieces = pieces.iter().map(|(piece, _)| piece);
            assert_eq!(concat_batches(whole.schema_ref(), pieces).unwrap(), whole);
        }
    }

    #[test]
    fn one_long_row_among_short_ones_gets_a_piece_of_its_own() {
        let mut texts = vec!["short".to_owned(); 99];
        texts.insert(50, "x".repeat(100_000));
        let whole = batch(StringArray::from(texts));
        let pieces: Vec<_> = pieces(whole.clone(), 1000).collect();
        let large = pieces.iter().filter(|(_, size)| *size > 1500);
        assert_eq!(
            large.map(|(piece, _)| piece.num_rows()).collect::<Vec<_>>(),
            [1]
        );
        let pieces = pieces.iter().map(|(piece, _)| piece);
        assert_eq!(concat_batches(whole.schema_ref(), pieces).unwrap(), whole);
    }

    #[test]
    fn a_slice_of_views_leaves_behind_the_texts_of_other_rows() {
        let whole = batch(views());
        let slice = whole.slice(10, 5);
        assert!(payload(&slice) > 20_000);
        let small = compact(slice.clone()).unwrap();
        assert!(payload(&small) < 2_000);
        assert_eq!(small, slice);
    }

    #[test]
    fn views_inside_lists_are_compacted_too() {
        let offsets = OffsetBuffer::<i32>::from_lengths(std::iter::repeat_n(10, 100));
        let field = Arc::new(arrow_schema::Field::new_list_field(
            DataType::Utf8View,
            true,
        ));
        let lists = GenericListArray::new(field, offsets, Arc::new(views()), None);
        let slice = batch(lists).slice(30, 3);
        let small = compact(slice.clone()).unwrap();
        assert!(payload(&small) < 4_000);
        assert_eq!(small, slice);
    }
}
