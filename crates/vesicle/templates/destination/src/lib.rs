//! A destination. This one appends JSON Lines files; make it write where you
//! need.
//!
//! Natively it is a library that the tests below run; for `wasm32-wasip2` it
//! is a component that Vesicle runs in a sandbox.

mod ledger;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use arrow_json::writer::{LineDelimited, WriterBuilder};
use vesicle_connector::arrow_array::RecordBatch;
use vesicle_connector::{
    CommitRequest, Config, Destination, Error, Load, LoadRequest, Opt, PartitionCursor, Receipt,
    Result, Spec, Summary, WriteMode, Writer,
};

use crate::ledger::{Entry, Ledger, Progress, Status};

/// Writes files. A value is opened for each call; what is to be known later
/// is on disk, in the ledger.
pub struct JsonLines {
    path: PathBuf,
}

impl Destination for JsonLines {
    type Writer = LinesWriter;

    /// What it is and which keys `config` may have. The host checks the
    /// user's document against it.
    fn spec() -> Spec {
        let doc = "Writes JSON Lines files, exactly once";
        // The host makes the folder, and grants it.
        let path = Opt::directory("path").required().identity();
        Spec::new("{{name}}", env!("CARGO_PKG_VERSION"), doc)
            .option(path.doc("The folder to write to; each stream gets a folder in it"))
            .write_modes(&[WriteMode::Append])
    }

    /// Reads the options, opens nothing.
    fn open(config: Config) -> Result<Self> {
        let path = config.required("path")?;
        Ok(Self { path })
    }

    /// Begins a load, or goes on with the one that a crash interrupted: then
    /// the answer says how far each partition is durable, and the source is
    /// read from there.
    async fn begin(&self, request: &LoadRequest) -> Result<Load> {
        let ledger = Ledger::new(&self.path, &request.stream_name);
        let record = match ledger.record()? {
            // The run has been finished, and only the note of it was lost.
            Some(record) if record.status == Status::Complete && record.run == request.run => {
                record
            }
            Some(record) if record.status == Status::Open && !request.fresh => {
                ledger.roll_forward()?;
                record
            }
            other => {
                if other.is_some_and(|record| record.status != Status::Complete) {
                    ledger.discard()?;
                }
                ledger.start(&request.run, request.snapshot.as_deref())?
            }
        };
        let cursors = ledger.partitions()?.into_iter();
        Ok(Load {
            complete: record.status == Status::Complete,
            run: record.run,
            snapshot: record.snapshot,
            cursors: cursors.filter_map(cursor_of).collect(),
            detail: request.stream_name.clone(),
        })
    }

    /// Opens what writes one partition, after its last commit.
    async fn writer(&self, load: &Load, partition: &str) -> Result<LinesWriter> {
        let ledger = Ledger::new(&self.path, &load.detail);
        let progress = ledger.partition(partition)?;
        Ok(LinesWriter {
            progress: progress.unwrap_or_else(|| Progress::new(partition)),
            run: load.run.clone(),
            ledger,
            open: None,
        })
    }

    /// All partitions are written: nothing is left to publish here, so it
    /// notes that the load is complete.
    async fn finish(&self, load: &Load) -> Result<Summary> {
        let ledger = Ledger::new(&self.path, &load.detail);
        ledger.complete(&load.run)?;
        let partitions = ledger.partitions()?;
        let entries = || partitions.iter().flat_map(|progress| &progress.entries);
        Ok(Summary {
            rows: entries().map(|entry| entry.rows).sum(),
            bytes: entries().map(|entry| entry.bytes).sum(),
            places: vec![format!("{}/", ledger.visible().display())],
        })
    }

    /// Undoes the load.
    async fn abort(&self, load: &Load) -> Result<()> {
        Ledger::new(&self.path, &load.detail).discard()
    }
}

fn cursor_of(progress: Progress) -> Option<PartitionCursor> {
    Some(PartitionCursor {
        cursor: progress.cursor?,
        partition: progress.partition,
        last: progress.last,
    })
}

/// Writes one partition: a file from commit to commit.
pub struct LinesWriter {
    ledger: Ledger,
    run: String,
    progress: Progress,
    open: Option<OpenFile>,
}

/// The file that rows go to, hidden until it is committed.
struct OpenFile {
    name: String,
    rows: u64,
    lines: arrow_json::Writer<BufWriter<File>, LineDelimited>,
}

impl LinesWriter {
    fn create(&self) -> Result<OpenFile> {
        let number = self.progress.entries.len() + 1;
        let partition = ledger::encode(&self.progress.partition);
        let name = format!(
            "{}-{partition}-{number:06}.jsonl",
            ledger::encode(&self.run)
        );
        let file = BufWriter::new(File::create(self.ledger.hidden().join(&name))?);
        // NULL is written as null, not left out.
        let lines = WriterBuilder::new().with_explicit_nulls(true).build(file);
        Ok(OpenFile {
            name,
            rows: 0,
            lines,
        })
    }

    /// Ends the open file and makes it durable, name and all.
    fn close(&mut self) -> Result<Option<Entry>> {
        let Some(OpenFile {
            name,
            rows,
            mut lines,
        }) = self.open.take()
        else {
            return Ok(None);
        };
        lines.finish()?;
        let mut file = lines.into_inner();
        file.flush()?;
        let file = file
            .into_inner()
            .map_err(|error| Error::from(error.into_error()))?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        ledger::sync_folder(&self.ledger.hidden())?;
        Ok(Some(Entry { name, rows, bytes }))
    }
}

impl Writer for LinesWriter {
    /// Writes rows. They need not be durable yet.
    async fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.create()?,
        };
        open.rows += batch.num_rows() as u64;
        open.lines.write(&batch)?;
        self.open = Some(open);
        Ok(())
    }

    /// Makes the rows durable together with the cursor: first the file, then,
    /// in one step, the ledger that names it. A crash before that step leaves
    /// a hidden file that nobody refers to, a crash after it one that `begin`
    /// publishes.
    async fn commit(&mut self, request: &CommitRequest) -> Result<Receipt> {
        let entry = self.close()?;
        let (rows, bytes) = entry
            .as_ref()
            .map_or((0, 0), |entry| (entry.rows, entry.bytes));
        self.progress.entries.extend(entry.clone());
        self.progress.cursor = Some(request.cursor.clone());
        self.progress.last = request.last;
        self.ledger.commit(&self.progress)?;
        if let Some(entry) = entry {
            self.ledger.publish(&entry)?;
        }
        Ok(Receipt::of(request, rows, bytes))
    }
}

vesicle_connector::export_destination!(JsonLines);

#[cfg(test)]
mod tests;
