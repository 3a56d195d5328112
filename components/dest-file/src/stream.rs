//! A stream's folder and its loads: begin, finish, abort.
//!
//! Invariants: the record changes before what it describes does, so that a
//! crash leaves something that [`Stream::begin`] can complete; files that are
//! not ours are never touched.

use std::sync::Arc;

use arrow_schema::Schema;
use vesicle_connector::{Error, Load, LoadRequest, Result, Summary};

use crate::disk::Disk;
use crate::encoder::{self, PartFile};
use crate::layout::StreamFolders;
use crate::mend;
use crate::names;
use crate::options::Options;
use crate::record::{Finished, Manifest, Mode, Part, Record, Status, Unfinished};
use crate::untyped;

/// The partition that a file without rows is said to be of.
const NO_PARTITION: &str = "none";

/// A stream in the configured folder.
pub struct Stream<'a> {
    /// The file system.
    pub disk: &'a Disk,
    /// The configuration.
    pub options: &'a Options,
    /// Where its files are.
    pub folders: StreamFolders,
}

impl<'a> Stream<'a> {
    /// The stream of a name.
    pub fn new(disk: &'a Disk, options: &'a Options, name: &str) -> Self {
        let folders = StreamFolders::new(&options.path, name);
        Self {
            disk,
            options,
            folders,
        }
    }

    /// Begins a load, or goes on with the one under way.
    ///
    /// # Errors
    ///
    /// `conflict` if another pipeline writes the stream, or if the folder
    /// holds files of somebody else; `schema` if its files have other columns;
    /// what the file system says.
    pub fn begin(&self, request: &LoadRequest) -> Result<Load> {
        let mode = Mode::of(request.write_mode)?;
        encoder::check_schema(&self.options.encoding, &request.schema)?;
        let record = Record::read(self.disk, &self.folders.record())?;
        let mut record = match record {
            Some(record) => self.take_over(record, request)?,
            None => Record::new(&request.pipeline, &request.stream_name),
        };
        self.mend(&mut record, request.fresh)?;
        if let Some(load) = record.load.clone()
            && !request.fresh
        {
            let same = self.check_same(&load, request, mode);
            // A load that committed nothing has nothing to lose by beginning anew.
            if same.is_ok() || !self.is_untouched(&load)? {
                same?;
                let load = self.adopt(record, load, &request.run)?;
                return self.describe(&load);
            }
        }
        self.discard(&mut record)?;
        if let Some(finished) = record.finished.as_ref()
            && finished.is_of(&request.run)
        {
            let load = Unfinished {
                run: finished.run.clone(),
                adopted_by: Vec::new(),
                stream: record.stream.clone(),
                mode,
                status: Status::Open,
                snapshot: None,
                format: finished.format,
                dialect: finished.dialect.clone(),
                schema: finished.schema.clone(),
            };
            return Ok(Load {
                complete: true,
                ..self.describe(&load)?
            });
        }
        self.start(record, request, mode)
    }

    /// Whether nothing of a load has been committed.
    fn is_untouched(&self, load: &Unfinished) -> Result<bool> {
        let committed = mend::manifests(self.disk, &self.folders, &load.run)?;
        Ok(load.status == Status::Open && committed.is_empty())
    }

    /// Publishes what is not visible yet, and ends the load.
    ///
    /// # Errors
    ///
    /// `conflict` if the load is not under way, or if the folder holds files
    /// of somebody else; what the file system says.
    pub fn finish(&self, run: &str) -> Result<Summary> {
        let mut record = self.record()?;
        if let Some(finished) = record
            .finished
            .as_ref()
            .filter(|finished| finished.run == run)
            && record.load.as_ref().is_none_or(|load| load.run != run)
        {
            return Ok(self.summary(finished));
        }
        let load = match record.load.take() {
            Some(load) if load.run == run && load.status != Status::Discarding => load,
            _ => return Err(not_under_way(&self.folders, run)),
        };
        if load.status == Status::Open {
            self.write_empty_part(&load)?;
        }
        let manifests = mend::manifests(self.disk, &self.folders, run)?;
        let parts = || manifests.iter().flat_map(|manifest| &manifest.parts);
        let finished = Finished {
            run: run.to_owned(),
            adopted_by: load.adopted_by.clone(),
            format: load.format,
            dialect: load.dialect.clone(),
            schema: load.schema.clone(),
            rows: parts().map(|part| part.rows).sum(),
            bytes: parts().map(|part| part.bytes).sum(),
            files: parts().count() as u64,
        };
        if load.mode == Mode::Replace {
            let publishing = Unfinished {
                status: Status::Publishing,
                ..load
            };
            mend::check_foreign(self.disk, &self.folders)?;
            record.load = Some(publishing);
            record.write(self.disk, &self.folders.record())?;
            mend::swap(self.disk, &self.folders, run)?;
        }
        let summary = self.summary(&finished);
        self.end(&mut record, finished)?;
        Ok(summary)
    }

    /// Undoes the load. What was undone or finished before stays so.
    ///
    /// # Errors
    ///
    /// `conflict` if the load is being published; what the file system says.
    pub fn abort(&self, run: &str) -> Result<()> {
        let Some(mut record) = Record::read(self.disk, &self.folders.record())? else {
            return Ok(());
        };
        match &record.load {
            Some(load) if load.run == run && load.status == Status::Publishing => {
                let message = format!(
                    "{}: the load is complete and being published; run again to end it",
                    self.folders.visible.display()
                );
                Err(Error::conflict("being-published", message).without_retry())
            }
            Some(load) if load.run == run => {
                self.discard(&mut record)?;
                if record.finished.is_none() {
                    self.disk.remove_tree(&self.folders.hidden)?;
                }
                if self.disk.list(&self.folders.visible)?.is_empty() {
                    self.disk.remove_folder(&self.folders.visible)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The record of a stream that this pipeline may write.
    fn take_over(&self, mut record: Record, request: &LoadRequest) -> Result<Record> {
        if record.pipeline != request.pipeline {
            if !request.fresh {
                let message = format!(
                    "{}: the stream is written by the pipeline {:?}; choose another path or \
                     stream name, or run with --fresh to take it over",
                    self.folders.visible.display(),
                    record.pipeline
                );
                return Err(Error::conflict("other-pipeline", message).without_retry());
            }
            record.pipeline.clone_from(&request.pipeline);
        }
        Ok(record)
    }

    /// Completes what a crash interrupted. A load that is about to be discarded
    /// is not looked into: it may be damaged.
    fn mend(&self, record: &mut Record, fresh: bool) -> Result<()> {
        match &record.load {
            Some(load) if load.status == Status::Discarding => {
                mend::discard(self.disk, &self.folders, load)?;
                record.load = None;
                record.write(self.disk, &self.folders.record())?;
            }
            Some(load) if load.status == Status::Publishing => {
                mend::swap(self.disk, &self.folders, &load.run)?;
            }
            Some(load) if !fresh => mend::roll_forward(self.disk, &self.folders, load)?,
            Some(_) | None => {}
        }
        mend::clean(self.disk, &self.folders, record.load.as_ref())
    }

    /// Undoes the load under way, or ends it if it was about to be.
    fn discard(&self, record: &mut Record) -> Result<()> {
        let Some(load) = record.load.take() else {
            return Ok(());
        };
        if load.status == Status::Publishing {
            record.load = Some(load);
            record.write(self.disk, &self.folders.record())?;
            let run = record
                .load
                .as_ref()
                .map(|load| load.run.clone())
                .unwrap_or_default();
            self.finish(&run)?;
            *record = self.record()?;
            return Ok(());
        }
        let path = self.folders.record();
        let load = Unfinished {
            status: Status::Discarding,
            ..load
        };
        record.load = Some(load.clone());
        record.write(self.disk, &path)?;
        mend::discard(self.disk, &self.folders, &load)?;
        record.load = None;
        record.write(self.disk, &path)
    }

    fn start(&self, mut record: Record, request: &LoadRequest, mode: Mode) -> Result<Load> {
        let schema = match mode {
            Mode::Replace => {
                mend::check_foreign(self.disk, &self.folders)?;
                untyped::settle(&Schema::empty(), &request.schema)
            }
            Mode::Append => self.appendable(&record, request)?,
        };
        let load = Unfinished {
            run: request.run.clone(),
            adopted_by: Vec::new(),
            stream: request.stream_name.clone(),
            mode,
            status: Status::Open,
            snapshot: request.snapshot.clone(),
            format: self.options.encoding.format(),
            dialect: self.options.encoding.dialect(),
            schema,
        };
        self.disk.make_folder(&self.folders.staging(&load.run))?;
        if mode == Mode::Append {
            self.disk.make_folder(&self.folders.visible)?;
        }
        record.load = Some(load.clone());
        record.write(self.disk, &self.folders.record())?;
        self.describe(&load)
    }

    /// Notes that a run goes on with a load, so that it finds it finished if
    /// its host dies before noting that.
    fn adopt(&self, mut record: Record, load: Unfinished, run: &str) -> Result<Unfinished> {
        if load.is_of(run) {
            return Ok(load);
        }
        let mut load = load;
        load.adopted_by.push(run.to_owned());
        record.load = Some(load.clone());
        record.write(self.disk, &self.folders.record())?;
        Ok(load)
    }

    /// The load as the host sees it.
    fn describe(&self, load: &Unfinished) -> Result<Load> {
        let manifests = mend::manifests(self.disk, &self.folders, &load.run)?;
        let detail = serde_json::to_string(load)
            .map_err(|error| Error::internal("bad-detail", error.to_string()))?;
        Ok(Load {
            run: load.run.clone(),
            complete: false,
            snapshot: load.snapshot.clone(),
            cursors: manifests.iter().filter_map(Manifest::cursor).collect(),
            detail,
        })
    }

    /// Writes a file without rows where there would be none.
    fn write_empty_part(&self, load: &Unfinished) -> Result<()> {
        let manifests = mend::manifests(self.disk, &self.folders, &load.run)?;
        if manifests.iter().any(|manifest| !manifest.parts.is_empty()) {
            return Ok(());
        }
        let there = self.disk.list(&self.folders.visible)?;
        if load.mode == Mode::Append && there.iter().any(|name| names::is_part(name)) {
            return Ok(());
        }
        let encoding = &self.options.encoding;
        let name = names::part(&load.run, NO_PARTITION, 0, encoding.extension());
        let staging = self.folders.staging(&load.run);
        let schema = Arc::new(load.schema.clone());
        let file = PartFile::create(self.disk, &staging.join(&name), encoding, &schema)?;
        let bytes = file.close(self.disk)?;
        self.disk.sync_folder(&staging)?;
        let mut manifest = Manifest::new(NO_PARTITION);
        manifest.parts.push(Part {
            name: name.clone(),
            rows: 0,
            bytes,
        });
        manifest.write(self.disk, &self.folders.manifest_of_none(&load.run))?;
        match load.mode {
            Mode::Append => mend::publish(self.disk, &self.folders, &load.run, &name),
            Mode::Replace => Ok(()),
        }
    }

    /// Ends a load whose files are all visible.
    fn end(&self, record: &mut Record, finished: Finished) -> Result<()> {
        record.finished = Some(finished);
        record.load = None;
        record.write(self.disk, &self.folders.record())?;
        mend::clean(self.disk, &self.folders, None)
    }

    fn record(&self) -> Result<Record> {
        let path = self.folders.record();
        Record::read(self.disk, &path)?.ok_or_else(|| {
            let message = format!(
                "{}: the record of the load is gone; run again",
                path.display()
            );
            Error::conflict("no-record", message).without_retry()
        })
    }

    fn summary(&self, finished: &Finished) -> Summary {
        let files = match finished.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        Summary {
            rows: finished.rows,
            bytes: finished.bytes,
            places: vec![format!("{}/ ({files})", self.folders.visible.display())],
        }
    }
}

fn not_under_way(folders: &StreamFolders, run: &str) -> Error {
    let message = format!(
        "{}: the load of run {run} is not under way; run again",
        folders.visible.display()
    );
    Error::conflict("not-under-way", message).without_retry()
}
