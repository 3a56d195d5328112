//! What a state does in its database, in statements that SQLite and PostgreSQL
//! both take.
//!
//! Invariants: a statement's parameters are written `?1`, `?2` and so on, and
//! are texts and whole numbers; nothing here begins or ends a transaction.

pub(super) mod cursors;
mod database;
pub(super) mod letters;
pub(super) mod overview;
pub(super) mod runs;

pub(super) use database::Database;

use super::error::StateError;
use jiff::Timestamp;

/// A transaction under way.
pub(super) trait Transaction {
    /// Carries out one statement.
    fn run(&self, statement: &str, values: &[Value]) -> Result<Answer, Fault>;

    /// Carries out a statement, and tells how many rows it changed.
    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Fault> {
        Ok(self.run(statement, values)?.changed)
    }

    /// The rows of a query.
    fn rows(&self, query: &str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        Ok(self.run(query, values)?.rows)
    }

    /// The first row of a query, if it has any.
    fn row(&self, query: &str, values: &[Value]) -> Result<Option<Row>, Fault> {
        Ok(self.rows(query, values)?.into_iter().next())
    }
}

/// What a statement has led to.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The rows it gave back.
    pub rows: Vec<Row>,
    /// How many rows it changed.
    pub changed: u64,
}

/// A parameter of a statement, or a column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Text(String),
    Number(i64),
}

/// A row of an answer.
#[derive(Debug)]
pub(super) struct Row(pub Vec<Value>);

/// What stops a transaction.
#[derive(Debug)]
pub(super) enum Fault {
    /// An error that is known by its name.
    State(StateError),
    /// The tables hold something that nothing here writes.
    Unreadable(String),
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        Fault::State(error)
    }
}

/// The parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::state::sql::Value::from($value)),*]
    };
}
pub(super) use values;

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Value::Null, Value::from)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<u64> for Value {
    /// Beyond 2^63 a number stays there.
    fn from(number: u64) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Value::Number(i64::from(is))
    }
}

impl Row {
    fn column(&self, column: usize) -> &Value {
        self.0.get(column).unwrap_or(&Value::Null)
    }

    /// A column that holds a text.
    fn text(&self, column: usize) -> Result<String, Fault> {
        match self.column(column) {
            Value::Text(text) => Ok(text.clone()),
            other => Err(Fault::Unreadable(format!("{other:?} is no text"))),
        }
    }

    /// A column that holds a text or NULL.
    fn optional_text(&self, column: usize) -> Result<Option<String>, Fault> {
        match self.column(column) {
            Value::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// A column that holds a number.
    fn number(&self, column: usize) -> Result<i64, Fault> {
        match self.column(column) {
            Value::Number(number) => Ok(*number),
            other => Err(Fault::Unreadable(format!("{other:?} is no number"))),
        }
    }

    /// A column that holds a number that is never negative.
    fn count(&self, column: usize) -> Result<u64, Fault> {
        Ok(u64::try_from(self.number(column)?).unwrap_or(0))
    }

    /// A column that holds such a number or NULL.
    fn optional_count(&self, column: usize) -> Result<Option<u64>, Fault> {
        match self.column(column) {
            Value::Null => Ok(None),
            _ => self.count(column).map(Some),
        }
    }

    /// A column that holds 0 or 1.
    fn flag(&self, column: usize) -> Result<bool, Fault> {
        Ok(self.number(column)? != 0)
    }

    /// A column that holds a time.
    fn time(&self, column: usize) -> Result<Timestamp, Fault> {
        let text = self.text(column)?;
        text.parse()
            .map_err(|error| Fault::Unreadable(format!("{text} is no time: {error}")))
    }

    /// A column that holds a time or NULL.
    fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, Fault> {
        match self.column(column) {
            Value::Null => Ok(None),
            _ => self.time(column).map(Some),
        }
    }

    /// A column that holds one of some words.
    fn word<W>(&self, column: usize, parse: impl Fn(&str) -> Option<W>) -> Result<W, Fault> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| Fault::Unreadable(format!("{text} is no word for this")))
    }
}
