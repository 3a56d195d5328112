//! Rows as JSON.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, GenericListArray, OffsetSizeTrait};
use arrow_schema::{DataType, Field};

use super::cell::{Cell, Values};
use crate::options::Format;

/// Writes the value of a row.
type WriteValue<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// The names of columns as keys: `"name":`.
pub fn keys<'a>(fields: impl IntoIterator<Item = &'a Arc<Field>>) -> Vec<Vec<u8>> {
    let key = |field: &Arc<Field>| {
        let mut key = Vec::new();
        string(field.name(), &mut key);
        key.push(b':');
        key
    };
    fields.into_iter().map(key).collect()
}

/// Writes a row as an object.
pub fn object(keys: &[Vec<u8>], cells: &[Cell], row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (place, (key, cell)) in keys.iter().zip(cells).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        value(cell, row, out);
    }
    out.push(b'}');
}

/// Writes a value.
pub fn value(cell: &Cell, row: usize, out: &mut Vec<u8>) {
    if cell.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match &cell.values {
        Values::Null => out.extend_from_slice(b"null"),
        Values::Bare(write) | Values::Json(write) => write(row, out),
        Values::Word(write) => {
            out.push(b'"');
            write(row, out);
            out.push(b'"');
        }
        Values::Text(value) => string(value(row), out),
    }
}

/// Writes a string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    while let Some(at) = rest.iter().position(is_special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value & 15)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte)]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes lists as arrays, structs as objects, and maps with text for keys as
/// objects; none for other types.
pub fn nested(array: &dyn Array) -> Option<WriteValue<'_>> {
    match array.data_type() {
        DataType::List(_) => list(array.as_list::<i32>()),
        DataType::LargeList(_) => list(array.as_list::<i64>()),
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).ok()?;
            let items = Cell::new(array.as_fixed_size_list().values().as_ref(), Format::Jsonl)?;
            Some(Box::new(move |row, out| {
                items_between(&items, row * length, (row + 1) * length, out);
            }))
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let cells = columns.map(|column| Cell::new(column.as_ref(), Format::Jsonl));
            let cells: Vec<Cell> = cells.collect::<Option<_>>()?;
            let keys = keys(fields);
            Some(Box::new(move |row, out| object(&keys, &cells, row, out)))
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let names = Cell::new(map.keys().as_ref(), Format::Jsonl)?;
            if !matches!(names.values, Values::Text(_)) {
                return None;
            }
            let items = Cell::new(map.values().as_ref(), Format::Jsonl)?;
            Some(Box::new(move |row, out| {
                out.push(b'{');
                // Offsets of a map are not negative.
                let (start, end) = (map.offsets()[row] as usize, map.offsets()[row + 1] as usize);
                for entry in start..end {
                    if entry > start {
                        out.push(b',');
                    }
                    value(&names, entry, out);
                    out.push(b':');
                    value(&items, entry, out);
                }
                out.push(b'}');
            }))
        }
        _ => None,
    }
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Option<WriteValue<'_>> {
    let items = Cell::new(array.values().as_ref(), Format::Jsonl)?;
    Some(Box::new(move |row, out| {
        let (start, end) = (array.offsets()[row], array.offsets()[row + 1]);
        items_between(&items, start.as_usize(), end.as_usize(), out);
    }))
}

fn items_between(items: &Cell, start: usize, end: usize, out: &mut Vec<u8>) {
    out.push(b'[');
    for item in start..end {
        if item > start {
            out.push(b',');
        }
        value(items, item, out);
    }
    out.push(b']');
}
