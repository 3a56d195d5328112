//! What gathered changes look like, and the statements that speak of them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{Change, Error, Operation, Result, TypeChange};
use vesicle_postgres::coerce::Coercion;
use vesicle_postgres::{Column, Encoder, Scalar, Type};
use vesicle_postgres_client::{Client, identifier};

use crate::evolve::Route;
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
    /// The columns that are written.
    pub columns: Vec<String>,
    /// How each gets from the batches to the table.
    ways: Vec<Way>,
    /// The written columns, any of them NULL.
    narrow: SchemaRef,
    /// The same with the columns beside the target's.
    wide: SchemaRef,
    encoder: Encoder,
    /// Where the key's columns are, and what encodes them alone.
    key_places: Vec<usize>,
    key_encoder: Encoder,
}

/// How a column gets from the batches to the table.
struct Way {
    place: usize,
    coercion: Coercion,
    /// Whether a value that cannot be converted becomes NULL.
    faults_are_null: bool,
}

impl Staged {
    /// Changes of a schema, written by a route and found by a key.
    ///
    /// # Errors
    ///
    /// `schema` if the key's columns are not written, or a column cannot take
    /// its values.
    pub fn new(
        schema: SchemaRef,
        route: &Route,
        key: Vec<String>,
        type_change: TypeChange,
    ) -> Result<Self> {
        let (mut ways, mut fields, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (place, written) in route.columns.iter().enumerate() {
            let Some(written) = written else { continue };
            let mut column = written.column.clone();
            column.nullable = true;
            let coercion = Coercion::new(schema.field(place).data_type(), &column)?;
            fields.push(Field::new(&column.name, coercion.kind().clone(), true));
            ways.push(Way {
                place,
                coercion,
                faults_are_null: written.coerced && type_change == TypeChange::Null,
            });
            targets.push(column);
        }
        let columns: Vec<_> = targets.iter().map(|column| column.name.clone()).collect();
        let places = key.iter().map(|name| {
            let place = columns.iter().position(|column| column == name);
            place.ok_or_else(|| {
                let message = format!("the column {name:?} identifies a row and is not written");
                Error::schema("no-key", message)
            })
        });
        let key_places = places.collect::<Result<Vec<_>>>()?;
        let key_columns: Vec<_> = key_places.iter().map(|at| targets[*at].clone()).collect();
        let narrow = Schema::new(fields.clone());
        fields.push(Field::new(NUMBER, DataType::Int64, false));
        fields.push(Field::new(REMOVES, DataType::Boolean, false));
        fields.push(Field::new(LEAVES, DataType::Int32, false));
        targets.push(Column::new(NUMBER, Type::Scalar(Scalar::Int8)));
        targets.push(Column::new(REMOVES, Type::Scalar(Scalar::Bool)));
        targets.push(Column::new(LEAVES, Type::Scalar(Scalar::Int4)));
        let wide = Arc::new(Schema::new(fields));
        Ok(Self {
            encoder: Encoder::new(&wide, &targets)?,
            key_encoder: Encoder::new(&narrow.project(&key_places)?, &key_columns)?,
            key_places,
            narrow: Arc::new(narrow),
            ways,
            schema,
            wide,
            columns,
            key,
        })
    }

    /// Changes in the columns of the table, without what means nothing.
    ///
    /// # Errors
    ///
    /// `data` for a value that cannot become the table's: a row that is left
    /// out would make the table another one than the source's.
    pub fn convert(&self, change: &Change, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let is_key_only = matches!(change.operation, Operation::Delete | Operation::Rekey);
        let mut arrays = Vec::with_capacity(self.ways.len());
        for (name, way) in self.columns.iter().zip(&self.ways) {
            let is_carried = match is_key_only {
                true => self.key.contains(name),
                false => !change.unchanged.contains(name),
            };
            if !is_carried {
                arrays.push(new_null_array(way.coercion.kind(), rows));
                continue;
            }
            let mut faults = Vec::new();
            arrays.push(way.coercion.convert(batch.column(way.place), &mut faults));
            if let (Some((_, error)), false) = (faults.into_iter().next(), way.faults_are_null) {
                return Err(error.context(format!("column {name:?}")));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let narrow = Arc::clone(&self.narrow);
        Ok(RecordBatch::try_new_with_options(narrow, arrays, &options)?)
    }

    /// The tuples of converted changes as they are gathered, numbered.
    ///
    /// # Errors
    ///
    /// `data` for a value that the column cannot hold.
    pub fn tuples(
        &self,
        operation: Operation,
        rows: &RecordBatch,
        number: i64,
        leaves: i32,
    ) -> Result<Vec<u8>> {
        let count = rows.num_rows();
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        let numbers = Int64Array::from_iter_values(number..number + count as i64);
        columns.push(Arc::new(numbers));
        let removes = |row: usize| match operation {
            Operation::Delete => true,
            Operation::Rekey => row.is_multiple_of(2),
            _ => false,
        };
        let removes: BooleanArray = (0..count).map(|row| Some(removes(row))).collect();
        columns.push(Arc::new(removes));
        columns.push(Arc::new(Int32Array::from_value(leaves, count)));
        let wide = RecordBatch::try_new(Arc::clone(&self.wide), columns)?;
        let mut tuples = Vec::with_capacity(wide.get_array_memory_size());
        self.encoder.encode(&wide, None, &mut tuples)?.whole()?;
        Ok(tuples)
    }

    /// A number for the key of each converted row: that of the same key is the
    /// same.
    ///
    /// # Errors
    ///
    /// `data` for a value that the column cannot hold.
    pub fn hashes(&self, rows: &RecordBatch) -> Result<Vec<u64>> {
        let keys = rows.project(&self.key_places)?;
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
