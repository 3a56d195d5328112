//! Writes a partition: rows into a part, and at each commit the part and the
//! cursor in one.
//!
//! The order of a commit: the part's contents durable, its name durable, then
//! the manifest with part and cursor replaced. That rename is the commit; a
//! crash before it leaves a file that nobody refers to, a crash after it a
//! part that [`begin`](crate::stream::Stream::begin) makes visible.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use vesicle_connector::{CommitRequest, Error, Load, Receipt, Result, Writer};

use crate::disk::Disk;
use crate::encoder::PartFile;
use crate::layout::StreamFolders;
use crate::mend;
use crate::names;
use crate::options::Options;
use crate::record::{Manifest, Mode, Part, Unfinished};
use crate::shape;
use crate::untyped;

/// Writes a partition.
pub struct FileWriter {
    disk: Disk,
    options: Options,
    folders: StreamFolders,
    load: Unfinished,
    schema: SchemaRef,
    manifest: Manifest,
    part: Option<OpenPart>,
}

struct OpenPart {
    name: String,
    file: PartFile,
    rows: u64,
}

impl FileWriter {
    /// Goes on with a partition of a load where its last commit left it.
    ///
    /// # Errors
    ///
    /// `internal` for a load of another connector; `data` for a damaged
    /// manifest; what reading says.
    pub fn open(disk: &Disk, options: &Options, load: &Load, partition: &str) -> Result<Self> {
        let load = parse_detail(load)?;
        let folders = StreamFolders::new(&options.path, &load.stream);
        let manifest = Manifest::read(disk, &folders.manifest(&load.run, partition))?;
        Ok(Self {
            disk: disk.clone(),
            options: options.clone(),
            folders,
            schema: Arc::new(load.schema.clone()),
            manifest: manifest.unwrap_or_else(|| Manifest::new(partition)),
            load,
            part: None,
        })
    }

    /// The part that rows go to.
    fn part(&mut self) -> Result<&mut OpenPart> {
        let part = match self.part.take() {
            Some(part) => part,
            None => self.create_part()?,
        };
        Ok(self.part.insert(part))
    }

    fn create_part(&self) -> Result<OpenPart> {
        let number = self.manifest.parts.len() as u64 + 1;
        let encoding = &self.options.encoding;
        let partition = &self.manifest.partition;
        let name = names::part(&self.load.run, partition, number, encoding.extension());
        let path = self.folders.staging(&self.load.run).join(&name);
        let file = PartFile::create(&self.disk, &path, encoding, &self.schema)?;
        Ok(OpenPart {
            name,
            file,
            rows: 0,
        })
    }

    /// Makes the open part durable, name and all.
    fn close_part(&mut self) -> Result<Option<Part>> {
        let Some(OpenPart { name, file, rows }) = self.part.take() else {
            return Ok(None);
        };
        let bytes = file.close(&self.disk)?;
        self.disk
            .sync_folder(&self.folders.staging(&self.load.run))?;
        Ok(Some(Part { name, rows, bytes }))
    }
}

impl Writer for FileWriter {
    async fn schema(&mut self, schema: SchemaRef) -> Result<()> {
        let place = self.folders.visible.display().to_string();
        let settled = untyped::settle(&self.schema, &schema);
        shape::check_same(
            &place,
            "the load",
            &self.schema,
            &settled,
            shape::BEGIN_ANEW,
        )
    }

    async fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows() as u64;
        if rows == 0 {
            return Ok(());
        }
        let part = self.part()?;
        part.rows += rows;
        part.file.write(batch)
    }

    async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt> {
        let part = self.close_part()?;
        self.manifest.cursor = Some(request.cursor.clone());
        self.manifest.last = request.last;
        self.manifest.parts.extend(part.clone());
        let path = self
            .folders
            .manifest(&self.load.run, &self.manifest.partition);
        self.manifest.write(&self.disk, &path)?;
        let Some(part) = part else {
            return Ok(Receipt::of(request, 0, 0));
        };
        if self.load.mode == Mode::Append {
            mend::publish(&self.disk, &self.folders, &self.load.run, &part.name)?;
        }
        Ok(Receipt::of(request, part.rows, part.bytes))
    }
}

/// What a load's detail says.
///
/// # Errors
///
/// `internal` for a load of another connector.
pub fn parse_detail(load: &Load) -> Result<Unfinished> {
    serde_json::from_str(&load.detail).map_err(|error| {
        let message = format!("the load's detail is not one of dest-file's: {error}");
        Error::internal("bad-detail", message)
    })
}
