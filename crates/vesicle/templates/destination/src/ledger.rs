//! What is durable of a stream, so that a process that is killed at any
//! instant and run again writes every row once.
//!
//! ```text
//! PATH/STREAM/                          what readers see
//! PATH/.STREAM/load.json                the load: its run, its snapshot, its status
//! PATH/.STREAM/partition-NAME.json      a partition: its cursor, its files
//! PATH/.STREAM/RUN-NAME-000001.jsonl    a file that is not committed, or not yet published
//! ```
//!
//! Invariants: each `.json` is replaced in one step; a file is published only
//! after the partition that names it is durable; what is published of a load
//! that is discarded is removed with it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vesicle_connector::{Error, Result};

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It is being written.
    Open,
    /// It is being undone.
    Discarding,
    /// It is finished.
    Complete,
}

/// A load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The run that began it.
    pub run: String,
    /// The snapshot that it was begun with.
    pub snapshot: Option<String>,
    /// How far it is.
    pub status: Status,
}

/// A file of a partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, hidden and published.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// How far a partition is durable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The partition's id.
    pub partition: String,
    /// The cursor that covers the files.
    pub cursor: Option<String>,
    /// Whether it is at its end.
    pub last: bool,
    /// Its files, in order.
    pub entries: Vec<Entry>,
}

impl Progress {
    /// Of a partition of which nothing is written.
    pub fn new(partition: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            cursor: None,
            last: false,
            entries: Vec::new(),
        }
    }
}

/// The record of one stream.
pub struct Ledger {
    visible: PathBuf,
    hidden: PathBuf,
}

impl Ledger {
    /// The ledger of a stream in the configured folder.
    pub fn new(path: &Path, stream: &str) -> Self {
        let stream = encode(stream);
        Self {
            visible: path.join(&stream),
            hidden: path.join(format!(".{stream}")),
        }
    }

    /// The folder that readers see.
    pub fn visible(&self) -> &Path {
        &self.visible
    }

    /// The folder of everything else.
    pub fn hidden(&self) -> PathBuf {
        self.hidden.clone()
    }

    /// The newest load, if there has been one.
    pub fn record(&self) -> Result<Option<Record>> {
        read(&self.record_path())
    }

    /// Begins a load; the one before it is complete, or discarded.
    pub fn start(&self, run: &str, snapshot: Option<&str>) -> Result<Record> {
        for folder in [&self.visible, &self.hidden] {
            fs::create_dir_all(folder).map_err(at(folder))?;
        }
        if let Some(parent) = self.visible.parent() {
            sync_folder(parent)?;
        }
        // The record goes last: until it is replaced, the load before counts.
        self.empty_hidden()?;
        let record = Record {
            run: run.to_owned(),
            snapshot: snapshot.map(str::to_owned),
            status: Status::Open,
        };
        self.write(&self.record_path(), &record)?;
        Ok(record)
    }

    /// Notes that the load of a run is complete.
    pub fn complete(&self, run: &str) -> Result<()> {
        match self.record()? {
            Some(record) if record.run == run => self.write(
                &self.record_path(),
                &Record {
                    status: Status::Complete,
                    ..record
                },
            ),
            _ => {
                let message = format!("{}: the load of {run} is not under way", self.shown());
                Err(Error::conflict("not-under-way", message).without_retry())
            }
        }
    }

    /// Undoes the load under way. What a load before it has published stays.
    pub fn discard(&self) -> Result<()> {
        let Some(record) = self.record()? else {
            return Ok(());
        };
        if record.status == Status::Complete {
            return Ok(());
        }
        // Noted first: half undone, it could not be gone on with.
        self.write(
            &self.record_path(),
            &Record {
                status: Status::Discarding,
                ..record
            },
        )?;
        for progress in self.partitions()? {
            for entry in &progress.entries {
                remove(&self.visible.join(&entry.name))?;
            }
        }
        sync_folder(&self.visible)?;
        self.empty_hidden()?;
        remove(&self.record_path())
    }

    /// How far the partitions are.
    pub fn partitions(&self) -> Result<Vec<Progress>> {
        let mut found = Vec::new();
        for name in list(&self.hidden)? {
            if name.starts_with("partition-") && name.ends_with(".json") {
                found.extend(read(&self.hidden.join(name))?);
            }
        }
        Ok(found)
    }

    /// How far a partition is.
    pub fn partition(&self, partition: &str) -> Result<Option<Progress>> {
        read(&self.partition_path(partition))
    }

    /// Replaces what is known of a partition. This is the commit.
    pub fn commit(&self, progress: &Progress) -> Result<()> {
        self.write(&self.partition_path(&progress.partition), progress)
    }

    /// Makes a committed file visible. Not durable by itself: what a crash
    /// undoes, `roll_forward` repeats.
    pub fn publish(&self, entry: &Entry) -> Result<()> {
        let hidden = self.hidden.join(&entry.name);
        match fs::rename(&hidden, self.visible.join(&entry.name)) {
            // It has been published already.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done.map_err(at(&hidden)),
        }
    }

    /// Publishes what was committed before a crash.
    pub fn roll_forward(&self) -> Result<()> {
        for progress in self.partitions()? {
            for entry in &progress.entries {
                self.publish(entry)?;
            }
        }
        Ok(())
    }

    fn record_path(&self) -> PathBuf {
        self.hidden.join("load.json")
    }

    fn partition_path(&self, partition: &str) -> PathBuf {
        self.hidden
            .join(format!("partition-{}.json", encode(partition)))
    }

    fn shown(&self) -> String {
        self.visible.display().to_string()
    }

    /// Removes what the hidden folder has, except the record.
    fn empty_hidden(&self) -> Result<()> {
        for name in list(&self.hidden)? {
            let path = self.hidden.join(name);
            if path != self.record_path() {
                remove(&path)?;
            }
        }
        sync_folder(&self.hidden)
    }

    /// Writes a file so that a crash leaves the old contents or the new.
    fn write(&self, path: &Path, contents: &impl Serialize) -> Result<()> {
        let beside = path.with_extension("new");
        let bytes = serde_json::to_vec(contents)
            .map_err(|error| Error::internal("not-json", error.to_string()))?;
        let write = || -> io::Result<()> {
            let mut file = File::create(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&beside, path)
        };
        write().map_err(at(path))?;
        sync_folder(&self.hidden)
    }
}

/// A name as part of a file's name: anything but letters, digits, `-` and `_`
/// is written as `%2F`, so that it cannot leave its folder or hide.
pub fn encode(name: &str) -> String {
    let mut encoded = String::new();
    for letter in name.chars() {
        if letter.is_alphanumeric() || letter == '-' || letter == '_' {
            encoded.push(letter);
        } else {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                encoded += &format!("%{byte:02X}");
            }
        }
    }
    encoded
}

/// Makes durable what a folder holds: names are not part of files.
pub fn sync_folder(path: &Path) -> Result<()> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(at(path))
}

fn list(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(folder))?,
    };
    let name = |entry: io::Result<fs::DirEntry>| -> Result<String> {
        Ok(entry
            .map_err(at(folder))?
            .file_name()
            .to_string_lossy()
            .into_owned())
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(at(path))?,
    };
    let damaged = |error| {
        let message = format!("{}: damaged: {error}", path.display());
        Error::data("damaged-record", message)
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done.map_err(at(path)),
    }
}

/// Says in an error which file it is about.
fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error::from(error).context(path.display())
}
