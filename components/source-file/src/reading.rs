//! Reads the files of a plan, one after another, from a position on.
//!
//! Invariant: the position after a batch is that of the first row that is not
//! in it or one before; reading from there gives exactly the rows after it.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use vesicle_connector::{Error, Reject, Result};

use crate::csv::CsvReader;
use crate::cursor::{GroupPlace, Place, Position, TextPlace};
use crate::jsonl::JsonlReader;
use crate::layout::{Layout, Projection, Shape};
use crate::options::{Format, Options};
use crate::parquet::ParquetReader;

/// Rows of a text file and the place after them.
pub struct Rows {
    /// The rows.
    pub batch: RecordBatch,
    /// The rows among them that cannot be read.
    pub rejects: Vec<Reject>,
    /// Where the next one begins.
    pub place: TextPlace,
}

/// Reads a text file.
pub trait TextReader {
    /// The next rows, if there are any.
    ///
    /// # Errors
    ///
    /// `data` for what cannot be read as the format or the type it should be;
    /// what reading says.
    fn next(&mut self) -> Result<Option<Rows>>;

    /// How many bytes of the file, as it lies there, have been read.
    fn taken(&self) -> u64;
}

/// Rows and the position after them.
pub struct Chunk {
    /// The rows.
    pub batch: RecordBatch,
    /// The rows among them that cannot be read.
    pub rejects: Vec<Reject>,
    /// Where the next one is.
    pub position: Position,
    /// Bytes of the files that were read for them.
    pub source_bytes: u64,
}

enum FileReader {
    Text {
        reader: Box<dyn TextReader>,
        taken: u64,
    },
    Parquet(Box<ParquetReader>),
}

/// Reads the files of a plan.
pub struct Reading {
    options: Options,
    layout: Layout,
    projection: Option<Projection>,
    schema: SchemaRef,
    position: Position,
    reader: Option<FileReader>,
}

impl Reading {
    /// Begins at a position, or at the start.
    ///
    /// # Errors
    ///
    /// `configuration` for a wanted column that does not exist; `conflict` for
    /// a position that is none of the plan's.
    pub fn new(
        options: Options,
        layout: Layout,
        wanted: &[String],
        position: Option<Position>,
    ) -> Result<Self> {
        let schema = layout.schema(wanted)?;
        let projection = match &layout.shape {
            Shape::Text(all) => Some(Projection::new(&layout.files[0].path, all, wanted)),
            Shape::Arrow(_) => None,
        };
        let position = position.unwrap_or(Position {
            file: 0,
            place: start(options.format),
        });
        if position.file > layout.files.len() {
            return Err(foreign(position));
        }
        Ok(Self {
            options,
            layout,
            projection,
            schema,
            position,
            reader: None,
        })
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The position after all that was read: at the end, after everything.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next rows; none at the end.
    ///
    /// # Errors
    ///
    /// `conflict` if a file has changed since the plan was made; what is wrong
    /// with a file.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        while self.position.file < self.layout.files.len() {
            let mut reader = match self.reader.take() {
                Some(reader) => reader,
                None => self.open()?,
            };
            if let Some(chunk) = self.read(&mut reader)? {
                self.reader = Some(reader);
                self.position = chunk.position;
                return Ok(Some(chunk));
            }
            self.layout.files[self.position.file].check_unchanged()?;
            let file = self.position.file + 1;
            self.position = Position {
                file,
                place: start(self.options.format),
            };
        }
        Ok(None)
    }

    fn read(&self, reader: &mut FileReader) -> Result<Option<Chunk>> {
        let file = self.position.file;
        Ok(match reader {
            FileReader::Text { reader, taken } => reader.next()?.map(|rows| {
                let before = std::mem::replace(taken, reader.taken());
                Chunk {
                    batch: rows.batch,
                    rejects: rows.rejects,
                    position: Position {
                        file,
                        place: Place::Text(rows.place),
                    },
                    source_bytes: *taken - before,
                }
            }),
            FileReader::Parquet(reader) => reader.next()?.map(|(batch, place, source_bytes)| {
                let position = Position {
                    file,
                    place: Place::Group(place),
                };
                Chunk {
                    batch,
                    rejects: Vec::new(),
                    position,
                    source_bytes,
                }
            }),
        })
    }

    fn open(&self) -> Result<FileReader> {
        let file = &self.layout.files[self.position.file];
        file.check_unchanged()?;
        let path = &file.path;
        match (self.position.place, &self.projection) {
            (Place::Text(place), Some(projection)) => {
                let reader: Box<dyn TextReader> = match self.options.format {
                    Format::Jsonl => {
                        Box::new(JsonlReader::open(path, &self.options, projection, place)?)
                    }
                    _ => Box::new(CsvReader::open(path, &self.options, projection, place)?),
                };
                // Bytes passed over on the way to the position are not read again.
                let taken = if place.offset > 0 { reader.taken() } else { 0 };
                Ok(FileReader::Text { reader, taken })
            }
            (Place::Group(place), None) => {
                let reader = ParquetReader::open(path, &self.schema, place)?;
                Ok(FileReader::Parquet(Box::new(reader)))
            }
            _ => Err(foreign(self.position)),
        }
    }
}

fn start(format: Format) -> Place {
    match format {
        Format::Csv | Format::Jsonl => Place::Text(Place::TEXT_START),
        Format::Parquet => Place::Group(GroupPlace::default()),
    }
}

fn foreign(position: Position) -> Error {
    let message = format!(
        "the cursor {} does not fit these files; start the stream again from its beginning",
        position.to_cursor()
    );
    Error::conflict("foreign-cursor", message).without_retry()
}
