//! The configuration, parsed.
//!
//! Invariant: an [`Options`] that exists can be acted on: the compression is
//! one the format has, the delimiter cannot be mistaken for a value.

use std::path::PathBuf;

use parquet::basic::{BrotliLevel, Compression as Codec, GzipLevel};
use serde::{Deserialize, Serialize};
use vesicle_connector::{Config, Error, Opt, Result, Spec, WriteMode};

use crate::dialect::Dialect;

/// The extensions of the files that are written.
pub const EXTENSIONS: [&str; 5] = ["parquet", "csv", "csv.gz", "jsonl", "jsonl.gz"];

/// What the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// An object a line.
    Jsonl,
}

impl Format {
    /// The word for it in the document.
    pub fn word(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// How files are written.
#[derive(Clone, Debug)]
pub enum Encoding {
    /// As Parquet, with a codec.
    Parquet(Codec),
    /// As CSV.
    Csv {
        /// Stands between fields.
        delimiter: u8,
        /// How NULL is spelled.
        null: String,
        /// Whether files are packed.
        gzip: bool,
    },
    /// As JSON Lines.
    Jsonl {
        /// Whether files are packed.
        gzip: bool,
    },
}

impl Encoding {
    /// What the files are.
    pub fn format(&self) -> Format {
        match self {
            Self::Parquet(_) => Format::Parquet,
            Self::Csv { .. } => Format::Csv,
            Self::Jsonl { .. } => Format::Jsonl,
        }
    }

    /// What text files have in common; Parquet files say themselves how they
    /// are packed.
    pub fn dialect(&self) -> Dialect {
        let packed = |gzip: bool| Some(if gzip { "gzip" } else { "none" }.to_owned());
        match self {
            Self::Parquet(_) => Dialect::default(),
            Self::Csv {
                delimiter,
                null,
                gzip,
            } => Dialect {
                compression: packed(*gzip),
                delimiter: Some(char::from(*delimiter).to_string()),
                null: Some(null.clone()),
            },
            Self::Jsonl { gzip } => Dialect {
                compression: packed(*gzip),
                ..Dialect::default()
            },
        }
    }

    /// The extension of the files.
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Parquet(_) => "parquet",
            Self::Csv { gzip: false, .. } => "csv",
            Self::Csv { gzip: true, .. } => "csv.gz",
            Self::Jsonl { gzip: false } => "jsonl",
            Self::Jsonl { gzip: true } => "jsonl.gz",
        }
    }
}

/// The configuration, parsed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds a folder for each stream.
    pub path: PathBuf,
    /// How files are written.
    pub encoding: Encoding,
}

impl Options {
    /// What the configuration says.
    ///
    /// # Errors
    ///
    /// `configuration`, with the key, for what it may not say.
    pub fn parse(config: &Config) -> Result<Self> {
        let path = PathBuf::from(config.required::<String>("path")?);
        let compression = config.get::<String>("compression")?;
        let compression = compression.as_deref();
        let encoding = match config.required::<String>("format")?.as_str() {
            "parquet" => Encoding::Parquet(codec(compression)?),
            "csv" => parse_csv(config, gzip(Format::Csv, compression)?)?,
            "jsonl" => Encoding::Jsonl {
                gzip: gzip(Format::Jsonl, compression)?,
            },
            other => {
                let message =
                    format!("format: {other:?} is not known; write parquet, csv or jsonl");
                return Err(Error::configuration("unknown-word", message));
            }
        };
        Ok(Self { path, encoding })
    }
}

/// What dest-file is and takes.
pub fn spec() -> Spec {
    let doc = "Writes Parquet, CSV and JSON Lines files, exactly once";
    Spec::new("dest-file", env!("CARGO_PKG_VERSION"), doc)
        .write_modes(&[WriteMode::Append, WriteMode::Replace])
        .option(
            Opt::directory("path")
                .required()
                .identity()
                .doc("The folder to write to; each stream gets a folder in it"),
        )
        .option(
            Opt::choice("format", &["parquet", "csv", "jsonl"])
                .required()
                .doc("What to write"),
        )
        .option(
            Opt::choice("compression", &["none", "snappy", "gzip", "lz4", "brotli"]).doc(
                "How files are compressed: Parquet any of these, snappy where it is left out; \
                 CSV and JSON Lines none or gzip, none where it is left out",
            ),
        )
        .option(
            Opt::text("delimiter")
                .default(",")
                .doc("What stands between the fields of a CSV file: one character, or \\t"),
        )
        .option(Opt::text("null").default("").doc(
            "How NULL is spelled in CSV files; text that is spelled so is quoted, also the empty \
             text",
        ))
}

fn codec(compression: Option<&str>) -> Result<Codec> {
    match compression {
        None | Some("snappy") => Ok(Codec::SNAPPY),
        Some("none") => Ok(Codec::UNCOMPRESSED),
        Some("gzip") => Ok(Codec::GZIP(GzipLevel::default())),
        Some("lz4") => Ok(Codec::LZ4_RAW),
        Some("brotli") => Ok(Codec::BROTLI(BrotliLevel::default())),
        Some(other) => {
            let known = "none, snappy, gzip, lz4 or brotli";
            Err(unknown_compression(Format::Parquet, other, known))
        }
    }
}

fn gzip(format: Format, compression: Option<&str>) -> Result<bool> {
    match compression {
        None | Some("none") => Ok(false),
        Some("gzip") => Ok(true),
        Some(other) => Err(unknown_compression(format, other, "none or gzip")),
    }
}

fn unknown_compression(format: Format, word: &str, known: &str) -> Error {
    let format = format.word();
    let message = format!("compression: {word:?} is not one of format {format}; write {known}");
    Error::configuration("unknown-compression", message)
}

fn parse_csv(config: &Config, gzip: bool) -> Result<Encoding> {
    let delimiter = config.get::<String>("delimiter")?;
    let delimiter = match delimiter.as_deref() {
        None => b',',
        Some("\\t" | "tab") => b'\t',
        Some(word) => parse_delimiter(word)?,
    };
    let null = config.get::<String>("null")?.unwrap_or_default();
    if null
        .bytes()
        .any(|byte| [delimiter, b'"', b'\n', b'\r'].contains(&byte))
    {
        let message = format!("null: {null:?} holds a delimiter, a quote or a line end");
        return Err(Error::configuration("bad-null", message));
    }
    Ok(Encoding::Csv {
        delimiter,
        null,
        gzip,
    })
}

fn parse_delimiter(word: &str) -> Result<u8> {
    let [byte] = word.as_bytes() else {
        let message = format!("delimiter: {word:?} is not one ASCII character");
        return Err(Error::configuration("not-one-character", message));
    };
    // Numbers, dates and base64 are written without quotes.
    let in_values = byte.is_ascii_alphanumeric() || b"+-.:/=\"\r\n".contains(byte);
    if in_values || !byte.is_ascii() {
        let message = format!(
            "delimiter: {word:?} cannot be told from values; write \",\", \";\", \"|\" or \\t"
        );
        return Err(Error::configuration("delimiter-in-values", message));
    }
    Ok(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(config: Value) -> Result<Options> {
        Options::parse(&Config::from_value(config, &spec())?)
    }

    #[test]
    fn compression_follows_the_format() {
        let extension = |config| parse(config).unwrap().encoding.extension();
        assert_eq!(
            extension(json!({ "path": "out", "format": "parquet" })),
            "parquet"
        );
        assert_eq!(extension(json!({ "path": "out", "format": "csv" })), "csv");
        let packed = json!({ "path": "out", "format": "jsonl", "compression": "gzip" });
        assert_eq!(extension(packed), "jsonl.gz");
        let error = parse(json!({ "path": "out", "format": "csv", "compression": "snappy" }));
        assert_eq!(
            error.unwrap_err().message,
            "compression: \"snappy\" is not one of format csv; write none or gzip"
        );
    }

    #[test]
    fn what_would_make_an_unreadable_file_is_refused() {
        let code = |key: &str, value: &str| {
            let mut config = json!({ "path": "out", "format": "csv" });
            config[key] = value.into();
            parse(config).unwrap_err().code
        };
        assert_eq!(code("delimiter", "-"), "delimiter-in-values");
        assert_eq!(code("delimiter", "::"), "not-one-character");
        assert_eq!(code("null", "a,b"), "bad-null");
    }
}
