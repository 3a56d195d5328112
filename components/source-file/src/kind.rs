//! The types a column of a text file can have.
//!
//! Invariant: every kind has one Arrow type and one name, and the name is
//! what the user writes under `columns`.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use vesicle_connector::{Error, Result, nearest};

/// The most digits a decimal column can hold.
const MAX_PRECISION: u8 = 38;

/// The type of a column of a CSV or JSON Lines file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `true` and `false`, also `True` and `TRUE`.
    Boolean,
    /// Whole numbers of 16 bits.
    Int16,
    /// Whole numbers of 32 bits.
    Int32,
    /// Whole numbers of 64 bits.
    Int64,
    /// Floating point numbers of 32 bits.
    Float32,
    /// Floating point numbers of 64 bits.
    Float64,
    /// Exact numbers: how many digits, and how many of them after the point.
    Decimal(u8, u8),
    /// UTF-8 text.
    Text,
    /// `2013-01-31`.
    Date,
    /// `23:59:59.999999`.
    Time,
    /// `2013-01-31T10:00:00` of no time zone, in microseconds.
    Timestamp,
    /// `2013-01-31T10:00:00Z` or with an offset: an instant, in microseconds.
    TimestampTz,
    /// Bytes, written in base64.
    Binary,
}

/// The names without parameters, as in the documentation.
const NAMES: [(&str, Kind); 12] = [
    ("boolean", Kind::Boolean),
    ("int16", Kind::Int16),
    ("int32", Kind::Int32),
    ("int64", Kind::Int64),
    ("float32", Kind::Float32),
    ("float64", Kind::Float64),
    ("text", Kind::Text),
    ("date", Kind::Date),
    ("time", Kind::Time),
    ("timestamp", Kind::Timestamp),
    ("timestamptz", Kind::TimestampTz),
    ("binary", Kind::Binary),
];

/// Other words for the same.
const ALIASES: [(&str, Kind); 10] = [
    ("bool", Kind::Boolean),
    ("smallint", Kind::Int16),
    ("int", Kind::Int64),
    ("integer", Kind::Int64),
    ("bigint", Kind::Int64),
    ("float", Kind::Float64),
    ("double", Kind::Float64),
    ("string", Kind::Text),
    ("varchar", Kind::Text),
    ("bytes", Kind::Binary),
];

impl Kind {
    /// The kind that a word under `columns` means.
    ///
    /// # Errors
    ///
    /// `configuration` (`unknown-type`) for any other word.
    pub fn parse(column: &str, word: &str) -> Result<Self> {
        let lower = word.trim().to_ascii_lowercase();
        let known = NAMES.iter().chain(&ALIASES);
        if let Some((_, kind)) = known.clone().find(|(name, _)| *name == lower) {
            return Ok(*kind);
        }
        if let Some(decimal) = parse_decimal(&lower) {
            return decimal.ok_or_else(|| {
                let message = format!(
                    "columns: {column}: {word:?} is not a decimal this connector can hold; \
                     write decimal(precision, scale) with a precision of 1 to {MAX_PRECISION} \
                     and a scale no larger than that"
                );
                Error::configuration("bad-decimal", message)
            });
        }
        let hint = match nearest(&lower, known.map(|(name, _)| *name)) {
            Some(name) => format!("; did you mean {name:?}?"),
            None => ".".to_owned(),
        };
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "columns: {column}: unknown type {word:?}{hint} The types are {} and \
             decimal(precision, scale)",
            names.join(", ")
        );
        Err(Error::configuration("unknown-type", message))
    }

    /// The Arrow type of its values.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            // The scale is at most 38.
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale as i8),
            Self::Text => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
            Self::Binary => DataType::Binary,
        }
    }

    /// Bytes a value takes in a batch, the contents of texts apart.
    pub fn width(self) -> usize {
        match self {
            Self::Boolean => 1,
            Self::Int16 => 2,
            Self::Int32 | Self::Float32 | Self::Date | Self::Text | Self::Binary => 4,
            Self::Decimal(..) => 16,
            Self::Int64 | Self::Float64 | Self::Time | Self::Timestamp | Self::TimestampTz => 8,
        }
    }

    /// Whether values take as much room as they have characters.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Decimal(precision, scale) = self {
            return write!(f, "decimal({precision},{scale})");
        }
        let name = NAMES.iter().find(|(_, kind)| kind == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// The decimal that `decimal(p,s)`, `decimal(p)` or `numeric(…)` means: none
/// if it is not meant to be one, none inside if it cannot be one.
fn parse_decimal(word: &str) -> Option<Option<Kind>> {
    let rest = ["decimal", "numeric"]
        .iter()
        .find_map(|name| word.strip_prefix(name))?;
    let inside = rest
        .trim()
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let decimal = inside.and_then(|inside| {
        let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
        let precision: u8 = precision.trim().parse().ok()?;
        let scale: u8 = scale.trim().parse().ok()?;
        let fits = (1..=MAX_PRECISION).contains(&precision) && scale <= precision;
        fits.then_some(Kind::Decimal(precision, scale))
    });
    Some(decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_name_and_by_its_usual_other_names() {
        assert_eq!(Kind::parse("a", "int64").unwrap(), Kind::Int64);
        assert_eq!(Kind::parse("a", " String ").unwrap(), Kind::Text);
        assert_eq!(
            Kind::parse("a", "decimal(10, 2)").unwrap(),
            Kind::Decimal(10, 2)
        );
        assert_eq!(Kind::parse("a", "numeric(5)").unwrap(), Kind::Decimal(5, 0));
        assert_eq!(Kind::Decimal(10, 2).to_string(), "decimal(10,2)");
    }

    #[test]
    fn a_mistyped_type_is_refused_with_the_nearest_one() {
        let error = Kind::parse("price", "flaot64").unwrap_err();
        assert!(
            error
                .message
                .starts_with("columns: price: unknown type \"flaot64\"; did you mean \"float64\"?"),
            "{error}"
        );
    }

    #[test]
    fn a_decimal_that_cannot_be_held_is_refused() {
        for word in ["decimal", "decimal(39,2)", "decimal(2,3)", "decimal(x)"] {
            assert_eq!(
                Kind::parse("a", word).unwrap_err().code,
                "bad-decimal",
                "{word}"
            );
        }
    }
}
