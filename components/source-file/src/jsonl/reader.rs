//! Reads the rows of a JSON Lines file from an offset on.
//!
//! Invariant: between two batches the reader stands at the start of a line,
//! so that its offset and number are a cursor.

use std::collections::HashMap;

use vesicle_connector::{Error, Result};

use super::lines::Lines;
use super::object::{Value, each_entry};
use crate::batch::BatchBuilder;
use crate::blame::{self, Place};
use crate::column::{Column, Misfit};
use crate::cursor::TextPlace;
use crate::input::Input;
use crate::kind::Kind;
use crate::layout::Projection;
use crate::options::Options;
use crate::reading::{Rows, TextReader};
use crate::rejected::Rejected;
use crate::value;
use crate::window::Window;

/// Reads the rows of a JSON Lines file.
pub struct JsonlReader {
    lines: Lines,
    batch: BatchBuilder,
    keys: Keys,
    /// Whether a row that cannot be read is no error.
    rejects: bool,
    rejected: Rejected,
}

/// The keys that rows may have.
struct Keys {
    known: Vec<Key>,
    places: HashMap<String, usize>,
    /// Where the key after the one before was, last time: rows are alike.
    next: usize,
    row: u64,
}

struct Key {
    name: String,
    /// Its column in a batch, if it is wanted.
    column: Option<usize>,
    /// The last row that had it, from 1.
    row: u64,
}

impl JsonlReader {
    /// Opens a file at a place.
    ///
    /// # Errors
    ///
    /// What reading says.
    pub fn open(
        path: &str,
        options: &Options,
        projection: &Projection,
        place: TextPlace,
    ) -> Result<Self> {
        let input = Input::open(path, options.compression, place.offset);
        let input = input.map_err(|error| blame::io(path, error))?;
        let mut lines = Lines::new(path, Window::new(input, place.offset), place.line);
        if place.offset == 0 {
            lines.skip_mark()?;
        }
        Ok(Self {
            lines,
            batch: BatchBuilder::new(&projection.wanted),
            keys: Keys::new(projection),
            rejects: options.rejects,
            rejected: Rejected::default(),
        })
    }

    fn push_row(&mut self) -> Result<()> {
        let Self {
            lines, batch, keys, ..
        } = self;
        let place = lines.place();
        let mut text_bytes = 0;
        keys.row += 1;
        each_entry(place, lines.text()?, |name, value| {
            let Some(index) = keys.find(place, name)? else {
                return Ok(());
            };
            let column = &mut batch.columns[index];
            match push(column, &value) {
                Ok(bytes) => text_bytes += bytes,
                Err(misfit) => {
                    let text = match &value {
                        Value::String(text) => text.as_ref(),
                        Value::Literal(text) => text,
                        Value::Null => "null",
                    };
                    let value = text.as_bytes();
                    return Err(blame::misfit(place, name, column, value, misfit, ""));
                }
            }
            Ok(())
        })?;
        for index in keys.missing() {
            batch.columns[index].push_null();
        }
        batch.end_rows(1, text_bytes);
        Ok(())
    }
}

impl TextReader for JsonlReader {
    fn next(&mut self) -> Result<Option<Rows>> {
        while self.lines.peek()?
            && !self.rejected.is_full()
            && !self.batch.fill().is_full_for(self.lines.length())
        {
            match self.push_row() {
                Err(reason) if self.rejects => {
                    self.batch.undo();
                    self.rejected.add(self.lines.bytes(), reason);
                }
                pushed => pushed?,
            }
            self.lines.advance();
        }
        if self.batch.rows() == 0 && self.rejected.is_empty() {
            return Ok(None);
        }
        let place = TextPlace {
            offset: self.lines.offset(),
            line: self.lines.place().line,
        };
        Ok(Some(Rows {
            batch: self.batch.finish()?,
            rejects: self.rejected.take(),
            place,
        }))
    }

    fn taken(&self) -> u64 {
        self.lines.taken()
    }
}

impl Keys {
    fn new(projection: &Projection) -> Self {
        let wanted = |name: &str| {
            projection
                .wanted
                .iter()
                .position(|column| column.name == name)
        };
        let known: Vec<Key> = projection
            .all
            .iter()
            .map(|column| Key {
                name: column.name.clone(),
                column: wanted(&column.name),
                row: 0,
            })
            .collect();
        let places = known
            .iter()
            .enumerate()
            .map(|(place, key)| (key.name.clone(), place));
        Self {
            places: places.collect(),
            known,
            next: 0,
            row: 0,
        }
    }

    /// The column that a key of this row belongs to, if it is wanted.
    fn find(&mut self, place: Place, name: &str) -> Result<Option<usize>> {
        let index = match self.known.get(self.next) {
            Some(key) if key.name == name => self.next,
            _ => match self.places.get(name) {
                Some(index) => *index,
                None => return Err(unknown_key(place, name)),
            },
        };
        self.next = if index + 1 == self.known.len() {
            0
        } else {
            index + 1
        };
        let key = &mut self.known[index];
        if key.row == self.row {
            let message = format!("{place}: the key {name:?} occurs twice in this object");
            return Err(Error::data("duplicate-key", message));
        }
        key.row = self.row;
        Ok(key.column)
    }

    /// The wanted columns whose keys this row does not have.
    fn missing(&self) -> impl Iterator<Item = usize> {
        let missing = self.known.iter().filter(|key| key.row != self.row);
        missing.filter_map(|key| key.column)
    }
}

fn unknown_key(place: Place, name: &str) -> Error {
    let message = format!(
        "{place}: the key {name:?} is in none of the rows that the columns were inferred from; \
         declare it (columns: {{ {name}: text }}), or raise sample_rows"
    );
    Error::data("unknown-key", message)
}

/// Adds a value to a column; how many bytes of text it has.
fn push(column: &mut Column, value: &Value) -> Result<usize, Misfit> {
    let text = match value {
        Value::Null => {
            column.push_null();
            return Ok(0);
        }
        Value::String(text) => {
            if column.is_strict() && !may_be_string(column.kind(), text.as_bytes()) {
                return Err(Misfit::Type);
            }
            text.as_ref()
        }
        Value::Literal(text) => text,
    };
    column.push(text.as_bytes())
}

/// Whether JSON writes values of an inferred type as strings.
fn may_be_string(kind: Kind, text: &[u8]) -> bool {
    match kind {
        Kind::Boolean | Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Decimal(..) => false,
        Kind::Float32 | Kind::Float64 => value::is_named_number(text),
        _ => true,
    }
}
