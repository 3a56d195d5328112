//! What a plan knows of the files: which they are, and the columns of their
//! rows. It is the detail of the one partition, so that reading infers
//! nothing again.

use std::fs;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arrow_schema::{Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use vesicle_connector::{Error, Result, nearest_hint};

use crate::blame;
use crate::kind::Kind;

/// A file as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLayout {
    /// Where it is, as the user named it.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed: nanoseconds since 1970.
    pub modified: Option<u64>,
}

impl FileLayout {
    /// A file as it is.
    ///
    /// # Errors
    ///
    /// `not-found`; `configuration` if it is a folder; what the file system
    /// says.
    pub fn of(path: &str) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| blame::io(path, error))?;
        if metadata.is_dir() {
            return Err(blame::io(path, std::io::ErrorKind::IsADirectory.into()));
        }
        let modified = metadata.modified().ok();
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Self {
            path: path.to_owned(),
            size: metadata.len(),
            modified: modified.and_then(|since| u64::try_from(since.as_nanos()).ok()),
        })
    }

    /// Makes sure that the file is still the one that was planned with.
    ///
    /// # Errors
    ///
    /// `conflict` (`file-changed`) if it is not; what the file system says.
    pub fn check_unchanged(&self) -> Result<()> {
        if Self::of(&self.path)? == *self {
            return Ok(());
        }
        let message = format!(
            "{}: the file has changed since the run was planned; run again when nobody writes to \
             it",
            self.path
        );
        Err(Error::conflict("file-changed", message).without_retry())
    }
}

/// A column of text files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnLayout {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Whether the user declared the type.
    pub declared: bool,
    /// Whether it is text only because there was no value to infer from.
    #[serde(default)]
    pub untyped: bool,
}

/// Marks a column that is text only because there was no value, in the metadata
/// of its field; the value is `true`. A destination may give it another type.
const UNTYPED: &str = "vesicle:untyped";

impl ColumnLayout {
    /// The column as Arrow describes it.
    pub fn field(&self) -> Field {
        let field = Field::new(&self.name, self.kind.data_type(), true);
        if self.untyped {
            return field.with_metadata([(UNTYPED, "true")]);
        }
        field
    }
}

/// The columns of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Of text files.
    Text(Vec<ColumnLayout>),
    /// Of Parquet files.
    Arrow(Schema),
}

/// What a plan knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// The files, in the order they are read.
    pub files: Vec<FileLayout>,
    /// The columns of their rows.
    pub shape: Shape,
}

impl Layout {
    /// The layout that a partition's detail describes.
    ///
    /// # Errors
    ///
    /// `internal` for a detail that is none of this connector's.
    pub fn parse(detail: &str) -> Result<Self> {
        serde_json::from_str(detail).map_err(|error| {
            let message = format!("the partition's detail is not one of source-file's: {error}");
            Error::internal("bad-detail", message)
        })
    }

    /// The layout as a partition's detail.
    ///
    /// # Errors
    ///
    /// None but defects.
    pub fn to_detail(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::internal("bad-detail", error.to_string()))
    }

    /// How many bytes the files have.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The schema of the wanted columns, in their order; of all if none is
    /// named.
    ///
    /// # Errors
    ///
    /// `configuration` (`no-such-column`) for a name that no column has.
    pub fn schema(&self, wanted: &[String]) -> Result<SchemaRef> {
        let fields: Vec<Arc<Field>> = match &self.shape {
            Shape::Text(columns) => columns
                .iter()
                .map(|column| Arc::new(column.field()))
                .collect(),
            Shape::Arrow(schema) => schema.fields().iter().cloned().collect(),
        };
        if wanted.is_empty() {
            return Ok(Arc::new(Schema::new(fields)));
        }
        let named = |name: &String| {
            let names = || fields.iter().map(|field| field.name().as_str());
            let found = fields.iter().find(|field| field.name() == name).cloned();
            found.ok_or_else(|| no_such_column("the stream's columns", name, names()))
        };
        Ok(Arc::new(Schema::new(
            wanted.iter().map(named).collect::<Result<Vec<_>>>()?,
        )))
    }
}

/// A name that no column has.
pub fn no_such_column<'a>(
    key: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Error {
    let hint = nearest_hint(name, names);
    let message = format!("{key}: there is no column {name:?}; {hint}");
    Error::configuration("no-such-column", message)
}

/// Which columns of text files are read.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The file that the others are compared with.
    pub first: String,
    /// All columns.
    pub all: Vec<ColumnLayout>,
    /// The ones to be read, in their order.
    pub wanted: Vec<ColumnLayout>,
}

impl Projection {
    /// All of some columns, or the ones named.
    pub fn new(first: &str, all: &[ColumnLayout], wanted: &[String]) -> Self {
        let named = |name: &String| all.iter().find(|column| column.name == *name).cloned();
        let wanted = match wanted {
            [] => all.to_vec(),
            // Names are checked when the plan is made.
            names => names.iter().filter_map(named).collect(),
        };
        Self {
            first: first.to_owned(),
            all: all.to_vec(),
            wanted,
        }
    }

    /// Makes sure that a file has exactly the columns of the others, in any
    /// order.
    ///
    /// # Errors
    ///
    /// `schema`, with the file and the column.
    pub fn check_names(&self, path: &str, names: &[String]) -> Result<()> {
        let all = self.all.iter().map(|column| column.name.as_str());
        same_names(&self.first, path, all, names.iter().map(String::as_str))
    }
}

/// Makes sure that two files have the same columns, in any order.
///
/// # Errors
///
/// `schema`, with the file and the column.
pub fn same_names<'a>(
    first: &str,
    path: &str,
    expected: impl Iterator<Item = &'a str> + Clone,
    found: impl Iterator<Item = &'a str> + Clone,
) -> Result<()> {
    let advice = "the files of one stream need the same columns";
    let missing = expected
        .clone()
        .find(|name| found.clone().all(|other| other != *name));
    if let Some(name) = missing {
        let message = format!("{path}: there is no column {name:?}, which {first} has; {advice}");
        return Err(Error::schema("missing-column", message));
    }
    let extra = found
        .clone()
        .find(|name| expected.clone().all(|other| other != *name));
    if let Some(name) = extra {
        let message =
            format!("{path}: there is a column {name:?}, which {first} has not; {advice}");
        return Err(Error::schema("extra-column", message));
    }
    Ok(())
}
