//! Which Arrow type a PostgreSQL type becomes, and which one it came from.
//!
//! Invariants: every type that [`Type`] holds has a field; the field's metadata
//! names the type exactly, so that [`type_of`] gives back what [`field`] took.
//!
//! `numeric` becomes text by default. A decimal has no NaN and no infinity,
//! which every `numeric` may hold but for the infinities of one with a limit,
//! and a `numeric` without limit has no scale; a load must not fail for that
//! after hours. Who knows better asks for [`Numeric::Decimal`].

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use vesicle_connector::{Error, Result};

use crate::catalog::Column;
use crate::types::{Scalar, Type};

/// The key of a field's metadata that holds the exact PostgreSQL type.
pub const TYPE_KEY: &str = "vesicle:postgres";

/// The key of a field's metadata that holds an enum's labels, as SQL literals
/// with commas between them.
pub const LABELS_KEY: &str = "vesicle:postgres-labels";

/// What a `numeric` becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numeric {
    /// Text in canonical form; nothing is lost.
    #[default]
    Text,
    /// A 128-bit decimal where precision and scale allow it, text elsewhere;
    /// NaN is an error.
    Decimal,
}

/// The choices there are in mapping to Arrow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What a `numeric` becomes.
    pub numeric: Numeric,
}

/// The schema of record batches with these columns.
pub fn schema(columns: &[Column], options: Options) -> Schema {
    Schema::new(
        columns
            .iter()
            .map(|column| field(column, options))
            .collect::<Vec<_>>(),
    )
}

/// The field of a column.
pub fn field(column: &Column, options: Options) -> Field {
    let scalar = scalar_type(column.r#type.scalar(), options);
    let kind = match column.r#type {
        Type::Scalar(_) => scalar,
        Type::Array(_) => DataType::List(Arc::new(Field::new_list_field(scalar, true))),
    };
    let mut metadata = HashMap::from([(TYPE_KEY.to_owned(), column.r#type.to_string())]);
    if let Scalar::Enum(it) = column.r#type.scalar() {
        metadata.insert(LABELS_KEY.to_owned(), literals(&it.labels));
    }
    Field::new(&column.name, kind, column.nullable).with_metadata(metadata)
}

/// The Arrow type of a value.
pub(crate) fn scalar_type(scalar: &Scalar, options: Options) -> DataType {
    match scalar {
        Scalar::Bool => DataType::Boolean,
        Scalar::Int2 => DataType::Int16,
        Scalar::Int4 => DataType::Int32,
        Scalar::Int8 | Scalar::Money => DataType::Int64,
        Scalar::Oid | Scalar::Xid | Scalar::Cid => DataType::UInt32,
        Scalar::Xid8 | Scalar::PgLsn => DataType::UInt64,
        Scalar::Float4 => DataType::Float32,
        Scalar::Float8 => DataType::Float64,
        Scalar::Bytea => DataType::Binary,
        Scalar::Date => DataType::Date32,
        Scalar::Time(_) => DataType::Time64(TimeUnit::Microsecond),
        Scalar::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Scalar::TimestampTz(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Scalar::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        Scalar::Numeric(limit) => match decimal(*limit, options) {
            Some((precision, scale)) => DataType::Decimal128(precision, scale),
            None => DataType::Utf8,
        },
        _ => DataType::Utf8,
    }
}

/// Precision and scale of the decimal that a `numeric` becomes, if it does.
pub(crate) fn decimal(limit: Option<(u16, i16)>, options: Options) -> Option<(u8, i8)> {
    match limit {
        Some((precision @ 1..=38, scale))
            if options.numeric == Numeric::Decimal && (0..=precision as i16).contains(&scale) =>
        {
            Some((precision as u8, scale as i8))
        }
        _ => None,
    }
}

/// The PostgreSQL type of a column made for this field: the one its metadata
/// names or, without, the one that holds every value of the Arrow type.
///
/// # Errors
///
/// `unsupported` if there is none.
pub fn type_of(field: &Field) -> Result<Type> {
    let refuse = |why: String| {
        Error::unsupported(
            "unsupported-type",
            format!("column {:?} {why}", field.name()),
        )
    };
    if let Some(name) = field.metadata().get(TYPE_KEY) {
        let labels = field.metadata().get(LABELS_KEY);
        let labels = labels.map(|list| parse_literals(list)).map(|list| {
            list.ok_or_else(|| refuse(format!("has metadata {LABELS_KEY:?} that cannot be read")))
        });
        return Type::parse(name, labels.transpose()?.as_deref())
            .map_err(|error| error.context(format!("column {:?}", field.name())));
    }
    let element = match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            natural(item.data_type()).map(Type::Array)
        }
        other => natural(other).map(Type::Scalar),
    };
    element.ok_or_else(|| {
        let kind = field.data_type();
        refuse(format!(
            "has the Arrow type {kind}, for which PostgreSQL has none: make it text, or leave it out"
        ))
    })
}

/// The narrowest type that holds every value of the Arrow type.
fn natural(kind: &DataType) -> Option<Scalar> {
    Some(match kind {
        DataType::Boolean => Scalar::Bool,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Scalar::Int2,
        DataType::UInt16 | DataType::Int32 => Scalar::Int4,
        DataType::UInt32 | DataType::Int64 => Scalar::Int8,
        DataType::UInt64 => Scalar::Numeric(Some((20, 0))),
        DataType::Float16 | DataType::Float32 => Scalar::Float4,
        DataType::Float64 => Scalar::Float8,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            Scalar::Numeric(Some((u16::from(*precision), i16::from(*scale))))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Scalar::Text,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Scalar::Bytea,
        DataType::Date32 | DataType::Date64 => Scalar::Date,
        DataType::Time32(_) | DataType::Time64(_) => Scalar::Time(None),
        DataType::Timestamp(_, None) => Scalar::Timestamp(None),
        DataType::Timestamp(_, Some(_)) => Scalar::TimestampTz(None),
        DataType::Interval(_) => Scalar::Interval("".into()),
        DataType::Dictionary(_, values) => return natural(values),
        _ => return None,
    })
}

/// SQL literals with commas between them.
pub(crate) fn literals(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', "''")));
    quoted.collect::<Vec<_>>().join(", ")
}

fn parse_literals(list: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let mut word = String::new();
        rest = rest.strip_prefix('\'')?;
        loop {
            let (part, after) = rest.split_once('\'')?;
            word.push_str(part);
            match after.strip_prefix('\'') {
                Some(after) => {
                    word.push('\'');
                    rest = after;
                }
                None => {
                    rest = after;
                    break;
                }
            }
        }
        words.push(word);
        if !rest.is_empty() {
            rest = rest.strip_prefix(", ")?;
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_quotes_and_commas_survive_in_metadata() {
        for words in [vec![], vec!["it's", "a, b", "", "''"], vec!["one"]] {
            let words: Vec<String> = words.into_iter().map(String::from).collect();
            assert_eq!(parse_literals(&literals(&words)), Some(words));
        }
        assert_eq!(parse_literals("'open"), None);
    }

    #[test]
    fn a_numeric_becomes_a_decimal_only_where_asked_and_where_it_fits() {
        let of = |limit, numeric| scalar_type(&Scalar::Numeric(limit), Options { numeric });
        assert_eq!(of(Some((10, 2)), Numeric::Text), DataType::Utf8);
        assert_eq!(
            of(Some((10, 2)), Numeric::Decimal),
            DataType::Decimal128(10, 2)
        );
        for limit in [None, Some((39, 2)), Some((10, -2)), Some((3, 5))] {
            assert_eq!(of(limit, Numeric::Decimal), DataType::Utf8);
        }
    }
}
