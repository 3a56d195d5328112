//! A source that reads files: CSV, JSON Lines and Parquet.
//!
//! All configured files are one stream, read in order as one partition named
//! `all`. A document may name the stream as it likes; `discover` proposes the
//! stem that the file names have in common. Files of one stream need the same
//! columns, in any order.
//!
//! # Types
//!
//! Parquet says its types. For CSV and JSON Lines they are inferred from the
//! first `sample_rows` rows of each file (and no more than 16 MiB of it): the
//! narrowest of boolean, int64, float64, date, timestamp and timestamptz that
//! holds every value without loss, or else text. `007`, `+49 151…` and
//! integers beyond 64 bits stay text. So do numbers of which a float64 does
//! not give back every digit, or beyond its range, and what may be a code: an
//! exponent with neither point nor sign (`1e5`; `1.0e5` and `1e-05` are
//! numbers). A value after the sample that does not fit is an error with file,
//! line and column, never a NULL. `columns`
//! declares a type; declared columns are read leniently (`+5` and `007` are
//! integers, `1e5` is a float, whose digits may be rounded, a date is a
//! timestamp), but what would become infinite does not fit.
//!
//! A column of which the sample has no value is text, and marked as such with
//! the metadata `vesicle:untyped` of its Arrow field, so that a file without
//! rows can be appended to a table of any types.
//!
//! # Rows that cannot be read
//!
//! Where rejects are wanted, a row of CSV or JSON Lines that has too many or
//! too few fields, is no JSON object, has a key that is not known, or a value
//! that is not of its column's type, is a reject: the row as it stands in the
//! file, with file and line in the reason. What makes it doubtful where a row
//! ends, such as a quote that is not closed, stays an error.
//!
//! # NULL
//!
//! In CSV a field that is not quoted and spelled as one of `null_values` is
//! NULL. A quoted field is a value in text columns (`""` is the empty text),
//! and NULL in columns of other types if it is spelled so. Blank lines are no
//! rows. In JSON Lines NULL is `null` or a key that is not there.
//!
//! # JSON Lines
//!
//! Arrays and objects become text, as JSON; so does everything in a column of
//! mixed types, where strings stay as they are. A key that comes up after the
//! sample is an error, unless `columns` declares it.
//!
//! # Reading on
//!
//! The cursor is the place of a row ([`cursor`]); after each batch there is
//! one. The snapshot covers size, time of change and first bytes of the files
//! and the options they are read with; a file that changes after the plan was
//! made is a conflict.

mod batch;
mod blame;
mod builders;
mod calendar;
mod cell;
mod column;
mod csv;
pub mod cursor;
mod infer;
mod input;
mod jsonl;
mod kind;
mod layout;
mod nulls;
mod options;
mod parquet;
mod reading;
mod rejected;
mod sample;
mod snapshot;
mod stem;
mod survey;
#[cfg(test)]
mod tests;
mod value;
mod window;

use vesicle_connector::{
    Config, Cursor, Emitter, Error, Estimate, Partition, Plan, Result, Source, Spec, StreamInfo,
    StreamRequest, SyncMode,
};

use crate::cursor::Position;
use crate::layout::Layout;
use crate::options::Options;
use crate::reading::Reading;

/// The name of the only partition.
const PARTITION: &str = "all";

/// Reads files.
pub struct FileSource {
    options: Options,
}

impl FileSource {
    fn options(&self, rejects: bool) -> Options {
        Options {
            rejects,
            ..self.options.clone()
        }
    }
}

impl Source for FileSource {
    fn spec() -> Spec {
        options::spec()
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            options: Options::parse(&config)?,
        })
    }

    async fn check(&self) -> Result<()> {
        // Whether single rows may be wrong, only the request of a stream says.
        survey::survey(&self.options(true)).map(drop)
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        let layout = survey::survey(&self.options)?;
        Ok(vec![StreamInfo {
            name: stem::common_stem(&self.options.paths),
            schema: layout.schema(&[])?,
            key: Vec::new(),
            sync_modes: vec![SyncMode::FullRefresh],
            estimate: estimate(&layout),
        }])
    }

    async fn plan(&self, request: &StreamRequest) -> Result<Plan> {
        if request.sync_mode != SyncMode::FullRefresh {
            let message = format!(
                "stream {:?}: source-file reads whole files; set sync_mode: full_refresh",
                request.name
            );
            return Err(Error::unsupported("sync-mode", message));
        }
        if request.partition_key.is_some() {
            let message = format!(
                "stream {:?}: source-file reads files from end to end; leave partition_key out",
                request.name
            );
            return Err(Error::unsupported("partition-key", message));
        }
        let layout = survey::survey(&self.options(request.rejects))?;
        let mut partition = Partition::new(PARTITION, layout.to_detail()?);
        partition.estimate = estimate(&layout);
        let plan = Plan::new(layout.schema(&request.columns)?, vec![partition]);
        Ok(plan.with_snapshot(snapshot::snapshot(&self.options, &layout)?))
    }

    async fn read(
        &self,
        request: &StreamRequest,
        partition: &Partition,
        cursor: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()> {
        let layout = Layout::parse(&partition.detail)?;
        let position = cursor.as_deref().map(Position::parse).transpose()?;
        let mut reading = Reading::new(
            self.options(request.rejects),
            layout,
            &request.columns,
            position,
        )?;
        out.schema(reading.schema()).await?;
        while let Some(chunk) = reading.next()? {
            out.batch(chunk.batch, chunk.source_bytes).await?;
            for reject in chunk.rejects {
                out.reject(reject.row, reject.reason).await?;
            }
            out.checkpoint(chunk.position.to_cursor()).await?;
        }
        out.checkpoint(reading.position().to_cursor()).await
    }
}

fn estimate(layout: &Layout) -> Estimate {
    Estimate {
        rows: None,
        bytes: Some(layout.size()),
    }
}

vesicle_connector::export_source!(FileSource);
