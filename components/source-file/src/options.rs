//! The configuration, parsed.
//!
//! Invariant: an [`Options`] that exists can be acted on: all files are of one
//! format, the delimiter is a byte, the declared types exist.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vesicle_connector::{Config, Error, Opt, Result, Spec, SyncMode};

use crate::csv::Dialect;
use crate::input::Compression;
use crate::kind::Kind;
use crate::nulls::NullSet;
use crate::sample::Budget;

/// The spellings of NULL where the user names none.
const NULLS: [&str; 6] = ["", "NA", "N/A", "NULL", "null", "\\N"];

/// How many rows are looked at where the user does not say.
const SAMPLE_ROWS: u64 = 10_000;

/// What the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// An object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// The configuration, parsed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The files, in the order they are read; at least one.
    pub paths: Vec<String>,
    /// What they are.
    pub format: Format,
    /// How they are packed.
    pub compression: Compression,
    /// How CSV files are written.
    pub dialect: Dialect,
    /// The spellings of NULL in CSV files.
    pub nulls: NullSet,
    /// The columns whose types the user declares.
    pub declared: Vec<(String, Kind)>,
    /// How many rows of each file types are inferred from.
    pub sample_rows: u64,
    /// Whether a row that cannot be read is left out and told of, rather than
    /// an error.
    pub rejects: bool,
    /// Everything above but the paths and that, for telling one reading from another.
    pub identity: String,
}

impl Options {
    /// What the configuration says.
    ///
    /// # Errors
    ///
    /// `configuration`, with the key, for what it may not say.
    pub fn parse(config: &Config) -> Result<Self> {
        let paths = config.required::<Words>("path")?.0;
        if paths.is_empty() {
            return Err(Error::configuration("no-files", "path: it names no file"));
        }
        let format = match config.get::<String>("format")?.as_deref() {
            None | Some("auto") => format_of_all(&paths)?,
            Some("csv") => Format::Csv,
            Some("jsonl") => Format::Jsonl,
            Some("parquet") => Format::Parquet,
            Some(other) => return Err(unknown("format", other, "auto, csv, jsonl or parquet")),
        };
        let compression = match config.get::<String>("compression")?.as_deref() {
            None | Some("auto") => Compression::Auto,
            Some("none") => Compression::None,
            Some("gzip") => Compression::Gzip,
            Some(other) => return Err(unknown("compression", other, "auto, none or gzip")),
        };
        let nulls = config.get::<Words>("null_values")?;
        let nulls = nulls.map_or_else(|| NULLS.map(str::to_owned).to_vec(), |words| words.0);
        let dialect = parse_dialect(config, &paths)?;
        let columns = config
            .get::<Map<String, Value>>("columns")?
            .unwrap_or_default();
        let declared = parse_columns(&columns)?;
        if format == Format::Parquet && !declared.is_empty() {
            let message = "columns: Parquet files say themselves which types their columns have; \
                           remove it, or change types in a transform";
            return Err(Error::configuration("columns-of-parquet", message));
        }
        let sample_rows = config.get::<u64>("sample_rows")?.unwrap_or(SAMPLE_ROWS);
        let Dialect {
            delimiter,
            quote,
            header,
            assumed: _,
        } = dialect;
        let identity = format!(
            "{format:?} {compression:?} {delimiter} {quote:?} {header} {nulls:?} {declared:?} \
             {sample_rows}"
        );
        Ok(Self {
            paths,
            format,
            compression,
            dialect,
            nulls: NullSet::new(&nulls),
            declared,
            sample_rows,
            rejects: false,
            identity,
        })
    }

    /// How much of a file may be looked at to infer types.
    pub fn sample_budget(&self) -> Budget {
        Budget::of_rows(self.sample_rows)
    }
}

/// What source-file is and takes.
pub fn spec() -> Spec {
    let doc = "Reads CSV, JSON Lines and Parquet files";
    Spec::new("source-file", env!("CARGO_PKG_VERSION"), doc)
        .sync_modes(&[SyncMode::FullRefresh])
        .option(
            Opt::files("path")
                .required()
                .identity()
                .doc("The files to read: a path, a glob, or a list of either"),
        )
        .option(
            Opt::choice("format", &["auto", "csv", "jsonl", "parquet"])
                .default("auto")
                .doc("What the files are; auto goes by their extension"),
        )
        .option(
            Opt::choice("compression", &["auto", "none", "gzip"])
                .default("auto")
                .doc("How CSV and JSON Lines files are packed; auto goes by their first bytes"),
        )
        .option(Opt::text("delimiter").doc(
            "What stands between the fields of a CSV file: one character, or \\t; a comma, and \
             a tab in .tsv files, where it is left out",
        ))
        .option(
            Opt::text("quote")
                .default("\"")
                .doc("What stands around fields of a CSV file; empty if quotes mean nothing"),
        )
        .option(Opt::boolean("header").default(true).doc(
            "Whether the first line of a CSV file names its columns; if not they are column_1, \
             column_2 and so on",
        ))
        .option(Opt::texts("null_values").default(json!(NULLS)).doc(
            "How NULL is spelled in CSV files; quoted, such a spelling is text in text columns",
        ))
        .option(Opt::mapping("columns").doc(
            "Columns of CSV and JSON Lines files and their types, where they should not be \
             inferred: { zip: text, price: decimal(10,2) }",
        ))
        .option(
            Opt::integer("sample_rows").default(SAMPLE_ROWS).doc(
                "From how many rows of each file types are inferred; with 0 all columns are text",
            ),
        )
}

/// A word or a list of words.
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) => Ok(Self(vec![word])),
            list => Vec::deserialize(list)
                .map(Self)
                .map_err(serde::de::Error::custom),
        }
    }
}

fn unknown(key: &str, word: &str, known: &str) -> Error {
    Error::configuration(
        "unknown-word",
        format!("{key}: {word:?} is not known; write {known}"),
    )
}

fn format_of_all(paths: &[String]) -> Result<Format> {
    let first = format_of(&paths[0])?;
    for path in &paths[1..] {
        if format_of(path)? != first {
            let message = format!(
                "path: {} and {path} are of different formats; read them as two streams of two \
                 sources, or say format: if only the extension differs",
                paths[0]
            );
            return Err(Error::configuration("mixed-formats", message));
        }
    }
    Ok(first)
}

/// The format that a file's name says.
fn format_of(path: &str) -> Result<Format> {
    match extension(path).as_str() {
        "csv" | "tsv" => Ok(Format::Csv),
        "jsonl" | "ndjson" | "json" => Ok(Format::Jsonl),
        "parquet" | "pq" | "parq" => Ok(Format::Parquet),
        _ => {
            let message = format!(
                "{path}: the extension does not say what it is; say format: csv, format: jsonl \
                 or format: parquet"
            );
            Err(Error::configuration("unknown-extension", message))
        }
    }
}

/// The extension of a file in small letters, `.gz` apart.
fn extension(path: &str) -> String {
    let lower = path.to_ascii_lowercase();
    let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
    let name = plain.rsplit('/').next().unwrap_or(plain);
    name.rsplit_once('.')
        .map_or("", |(_, extension)| extension)
        .to_owned()
}

fn parse_dialect(config: &Config, paths: &[String]) -> Result<Dialect> {
    let named = config.get::<String>("delimiter")?;
    let assumed = named.is_none();
    let delimiter = match named {
        Some(word) => parse_delimiter(&word)?,
        None if extension(&paths[0]) == "tsv" => b'\t',
        None => b',',
    };
    let quote = match config.get::<String>("quote")?.as_deref() {
        None => Some(b'"'),
        Some("") => None,
        Some(word) => Some(one_byte("quote", word)?),
    };
    if quote == Some(delimiter) {
        let message = "delimiter and quote are the same character; they must differ";
        return Err(Error::configuration("delimiter-is-quote", message));
    }
    let header = config.get::<bool>("header")?.unwrap_or(true);
    Ok(Dialect {
        delimiter,
        quote,
        header,
        assumed,
    })
}

fn parse_delimiter(word: &str) -> Result<u8> {
    match word {
        "\\t" | "tab" => Ok(b'\t'),
        word => one_byte("delimiter", word),
    }
}

fn one_byte(key: &str, word: &str) -> Result<u8> {
    match word.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => {
            let message = format!("{key}: {word:?} is not one ASCII character");
            Err(Error::configuration("not-one-character", message))
        }
    }
}

fn parse_columns(columns: &Map<String, Value>) -> Result<Vec<(String, Kind)>> {
    let parse = |(name, word): (&String, &Value)| match word {
        Value::String(word) => Ok((name.clone(), Kind::parse(name, word)?)),
        other => {
            let message = format!("columns: {name}: {other} is not the name of a type");
            Err(Error::configuration("unknown-type", message))
        }
    };
    columns.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(config: Value) -> Result<Options> {
        Options::parse(&Config::from_value(config, &spec())?)
    }

    #[test]
    fn the_format_follows_the_extension() {
        let format = |path: &str| parse(json!({ "path": [path] })).map(|options| options.format);
        assert_eq!(format("a/b.CSV").unwrap(), Format::Csv);
        assert_eq!(format("b.csv.gz").unwrap(), Format::Csv);
        assert_eq!(format("b.ndjson").unwrap(), Format::Jsonl);
        assert_eq!(format("b.json.gz").unwrap(), Format::Jsonl);
        assert_eq!(format("b.parquet").unwrap(), Format::Parquet);
        let message = format("a.csv/b.dat").unwrap_err().message;
        assert!(
            message.starts_with("a.csv/b.dat: the extension does not say"),
            "{message}"
        );
    }

    #[test]
    fn a_tab_can_be_spelled() {
        let delimiter = |config| parse(config).unwrap().dialect.delimiter;
        assert_eq!(
            delimiter(json!({ "path": "a.csv", "delimiter": "\\t" })),
            b'\t'
        );
        assert_eq!(
            delimiter(json!({ "path": "a.csv", "delimiter": "\t" })),
            b'\t'
        );
        assert_eq!(delimiter(json!({ "path": "a.tsv" })), b'\t');
        assert_eq!(
            delimiter(json!({ "path": "a.tsv", "delimiter": ";" })),
            b';'
        );
    }

    #[test]
    fn what_cannot_be_acted_on_is_refused() {
        let code = |config| parse(config).unwrap_err().code;
        assert_eq!(code(json!({ "path": [] })), "no-files");
        assert_eq!(
            code(json!({ "path": ["a.csv", "b.parquet"] })),
            "mixed-formats"
        );
        assert_eq!(
            code(json!({ "path": "a.csv", "delimiter": "::" })),
            "not-one-character"
        );
        assert_eq!(
            code(json!({ "path": "a.csv", "delimiter": "\"" })),
            "delimiter-is-quote"
        );
        assert_eq!(
            code(json!({ "path": "a.pq", "columns": { "a": "text" } })),
            "columns-of-parquet"
        );
        assert_eq!(
            code(json!({ "path": "a.csv", "columns": { "a": 5 } })),
            "unknown-type"
        );
    }
}
