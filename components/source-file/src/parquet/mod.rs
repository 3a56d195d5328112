//! Parquet files, by row groups.
//!
//! Their own types are kept. Codecs that need C are not read (ZSTD, LZO).

mod reader;
mod storage;
mod survey;

pub use reader::ParquetReader;
pub use survey::survey;
