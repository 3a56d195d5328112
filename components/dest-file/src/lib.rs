//! A destination that writes files, exactly once: Parquet, CSV, JSON Lines.
//!
//! Each stream gets a folder under `path`. Readers see only whole files of
//! committed rows there; everything else is under `path/.vesicle`
//! ([`layout`]). A commit makes a file and the cursor durable in one step
//! ([`writer`]); whatever a crash leaves is completed or removed when the next
//! load begins ([`mend`]).
//!
//! # Write modes
//!
//! *append* adds files to the folder; they become visible with each commit.
//! They need the format and the columns of the files that are there, which they
//! are written in the order of, and for text files the same compression,
//! delimiter and spelling of NULL. A column that its source saw no value of
//! (metadata `vesicle:untyped`) takes the type that it has in them.
//! Starting afresh removes the files of the unfinished load, also the visible
//! ones. *replace* keeps its files hidden until the load is finished, and then
//! swaps the folders; between the two renames of a swap the folder is missing
//! for a moment. It refuses to replace a folder that holds files it did not
//! write. One pipeline writes a stream; two runs of it at once are not kept
//! apart here.
//!
//! # Values
//!
//! Parquet keeps all types. In text, timestamps are RFC 3339 (those of a time
//! zone in UTC), floating point numbers are the shortest text that reads back
//! as the same number, bytes are base64, and decimals have all digits. CSV
//! quotes text that would read as NULL, also the empty text; a table of one
//! column spells NULL as `NULL` where it would be a blank line. JSON Lines
//! writes `NaN`, `Infinity` and `-Infinity` as strings, as JSON has no such
//! numbers, and NULL as `null`.

mod agreement;
mod dialect;
pub mod disk;
mod encoder;
pub mod layout;
pub mod mend;
mod names;
mod options;
pub mod output;
mod record;
mod shape;
pub mod stream;
mod text;
mod untyped;
mod words;
pub mod writer;

use std::fs::File;

use vesicle_connector::{Config, Destination, Error, Load, LoadRequest, Result, Spec, Summary};

use crate::disk::Disk;
use crate::options::Options;
use crate::stream::Stream;
use crate::writer::{FileWriter, parse_detail};

/// Writes files.
pub struct FileDestination {
    options: Options,
    disk: Disk,
}

impl FileDestination {
    /// The same destination on another file system, for tests.
    pub fn on(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }
}

impl Destination for FileDestination {
    type Writer = FileWriter;

    fn spec() -> Spec {
        options::spec()
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            options: Options::parse(&config)?,
            disk: Disk::default(),
        })
    }

    async fn check(&self) -> Result<()> {
        let folder = &self.options.path;
        self.disk.make_folder(folder)?;
        let probe = folder.join(".vesicle-check");
        File::create(&probe).map_err(|error| {
            if disk::is_full(&error) {
                return disk::failed(folder, error);
            }
            let message = format!("{}: cannot write to the folder: {error}", folder.display());
            Error::permission("not-writable", message)
        })?;
        self.disk.remove_file(&probe)
    }

    async fn begin(&self, request: &LoadRequest) -> Result<Load> {
        Stream::new(&self.disk, &self.options, &request.stream_name).begin(request)
    }

    async fn writer(&self, load: &Load, partition: &str) -> Result<FileWriter> {
        FileWriter::open(&self.disk, &self.options, load, partition)
    }

    async fn finish(&self, load: &Load) -> Result<Summary> {
        let stream = parse_detail(load)?.stream;
        Stream::new(&self.disk, &self.options, &stream).finish(&load.run)
    }

    async fn abort(&self, load: &Load) -> Result<()> {
        let stream = parse_detail(load)?.stream;
        Stream::new(&self.disk, &self.options, &stream).abort(&load.run)
    }
}

vesicle_connector::export_destination!(FileDestination);
