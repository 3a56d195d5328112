//! A file being written, in any of the formats.
//!
//! Invariant: a part that was closed is complete and durable; its name in its
//! folder is durable once the folder is synced. Memory is bounded: a Parquet
//! row group ends when it holds 32 MiB.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use flate2::write::GzEncoder;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use vesicle_connector::{Error, Result};

use crate::disk::{self, Disk};
use crate::options::{Encoding, Format};
use crate::output::Output;
use crate::shape;
use crate::text::{self, Table};
use crate::untyped;
use crate::words::Word;

/// How much is written at once.
const BUFFER: usize = 512 * 1024;

/// A row group ends when it takes this much memory.
const ROW_GROUP: usize = 32 * 1024 * 1024;

/// A file being written.
pub struct PartFile {
    path: PathBuf,
    schema: SchemaRef,
    encoder: Encoder,
}

enum Encoder {
    Parquet(Box<ArrowWriter<BufWriter<Output>>>),
    Text {
        table: Table,
        buffer: Vec<u8>,
        sink: Sink,
    },
}

enum Sink {
    Plain(Output),
    Gzip(Box<GzEncoder<Output>>),
}

impl PartFile {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn create(
        disk: &Disk,
        path: &Path,
        encoding: &Encoding,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let file = disk.create(path)?;
        let text = |file, table: Table, gzip: bool| {
            let sink = match gzip {
                true => Sink::Gzip(Box::new(GzEncoder::new(
                    file,
                    flate2::Compression::default(),
                ))),
                false => Sink::Plain(file),
            };
            let mut buffer = Vec::with_capacity(BUFFER);
            table.header(schema, &mut buffer);
            Encoder::Text {
                table,
                buffer,
                sink,
            }
        };
        let encoder = match encoding {
            Encoding::Parquet(codec) => {
                let properties = WriterProperties::builder()
                    .set_compression(*codec)
                    .set_statistics_enabled(EnabledStatistics::Chunk)
                    .set_created_by(concat!("vesicle dest-file ", env!("CARGO_PKG_VERSION")).into())
                    .build();
                let file = BufWriter::with_capacity(BUFFER, file);
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
                Encoder::Parquet(Box::new(writer.map_err(|error| failed(path, error))?))
            }
            Encoding::Csv {
                delimiter,
                null,
                gzip,
            } => text(
                file,
                Table::csv(*delimiter, null, schema.fields().len()),
                *gzip,
            ),
            Encoding::Jsonl { gzip } => text(file, Table::jsonl(), *gzip),
        };
        Ok(Self {
            path: path.to_owned(),
            schema: schema.clone(),
            encoder,
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    ///
    /// `schema` if they have other columns; what the file system says.
    pub fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let batch = conform(&self.schema, batch)?;
        match &mut self.encoder {
            Encoder::Parquet(writer) => {
                let written =
                    writer
                        .write(&batch)
                        .and_then(|()| match writer.memory_size() > ROW_GROUP {
                            true => writer.flush(),
                            false => Ok(()),
                        });
                written.map_err(|error| failed(&self.path, error))
            }
            Encoder::Text {
                table,
                buffer,
                sink,
            } => table.rows(&batch, buffer, |buffer| match buffer.len() >= BUFFER {
                true => drain(buffer, sink).map_err(|error| disk::failed(&self.path, error)),
                false => Ok(()),
            }),
        }
    }

    /// Ends the file and makes its contents durable; its size.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn close(self, disk: &Disk) -> Result<u64> {
        let path = self.path;
        let file = match self.encoder {
            Encoder::Parquet(writer) => {
                let buffered = writer.into_inner().map_err(|error| failed(&path, error))?;
                buffered
                    .into_inner()
                    .map_err(|error| disk::failed(&path, error.into_error()))?
            }
            Encoder::Text {
                mut buffer,
                mut sink,
                ..
            } => {
                let drained = drain(&mut buffer, &mut sink);
                let closed = drained.and_then(|()| match sink {
                    Sink::Plain(file) => Ok(file),
                    Sink::Gzip(encoder) => encoder.finish(),
                });
                closed.map_err(|error| disk::failed(&path, error))?
            }
        };
        disk.sync_file(&file, &path)?;
        Ok(file.written())
    }
}

fn drain(buffer: &mut Vec<u8>, sink: &mut Sink) -> io::Result<()> {
    match sink {
        Sink::Plain(file) => file.write_all(buffer)?,
        Sink::Gzip(encoder) => encoder.write_all(buffer)?,
    }
    buffer.clear();
    buffer.shrink_to(BUFFER * 2);
    Ok(())
}

/// Makes sure that a format can hold the columns.
///
/// # Errors
///
/// `schema` (`unsupported-type`), with the column.
pub fn check_schema(encoding: &Encoding, schema: &Schema) -> Result<()> {
    for field in schema.fields() {
        let fits = match encoding {
            Encoding::Parquet(_) => {
                let one = Schema::new(vec![field.clone()]);
                ArrowSchemaConverter::new().convert(&one).is_ok()
            }
            Encoding::Csv { .. } => text::fits(field.data_type(), Format::Csv),
            Encoding::Jsonl { .. } => text::fits(field.data_type(), Format::Jsonl),
        };
        if !fits {
            let format = encoding.format().word();
            let advice = match encoding {
                Encoding::Csv { .. } if text::fits(field.data_type(), Format::Jsonl) => {
                    "write jsonl or parquet, or drop the column"
                }
                _ => "drop the column, or change its type in a transform",
            };
            let message = format!(
                "column {:?} is of type {}, which {format} files cannot hold; {advice}",
                field.name(),
                Word(field.data_type())
            );
            return Err(Error::schema("unsupported-type", message));
        }
    }
    Ok(())
}

/// The rows with the columns of the load, in its order.
fn conform(schema: &SchemaRef, batch: RecordBatch) -> Result<RecordBatch> {
    if Arc::ptr_eq(schema, batch.schema_ref()) || schema == batch.schema_ref() {
        return Ok(batch);
    }
    let found = batch.schema_ref();
    let settled = untyped::settle(schema, found);
    shape::check_same(
        "the stream",
        "the load",
        schema,
        &settled,
        shape::BEGIN_ANEW,
    )?;
    // The check found all of them, and only untyped ones of another type.
    let columns = schema.fields().iter().filter_map(|field| {
        let column = batch.column_by_name(field.name())?;
        Some(match column.data_type() == field.data_type() {
            true => Ok(column.clone()),
            false => untyped::nulls(column, field),
        })
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let conformed = RecordBatch::try_new_with_options(schema.clone(), columns, &options);
    conformed.map_err(|error: ArrowError| Error::schema("other-columns", error.to_string()))
}

fn failed(path: &Path, error: ParquetError) -> Error {
    if let ParquetError::External(inner) = error {
        return match inner.downcast::<io::Error>() {
            Ok(error) => disk::failed(path, *error),
            Err(other) => Error::internal("parquet", format!("{}: {other}", path.display())),
        };
    }
    Error::internal("parquet", format!("{}: {error}", path.display()))
}
