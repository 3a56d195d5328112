//! How the rows of a log become those of batches.

use std::sync::Arc;

use arrow_array::{Array as _, RecordBatch, make_array};
use arrow_schema::{Schema, SchemaRef};
use vesicle_connector::{Error, Result};
use vesicle_postgres::{Column, Options as Mapping, arrow};
use vesicle_postgres_client::Client;

use crate::log::message::{Relation, Tuple, Value};

/// The columns that are read, and where the log has them.
pub struct Shape {
    /// The table as the log last described it.
    relation: Relation,
    /// The columns, any of which may be NULL.
    pub columns: Vec<Column>,
    /// The place of each in the log's tuples.
    places: Vec<usize>,
    /// Those that identify a row, by their place in the columns.
    pub key: Vec<usize>,
    /// The schema of batches.
    pub schema: SchemaRef,
}

/// What a shape is made of, whatever the log says of the table.
pub struct Wanted {
    /// The name of the stream, for messages.
    pub stream: String,
    /// The columns that are read; all if there are none.
    pub columns: Vec<String>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// The columns that are never NULL.
    pub never_null: Vec<String>,
    /// What types become.
    pub mapping: Mapping,
}

impl Shape {
    /// The shape of a table as the log describes it.
    ///
    /// # Errors
    ///
    /// `schema` for a column that is wanted and not there; `unsupported` for
    /// one that cannot be carried; `configuration` if the log does not identify
    /// rows any more; what the server says.
    pub async fn new(client: &Client, wanted: &Wanted, relation: Relation) -> Result<Self> {
        let mut places = Vec::new();
        for name in &wanted.columns {
            let place = relation
                .columns
                .iter()
                .position(|column| column.name == *name);
            places.push(place.ok_or_else(|| {
                let message = format!(
                    "stream {:?}: the column {name:?} is not in the log at this place: it came \
                     later or is gone, or the publication leaves it out; take it out of columns",
                    wanted.stream
                );
                Error::schema("column-gone", message)
            })?);
        }
        if wanted.columns.is_empty() {
            places.extend(0..relation.columns.len());
        }
        let given = places.iter().map(|place| {
            let column = &relation.columns[*place];
            (column.name.clone(), column.r#type, column.modifier)
        });
        let columns = client.columns_of(&given.collect::<Vec<_>>()).await?;
        let mut key = Vec::new();
        for name in &wanted.key {
            let place = columns.iter().position(|column| column.name == *name);
            let place = place.filter(|place| relation.columns[places[*place]].identifies);
            key.push(place.ok_or_else(|| {
                let message = format!(
                    "stream {:?}: the log does not identify rows by {name:?} any more: the table's \
                     key or its replica identity was changed; --fresh copies the table anew",
                    wanted.stream
                );
                Error::configuration("other-identity", message)
            })?);
        }
        let mut declared = columns.clone();
        for column in &mut declared {
            column.nullable = !wanted.never_null.contains(&column.name);
        }
        let schema: Schema = arrow::schema(&declared, wanted.mapping);
        Ok(Self {
            relation,
            columns,
            places,
            key,
            schema: Arc::new(schema),
        })
    }

    /// Whether this is how the log describes the table.
    pub fn is_of(&self, relation: &Relation) -> bool {
        self.relation == *relation
    }

    /// Makes of two accounts of a row, before and after, one that lacks nothing
    /// that the first one has.
    ///
    /// # Errors
    ///
    /// `data` if they have not the table's columns.
    pub fn complete(&self, before: Option<&Tuple>, after: &mut Tuple) -> Result<()> {
        self.check(after)?;
        let Some(before) = before else { return Ok(()) };
        self.check(before)?;
        for (after, before) in after.iter_mut().zip(before) {
            // Outside the key, what a row was may not be told.
            if *after == Value::Unchanged && matches!(before, Value::Binary(_)) {
                after.clone_from(before);
            }
        }
        Ok(())
    }

    /// Makes sure that a tuple has the table's columns.
    ///
    /// # Errors
    ///
    /// `data` if it has not.
    pub fn check(&self, tuple: &Tuple) -> Result<()> {
        if tuple.len() == self.relation.columns.len() {
            return Ok(());
        }
        let message = format!(
            "the log has a row of {} columns of a table of {}",
            tuple.len(),
            self.relation.columns.len()
        );
        Err(Error::data("bad-log", message))
    }

    /// Whether two tuples have the same key.
    pub fn same_key(&self, one: &Tuple, other: &Tuple) -> bool {
        let place = |key: &usize| self.places[*key];
        self.key
            .iter()
            .map(place)
            .all(|place| one[place] == other[place])
    }

    /// The columns of which a tuple says that they are unchanged, by place.
    pub fn unchanged(&self, tuple: &Tuple) -> Vec<usize> {
        let places = self.places.iter().enumerate();
        places
            .filter(|(_, place)| tuple[**place] == Value::Unchanged)
            .map(|(column, _)| column)
            .collect()
    }

    /// Appends a tuple as COPY writes it; if `key_only`, nothing but its key.
    pub fn write(&self, tuple: &Tuple, key_only: bool, out: &mut Vec<u8>) {
        // Tables have no more than 1600 columns.
        out.extend((self.places.len() as u16).to_be_bytes());
        for (column, place) in self.places.iter().enumerate() {
            match &tuple[*place] {
                Value::Binary(bytes) if !key_only || self.key.contains(&column) => {
                    // The server's messages are smaller than 1 GiB.
                    out.extend((bytes.len() as u32).to_be_bytes());
                    out.extend_from_slice(bytes);
                }
                _ => out.extend((-1_i32).to_be_bytes()),
            }
        }
    }

    /// A batch of decoded tuples, with the schema's own word on NULL: where a
    /// column is never NULL, what is missing becomes some value that means
    /// nothing.
    ///
    /// # Errors
    ///
    /// None but defects.
    pub fn declare(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, array)| {
            if field.is_nullable() || array.null_count() == 0 {
                return Ok(Arc::clone(array));
            }
            let whole = array.to_data().into_builder().nulls(None).build()?;
            Ok(make_array(whole))
        });
        let columns = columns.collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// The names of columns by their places.
    pub fn names(&self, places: &[usize]) -> Vec<String> {
        let names = places.iter().map(|place| self.columns[*place].name.clone());
        names.collect()
    }
}
