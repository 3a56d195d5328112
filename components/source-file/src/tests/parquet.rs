//! What Parquet files mean.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;
use vesicle_connector::testing::{self, block_on};
use vesicle_connector::{Category, StreamRequest};

use super::{Files, columns, fails, failure, read, rows};
use crate::FileSource;

/// Some rows in groups of five, and a group of one.
fn file(from: i64, count: i64, compression: Compression) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + count));
    let names = (from..from + count).map(|id| (id % 3 > 0).then(|| format!("name {id}")));
    let names: ArrayRef = Arc::new(StringArray::from_iter(names));
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
    write(&batch, compression)
}

fn write(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(5))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn expected(from: i64, count: i64) -> Vec<String> {
    let name = |id: i64| {
        if id % 3 > 0 {
            format!("{id}|name {id}")
        } else {
            format!("{id}|∅")
        }
    };
    (from..from + count).map(name).collect()
}

#[test]
fn rows_are_read_by_groups_with_every_codec_that_needs_no_c() {
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
    ] {
        let (_files, config) = Files::with("a.parquet", file(0, 16, codec));
        let output = read(&config);
        assert_eq!(columns(&output), ["id: Int64", "name: Utf8"]);
        assert_eq!(rows(&output), expected(0, 16), "{codec}");
        assert!(output.checkpoints().len() > 4, "{:?}", output.checkpoints());
    }
}

#[test]
fn several_files_and_a_projection_are_read() {
    let files = Files::new();
    let one = files.add("1.parquet", file(0, 7, Compression::SNAPPY));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values([7]));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(["name 7"]));
    let other = RecordBatch::try_from_iter([("name", names), ("id", ids)]).unwrap();
    let two = files.add("2.parquet", write(&other, Compression::SNAPPY));
    let config = json!({ "path": [one, two] });
    assert_eq!(rows(&read(&config)), expected(0, 8));
    let mut request = StreamRequest::new("any");
    request.columns = vec!["name".to_owned()];
    let output = block_on(testing::read::<FileSource>(config.clone(), &request)).unwrap();
    assert_eq!(rows(&output)[..2], ["∅", "name 1"]);
    block_on(testing::assert_resumable::<FileSource>(config, &request)).unwrap();
}

#[test]
fn files_of_other_types_are_refused() {
    let files = Files::new();
    let one = files.add("1.parquet", file(0, 1, Compression::SNAPPY));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(["7"]));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(["x"]));
    let other = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
    let two = files.add("2.parquet", write(&other, Compression::SNAPPY));
    assert_eq!(
        files.clean(&fails(&json!({ "path": [one, two] })).message),
        "2.parquet: column \"id\" is of type Utf8, in 1.parquet it is Int64; the files of one \
         stream need the same columns"
    );
}

#[test]
fn what_is_not_parquet_or_is_cut_off_is_refused() {
    let whole = file(0, 16, Compression::SNAPPY);
    let contents = [
        &b""[..],
        b"a,b\n1,2\n",
        &whole[..whole.len() - 1],
        &whole[20..whole.len() - 9],
    ];
    for contents in contents {
        let message = failure("a.parquet", contents);
        assert!(
            message.starts_with("a.parquet: not a Parquet file, or one that is cut off"),
            "{message}"
        );
    }
}

#[test]
fn a_damaged_page_is_named_by_its_row_group() {
    let mut contents = file(0, 16, Compression::SNAPPY);
    for byte in &mut contents[60..90] {
        *byte ^= 0x5a;
    }
    let (files, config) = Files::with("a.parquet", contents);
    let error = fails(&config);
    assert_eq!(error.category, Category::Data);
    assert!(
        files.clean(&error.message).starts_with("a.parquet"),
        "{error}"
    );
}

#[test]
fn a_codec_that_needs_c_is_named() {
    let mut contents = file(0, 1, Compression::SNAPPY);
    // The footer names the codec of each column chunk: field 4, an i32 in zigzag.
    let zstd = [0x15, 0x0c];
    let snappy = [0x15, 0x02];
    let footer = contents.len()
        - 8
        - u32::from_le_bytes(
            contents[contents.len() - 8..contents.len() - 4]
                .try_into()
                .unwrap(),
        ) as usize;
    let chunk = |bytes: &[u8], from: usize| {
        // After the path of the column ("id") comes the codec.
        let part = bytes[from..].windows(3).position(|part| part == b"\x02id");
        part.unwrap() + from
    };
    let mut from = footer;
    // The schema names the column first, the column chunk second.
    for _ in 0..2 {
        from = chunk(&contents, from) + 3;
    }
    assert_eq!(contents[from..from + 2], snappy);
    contents[from..from + 2].copy_from_slice(&zstd);
    assert_eq!(
        failure("a.parquet", contents),
        "a.parquet: column \"id\" is compressed with ZSTD, which source-file does not read; write \
         the file again with compression none, snappy, gzip, brotli or lz4"
    );
}
