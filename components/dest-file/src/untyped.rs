//! Columns of the stream that have a type only because a column needs one.
//!
//! A source that infers types and saw no value of a column calls it text and
//! marks it. Such a column takes the type of the files that are there.
//! Invariant: no load and no file has the mark, which says nothing of values
//! that come later.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use vesicle_connector::{Error, Result};

use crate::words::Word;

/// The key of the mark in a field's metadata; its value is `true`.
const MARK: &str = "vesicle:untyped";

/// How many characters of a value an error shows.
const SHOWN: usize = 60;

/// The columns of a stream, those that are marked with the types that they have
/// in another schema, if they are there. None is marked afterwards.
pub fn settle(known: &Schema, stream: &Schema) -> Schema {
    let settled = |field: &FieldRef| {
        if !is_untyped(field) {
            return field.clone();
        }
        let mut metadata = field.metadata().clone();
        metadata.remove(MARK);
        let known = known.field_with_name(field.name());
        let data_type = known.map_or(field.data_type(), Field::data_type).clone();
        let field = Field::new(field.name(), data_type, true).with_metadata(metadata);
        FieldRef::new(field)
    };
    let fields: Vec<FieldRef> = stream.fields().iter().map(settled).collect();
    Schema::new_with_metadata(fields, stream.metadata().clone())
}

/// A marked column as one of the type it takes, in which all is NULL.
///
/// # Errors
///
/// `data` (`untyped-column`) if it has a value after all.
pub fn nulls(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let valid = (0..column.len()).find(|row| column.is_valid(*row));
    let Some(row) = valid else {
        return Ok(new_null_array(field.data_type(), column.len()));
    };
    let (name, word) = (field.name(), Word(field.data_type()));
    let value = column
        .as_string_opt::<i32>()
        .map_or("", |texts| texts.value(row));
    let mut shown: String = value.chars().take(SHOWN).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    let message = format!(
        "column {name:?} was inferred from no value and is written as {word}, as the files that are \
         there have it, but now has the value {shown:?}; declare it in the source (columns: {{ \
         {name}: {word} }}), or raise sample_rows"
    );
    Err(Error::data("untyped-column", message))
}

fn is_untyped(field: &Field) -> bool {
    // A transform may have given it a type and kept the mark.
    *field.data_type() == DataType::Utf8
        && field
            .metadata()
            .get(MARK)
            .is_some_and(|mark| mark == "true")
}
