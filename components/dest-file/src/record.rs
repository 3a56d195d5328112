//! What is durable about a stream: the record of its loads, and a manifest
//! for each partition of the load under way.
//!
//! The record says who writes the stream, which load was the last to be
//! finished and which is under way. A manifest says how far a partition is
//! durable: its cursor and its parts, in one file that is replaced whole.
//! Invariant: a record that cannot be read is an error, never "no record".

use std::path::Path;

use arrow_schema::Schema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vesicle_connector::{Error, PartitionCursor, Result, WriteMode};

use crate::dialect::Dialect;
use crate::disk::Disk;
use crate::options::Format;

/// The version of records that this connector writes.
const VERSION: u32 = 1;

/// What a load does with the rows of the loads before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Keeps them.
    Append,
    /// Replaces them.
    Replace,
}

impl Mode {
    /// The mode that is asked for.
    ///
    /// # Errors
    ///
    /// `unsupported` for upserts.
    pub fn of(mode: WriteMode) -> Result<Self> {
        match mode {
            WriteMode::Append => Ok(Self::Append),
            WriteMode::Replace => Ok(Self::Replace),
            WriteMode::Upsert => {
                let message = "write_mode: dest-file cannot change rows in files; \
                               write append or replace";
                Err(Error::unsupported("upsert", message))
            }
        }
    }

    /// The word for it in the document.
    pub fn word(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }
}

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Partitions are being written.
    Open,
    /// All is written; the old folder gives way to the new one.
    Publishing,
    /// It is being undone.
    Discarding,
}

/// A load under way. It is also what a load's detail says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The run that began it.
    pub run: String,
    /// Other runs that went on with it, because their host knew nothing of the
    /// first one.
    #[serde(default)]
    pub adopted_by: Vec<String>,
    /// The name of the stream.
    pub stream: String,
    /// What it does with earlier rows.
    pub mode: Mode,
    /// How far it is.
    pub status: Status,
    /// The snapshot that the source reads.
    pub snapshot: Option<String>,
    /// What its files are.
    pub format: Format,
    /// How they are written.
    #[serde(default)]
    pub dialect: Dialect,
    /// Their columns.
    pub schema: Schema,
}

/// A load that is finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The run that began it.
    pub run: String,
    /// Other runs that went on with it.
    #[serde(default)]
    pub adopted_by: Vec<String>,
    /// What its files are.
    pub format: Format,
    /// How they are written.
    #[serde(default)]
    pub dialect: Dialect,
    /// Their columns.
    pub schema: Schema,
    /// How many rows it wrote.
    pub rows: u64,
    /// How many bytes its files have.
    pub bytes: u64,
    /// How many files it wrote.
    pub files: u64,
}

impl Unfinished {
    /// Whether it is the load of a run.
    pub fn is_of(&self, run: &str) -> bool {
        self.run == run || self.adopted_by.iter().any(|other| other == run)
    }
}

impl Finished {
    /// Whether it was the load of a run.
    pub fn is_of(&self, run: &str) -> bool {
        self.run == run || self.adopted_by.iter().any(|other| other == run)
    }
}

/// The loads of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// The pipeline that writes the stream.
    pub pipeline: String,
    /// The name of the stream.
    pub stream: String,
    /// The last load that was finished.
    pub finished: Option<Finished>,
    /// The load under way.
    pub load: Option<Unfinished>,
}

impl Record {
    /// The record of a stream that was never written.
    pub fn new(pipeline: &str, stream: &str) -> Self {
        Self {
            version: VERSION,
            pipeline: pipeline.to_owned(),
            stream: stream.to_owned(),
            finished: None,
            load: None,
        }
    }

    /// The record that a file holds, if it is there.
    ///
    /// # Errors
    ///
    /// `data` for a file that is no record; `unsupported` for one of a newer
    /// version; what reading says.
    pub fn read(disk: &Disk, path: &Path) -> Result<Option<Self>> {
        let record: Option<Self> = read(disk, path)?;
        if let Some(version) = record.as_ref().map(|record| record.version)
            && version > VERSION
        {
            let message = format!(
                "{}: it was written by a newer dest-file (record version {version}); use that one",
                path.display()
            );
            return Err(Error::unsupported("newer-record", message));
        }
        Ok(record)
    }

    /// Replaces the file, durably.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn write(&self, disk: &Disk, path: &Path) -> Result<()> {
        write(self, disk, path)
    }
}

/// A file that is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The name of the file.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// How far a partition is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name of the partition.
    pub partition: String,
    /// What the parts cover; none before the first commit.
    pub cursor: Option<String>,
    /// Whether the partition is written to its end.
    pub last: bool,
    /// Its files.
    pub parts: Vec<Part>,
}

impl Manifest {
    /// The manifest of a partition that nothing was written of.
    pub fn new(partition: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            cursor: None,
            last: false,
            parts: Vec::new(),
        }
    }

    /// The manifest that a file holds, if it is there.
    ///
    /// # Errors
    ///
    /// `data` for a file that is no manifest; what reading says.
    pub fn read(disk: &Disk, path: &Path) -> Result<Option<Self>> {
        read(disk, path)
    }

    /// Replaces the file, durably: this is the commit.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn write(&self, disk: &Disk, path: &Path) -> Result<()> {
        write(self, disk, path)
    }

    /// How far the partition is, if anything was committed.
    pub fn cursor(&self) -> Option<PartitionCursor> {
        Some(PartitionCursor {
            partition: self.partition.clone(),
            cursor: self.cursor.clone()?,
            last: self.last,
        })
    }
}

fn read<T: DeserializeOwned>(disk: &Disk, path: &Path) -> Result<Option<T>> {
    let Some(contents) = disk.read(path)? else {
        return Ok(None);
    };
    serde_json::from_slice(&contents).map(Some).map_err(|error| {
        let shown = path.display();
        let folder = path.parent().unwrap_or(path).display();
        let message = format!(
            "{shown}: the record of what has been written is damaged ({error}); restore it from a \
             copy. If the stream may be written anew, remove {folder} and the stream's folder, \
             and run again"
        );
        Error::data("damaged-record", message)
    })
}

fn write<T: Serialize>(value: &T, disk: &Disk, path: &Path) -> Result<()> {
    let mut contents = serde_json::to_vec(value)
        .map_err(|error| Error::internal("bad-record", error.to_string()))?;
    contents.push(b'\n');
    disk.write_whole(path, &contents)
}
