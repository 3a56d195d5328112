//! What gathered changes look like, and the statements that speak of them.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{Change, Error, Operation, Result};
use vesicle_postgres::{Column, Encoder, Scalar, Type};
use vesicle_postgres_client::{Client, identifier};

use crate::keys;
use crate::load::quoted;
use crate::target::TableName;

/// Where changes are gathered.
pub const GATHERED: &str = "pg_temp._vesicle_changes";
/// Its columns beside the target's: the number of a change, whether it removes
/// the row, and which columns it leaves alone, as a place in the list of all
/// such sets; zero for none.
pub const NUMBER: &str = "_vesicle_number";
/// See [`NUMBER`].
pub const REMOVES: &str = "_vesicle_removes";
/// See [`NUMBER`].
pub const LEAVES: &str = "_vesicle_leaves";

/// What the gathered changes look like.
pub struct Staged {
    /// That of the batches.
    pub schema: SchemaRef,
    /// The columns that identify a row.
    pub key: Vec<String>,
    columns: Vec<String>,
    /// That with the columns beside the target's, and any other NULL.
    wide: SchemaRef,
    encoder: Encoder,
    /// Where the key's columns are, and what encodes them alone.
    key_places: Vec<usize>,
    key_encoder: Encoder,
}

impl Staged {
    /// Changes with these columns, found by this key.
    ///
    /// # Errors
    ///
    /// `schema` if they have not the key's columns.
    pub fn new(schema: SchemaRef, columns: &[Column], key: Vec<String>) -> Result<Self> {
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let mut fields: Vec<_> = schema.fields().iter().map(nullable).collect();
        fields.push(Field::new(NUMBER, DataType::Int64, false));
        fields.push(Field::new(REMOVES, DataType::Boolean, false));
        fields.push(Field::new(LEAVES, DataType::Int32, false));
        let wide = Arc::new(Schema::new(fields));
        let mut all = columns.to_vec();
        for column in &mut all {
            column.nullable = true;
        }
        all.push(Column::new(NUMBER, Type::Scalar(Scalar::Int8)));
        all.push(Column::new(REMOVES, Type::Scalar(Scalar::Bool)));
        all.push(Column::new(LEAVES, Type::Scalar(Scalar::Int4)));
        let places = key.iter().map(|name| {
            let place = columns.iter().position(|column| column.name == *name);
            place.ok_or_else(|| {
                let message = format!("the changes have no column {name:?}, which is in their key");
                Error::schema("no-key", message)
            })
        });
        let key_places = places.collect::<Result<Vec<_>>>()?;
        let places = key_places.iter();
        let key_columns: Vec<_> = places.map(|place| columns[*place].clone()).collect();
        Ok(Self {
            encoder: Encoder::new(&wide, &all)?,
            key_encoder: Encoder::new(&schema.project(&key_places)?, &key_columns)?,
            key_places,
            schema,
            wide,
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            key,
        })
    }

    /// The tuples of changes as they are gathered: without what means nothing,
    /// and numbered.
    ///
    /// # Errors
    ///
    /// `data` for a value that the column cannot hold.
    pub fn tuples(
        &self,
        change: &Change,
        batch: &RecordBatch,
        number: i64,
        leaves: i32,
    ) -> Result<Vec<u8>> {
        let rows = batch.num_rows();
        let is_key_only = matches!(change.operation, Operation::Delete | Operation::Rekey);
        let columns = self.columns.iter().zip(batch.columns());
        let columns = columns.map(|(name, array)| {
            let is_carried = match is_key_only {
                true => self.key.contains(name),
                false => !change.unchanged.contains(name),
            };
            match is_carried {
                true => Arc::clone(array),
                false => new_null_array(array.data_type(), rows),
            }
        });
        let mut columns: Vec<ArrayRef> = columns.collect();
        let numbers = Int64Array::from_iter_values(number..number + rows as i64);
        columns.push(Arc::new(numbers));
        let removes = |row: usize| match change.operation {
            Operation::Delete => true,
            Operation::Rekey => row.is_multiple_of(2),
            _ => false,
        };
        let removes: BooleanArray = (0..rows).map(|row| Some(removes(row))).collect();
        columns.push(Arc::new(removes));
        columns.push(Arc::new(Int32Array::from_value(leaves, rows)));
        let wide = RecordBatch::try_new(Arc::clone(&self.wide), columns)?;
        let mut tuples = Vec::with_capacity(wide.get_array_memory_size());
        self.encoder.encode(&wide, None, &mut tuples)?.whole()?;
        Ok(tuples)
    }

    /// A number for the key of each row: that of the same key is the same.
    ///
    /// # Errors
    ///
    /// `data` for a value that the column cannot hold.
    pub fn hashes(&self, batch: &RecordBatch) -> Result<Vec<u64>> {
        let keys = batch.project(&self.key_places)?;
        let mut tuples = Vec::new();
        self.key_encoder.encode(&keys, None, &mut tuples)?.whole()?;
        Ok(keys::hashes(&tuples, self.key_places.len()))
    }

    /// Makes the place where changes to a table are gathered.
    pub fn create(&self, target: &TableName) -> String {
        format!(
            "DROP TABLE IF EXISTS {GATHERED};
             CREATE TEMPORARY TABLE _vesicle_changes ON COMMIT DELETE ROWS AS
             SELECT {}, 0::bigint AS {NUMBER}, false AS {REMOVES}, 0 AS {LEAVES}
               FROM {} WITH NO DATA",
            quoted(&self.columns),
            target.quoted()
        )
    }

    /// Changes the rows of a table that leave some columns alone.
    pub fn update(&self, target: &TableName, place: usize, unchanged: &[String]) -> String {
        let carried = self.columns.iter().filter(|name| !unchanged.contains(name));
        let sets = carried.map(|name| format!("{0} = change.{0}", identifier(name)));
        format!(
            "UPDATE {} AS target SET {} FROM {GATHERED} AS change
              WHERE change.{LEAVES} = {place} AND {}",
            target.quoted(),
            sets.collect::<Vec<_>>().join(", "),
            self.same_key("target", "change")
        )
    }

    /// Removes the rows of a table whose last change removes them.
    pub fn delete(&self, target: &TableName) -> String {
        format!(
            "DELETE FROM {} AS target USING ({}) AS change WHERE change.{REMOVES} AND {}",
            target.quoted(),
            self.last(),
            self.same_key("target", "change")
        )
    }

    /// Puts the other rows into a table.
    pub fn insert(&self, target: &TableName) -> String {
        let others = self.columns.iter().filter(|name| !self.key.contains(name));
        let others: Vec<_> = others
            .map(|name| format!("{0} = excluded.{0}", identifier(name)))
            .collect();
        let action = match others[..] {
            [] => "DO NOTHING".to_owned(),
            _ => format!("DO UPDATE SET {}", others.join(", ")),
        };
        format!(
            "INSERT INTO {} ({columns})
             SELECT {columns} FROM ({}) AS change WHERE NOT {REMOVES} ORDER BY {NUMBER}
             ON CONFLICT ({}) {action}",
            target.quoted(),
            self.last(),
            quoted(&self.key),
            columns = quoted(&self.columns),
        )
    }

    /// Gives rows of a table other keys, of which pairs are gathered.
    pub fn rekey(&self, target: &TableName) -> String {
        let sets = self.key.iter().map(|name| {
            let name = identifier(name);
            format!("{name} = after.{name}")
        });
        format!(
            "UPDATE {} AS target SET {} FROM {GATHERED} AS before
               JOIN {GATHERED} AS after ON after.{NUMBER} = before.{NUMBER} + 1
              WHERE before.{REMOVES} AND {}",
            target.quoted(),
            sets.collect::<Vec<_>>().join(", "),
            self.same_key("target", "before")
        )
    }

    /// The last change of each row, but for those that leave columns alone.
    fn last(&self) -> String {
        let key = quoted(&self.key);
        format!(
            "SELECT DISTINCT ON ({key}) * FROM {GATHERED} WHERE {LEAVES} = 0
              ORDER BY {key}, {NUMBER} DESC"
        )
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let conditions = self.key.iter().map(|name| {
            let name = identifier(name);
            format!("{one}.{name} = {other}.{name}")
        });
        conditions.collect::<Vec<_>>().join(" AND ")
    }
}

/// Makes sure that the target has a unique index on the key, by which its rows
/// are found; its primary key, where it has none.
///
/// # Errors
///
/// What the server says of a key that cannot be one.
pub async fn ensure_key(client: &Client, target: &TableName, key: &[String]) -> Result<()> {
    let find = "\
SELECT 1
  FROM pg_catalog.pg_index i
 CROSS JOIN LATERAL (
       SELECT array_agg(a.attname::text) AS names FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
       ) k
 WHERE i.indrelid = $1::text::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
   AND i.indpred IS NULL AND i.indexprs IS NULL AND k.names @> $2 AND k.names <@ $2";
    let quoted_target = target.quoted();
    if client
        .query_one(find, &[&quoted_target, &key])
        .await?
        .is_some()
    {
        return Ok(());
    }
    let add = format!(
        "ALTER TABLE {quoted_target} ADD PRIMARY KEY ({})",
        quoted(key)
    );
    client.run(&add).await.map_err(|error| {
        error.context(format!(
            "{target} has no unique index on ({}), by which changed rows are found, and cannot get \
             one",
            key.join(", ")
        ))
    })
}
