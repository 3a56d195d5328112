//! Reading what is new: rows in the order of a key, after the newest one that
//! has been read.
//!
//! Invariant: a cursor is a key; there is one after a row only if the row
//! after it has another key, so that rows of the same key are read together.

use std::sync::Arc;

use arrow_array::{Array as _, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use vesicle_connector::{Emitter, Error, Result, StreamRequest};
use vesicle_postgres::{Column, Options as Mapping, Scalar, Type, arrow};
use vesicle_postgres_client::{Client, identifier, literal};

use crate::rows::Rows;
use crate::table::Table;

/// The name of the only partition.
pub const PARTITION: &str = "all";

/// The columns by which rows are newer or older: the document's
/// `cursor_field`, then what orders rows that have the same there.
pub struct Key(Vec<Column>);

/// How far a stream has been read: the names of the key's columns, each with
/// its value as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Position(Vec<(String, String)>);

impl Key {
    /// The key of a stream: the document's fields, or the cursor and the primary
    /// key.
    ///
    /// # Errors
    ///
    /// `configuration` if there are no such columns, or nothing orders rows of
    /// the same cursor.
    pub fn of(table: &Table, request: &StreamRequest) -> Result<Self> {
        let cursor = request.cursor_field.as_deref().ok_or_else(|| {
            let message = format!("stream {:?}: cursor_field is missing", request.name);
            Error::configuration("no-cursor-field", message)
        })?;
        let mut names = vec![cursor.to_owned()];
        match &request.tie_breaker_field {
            Some(tie) => names.push(tie.clone()),
            None => names.extend(table.key.iter().filter(|name| *name != cursor).cloned()),
        }
        if names.len() == 1 && table.key != names {
            let message = format!(
                "stream {:?}: {} has no primary key, so nothing tells rows of the same {cursor:?} \
                 apart; name a column that does as tie_breaker_field",
                request.name, table.name
            );
            return Err(Error::configuration("no-tie-breaker", message));
        }
        table.wanted(&names).map(Self)
    }

    /// Makes sure that every row has a key.
    ///
    /// # Errors
    ///
    /// `data` if one has NULL in it; what the server says.
    pub async fn check(&self, client: &Client, table: &Table) -> Result<()> {
        for column in self.0.iter().filter(|column| column.nullable) {
            let find = format!(
                "SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1",
                table.name.quoted(),
                identifier(&column.name)
            );
            if client.query_one(&find, &[]).await?.is_some() {
                let message = format!(
                    "{}: there are rows with NULL in {:?}, which are neither newer nor older than \
                     others and would never be read; give them a value, or take another \
                     cursor_field",
                    table.name, column.name
                );
                return Err(Error::data("null-in-cursor", message));
            }
        }
        Ok(())
    }

    /// The columns; what they are called would also stand for what is selected.
    fn names(&self) -> String {
        let names = self.0.iter().map(|column| identifier(&column.name));
        let names: Vec<_> = names.map(|name| format!("source.{name}")).collect();
        names.join(", ")
    }

    /// The rows after a position, as a condition.
    fn after(&self, position: &Position) -> Result<String> {
        let names = self.0.iter().map(|column| &column.name);
        if !names.eq(position.0.iter().map(|(name, _)| name)) {
            let message = format!(
                "the last run has read up to {}, and the document now orders rows by {}; name the \
                 columns of the last run, or give the pipeline another name to begin anew",
                position.to_text(),
                self.names()
            );
            return Err(Error::configuration("other-cursor", message));
        }
        let values = self.0.iter().zip(&position.0);
        let values: Vec<_> = values
            .map(|(column, (_, value))| format!("{}::{}", literal(value), column.r#type))
            .collect();
        Ok(format!(
            " WHERE ({}) > ({})",
            self.names(),
            values.join(", ")
        ))
    }

    /// The statement that gives some columns of the rows after a position, and
    /// the key of each as text.
    fn statement(
        &self,
        table: &Table,
        columns: &[Column],
        position: Option<&Position>,
    ) -> Result<String> {
        let mut selected: Vec<_> = columns
            .iter()
            .map(|column| identifier(&column.name))
            .collect();
        let texts = self.0.iter();
        selected.extend(texts.map(|column| format!("{}::text", identifier(&column.name))));
        Ok(format!(
            "COPY (SELECT {} FROM {} AS source{} ORDER BY {}) TO STDOUT (FORMAT binary)",
            selected.join(", "),
            table.name.quoted(),
            match position {
                Some(position) => self.after(position)?,
                None => String::new(),
            },
            self.names()
        ))
    }

    /// That of a row, whose key is in the columns after the others.
    fn position(&self, batch: &RecordBatch, others: usize, row: usize) -> Result<Position> {
        let values = self.0.iter().zip(&batch.columns()[others..]);
        let values = values.map(|(column, array)| {
            let texts = array.as_any().downcast_ref::<StringArray>();
            let text = texts.filter(|texts| texts.is_valid(row));
            let text = text.map(|texts| (column.name.clone(), texts.value(row).to_owned()));
            text.ok_or_else(|| {
                let message = format!("a row with NULL in {:?} has come up", column.name);
                Error::data("null-in-cursor", message)
            })
        });
        values.collect::<Result<_>>().map(Position)
    }
}

impl Position {
    fn parse(cursor: &str) -> Result<Self> {
        serde_json::from_str(cursor)
            .map_err(|error| Error::internal("bad-cursor", format!("{cursor:?}: {error}")))
    }

    fn to_text(&self) -> String {
        // Texts can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Emits the rows after a cursor, in the order of the key.
///
/// # Errors
///
/// `data` for a value that cannot be represented; what the server says.
pub async fn read(
    client: &Client,
    table: &Table,
    request: &StreamRequest,
    mapping: Mapping,
    cursor: Option<&str>,
    out: &mut Emitter,
) -> Result<()> {
    let key = Key::of(table, request)?;
    // Of an empty table nothing has been read.
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let mut newest = cursor.map(Position::parse).transpose()?;
    let columns = table.wanted(&request.columns)?;
    let statement = key.statement(table, &columns, newest.as_ref())?;
    let schema: SchemaRef = Arc::new(arrow::schema(&columns, mapping));
    out.schema(&schema).await?;
    let mut read = columns.clone();
    for (place, _) in key.0.iter().enumerate() {
        let text = Type::Scalar(Scalar::Text);
        read.push(Column::new(format!("key {place}"), text));
    }
    let mut rows = Rows::new(client.copy_out(&statement).await?, &read, mapping);
    while let Some((batch, taken)) = rows.next().await? {
        let first = key.position(&batch, columns.len(), 0)?;
        if let Some(newest) = &newest
            && *newest != first
        {
            out.checkpoint(newest.to_text()).await?;
        }
        newest = Some(key.position(&batch, columns.len(), batch.num_rows() - 1)?);
        let kept: Vec<usize> = (0..columns.len()).collect();
        let batch = batch.project(&kept)?.with_schema(Arc::clone(&schema))?;
        out.batch(batch, taken).await?;
    }
    match newest {
        Some(newest) => out.checkpoint(newest.to_text()).await,
        // An empty table has no newest row; the next run begins at the start.
        None => Ok(()),
    }
}
