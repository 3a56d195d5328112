//! The columns of Parquet files, and whether they can be read.

use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use vesicle_connector::{Error, Result};

use super::storage::Storage;
use crate::blame;
use crate::layout::same_names;

/// The codecs that are read.
const CODECS: &str = "none, snappy, gzip, brotli or lz4";

/// The columns that all files have, with the first one's order.
///
/// # Errors
///
/// `data` for a file that is not Parquet; `unsupported` for one with a codec
/// that is not read; `schema` for files of different columns.
pub fn survey(paths: &[String]) -> Result<Schema> {
    let first = load(&paths[0])?.0;
    let mut fields: Vec<Field> = first
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    for path in &paths[1..] {
        let other = load(path)?.0;
        let names = |schema: &SchemaRef| -> Vec<String> {
            schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect()
        };
        let (expected, found) = (names(&first), names(&other));
        let (expected, found) = (expected.iter(), found.iter());
        same_names(
            &paths[0],
            path,
            expected.map(String::as_str),
            found.map(String::as_str),
        )?;
        for field in &mut fields {
            let other = other.field_with_name(field.name())?;
            if other.data_type() != field.data_type() {
                let message = format!(
                    "{path}: column {:?} is of type {}, in {} it is {}; the files of one stream \
                     need the same columns",
                    field.name(),
                    other.data_type(),
                    paths[0],
                    field.data_type()
                );
                return Err(Error::schema("other-type", message));
            }
            field.set_nullable(field.is_nullable() || other.is_nullable());
        }
    }
    Ok(Schema::new(fields))
}

/// The schema and the footer of a file.
///
/// # Errors
///
/// `data` for a file that is not Parquet; `unsupported` for a codec.
pub fn load(path: &str) -> Result<(SchemaRef, Arc<ArrowReaderMetadata>, Storage)> {
    let storage = Storage::open(path).map_err(|error| blame::io(path, error))?;
    let metadata = ArrowReaderMetadata::load(&storage, Default::default());
    let metadata = metadata.map_err(|error| not_parquet(path, &error))?;
    check_codecs(path, &metadata)?;
    Ok((metadata.schema().clone(), Arc::new(metadata), storage))
}

fn check_codecs(path: &str, metadata: &ArrowReaderMetadata) -> Result<()> {
    let groups = metadata.metadata().row_groups().iter();
    for column in groups.flat_map(|group| group.columns()) {
        match column.compression() {
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::BROTLI(_)
            | Compression::LZ4
            | Compression::LZ4_RAW => {}
            other => {
                let name = other.to_string();
                let codec = name.split('(').next().unwrap_or(&name);
                let message = format!(
                    "{path}: column {:?} is compressed with {codec}, which source-file does not \
                     read; write the file again with compression {CODECS}",
                    column.column_path().string()
                );
                return Err(Error::unsupported("codec", message));
            }
        }
    }
    Ok(())
}

/// What a file says that cannot be read.
pub fn not_parquet(path: &str, error: &ParquetError) -> Error {
    let message = format!(
        "{path}: not a Parquet file, or one that is cut off ({error}); write it again, or set \
         format if it is something else"
    );
    Error::data("bad-parquet", message)
}
