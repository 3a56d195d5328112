//! The types of columns in the words that users write for them.
//!
//! They are those under `columns` of source-file, and `list of …`, `struct` and
//! the like for what no word can be written for. Several Arrow types have one
//! word, as they hold the same values.

use std::fmt;

use arrow_schema::DataType;

/// A type as its word.
pub struct Word<'a>(pub &'a DataType);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DataType as T;
        let word = match self.0 {
            T::Null => "null",
            T::Boolean => "boolean",
            T::Int8 => "int8",
            T::Int16 => "int16",
            T::Int32 => "int32",
            T::Int64 => "int64",
            T::UInt8 => "uint8",
            T::UInt16 => "uint16",
            T::UInt32 => "uint32",
            T::UInt64 => "uint64",
            T::Float16 => "float16",
            T::Float32 => "float32",
            T::Float64 => "float64",
            T::Utf8 | T::LargeUtf8 | T::Utf8View => "text",
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => "binary",
            T::Date32 | T::Date64 => "date",
            T::Time32(_) | T::Time64(_) => "time",
            T::Timestamp(_, None) => "timestamp",
            T::Timestamp(_, Some(_)) => "timestamptz",
            T::Duration(_) => "duration",
            T::Interval(_) => "interval",
            T::Struct(_) => "struct",
            T::Union(..) => "union",
            T::Decimal32(precision, scale)
            | T::Decimal64(precision, scale)
            | T::Decimal128(precision, scale)
            | T::Decimal256(precision, scale) => {
                return write!(f, "decimal({precision},{scale})");
            }
            T::List(item)
            | T::LargeList(item)
            | T::FixedSizeList(item, _)
            | T::ListView(item)
            | T::LargeListView(item) => {
                return write!(f, "list of {}", Word(item.data_type()));
            }
            T::Map(entries, _) => {
                return match entries.data_type() {
                    T::Struct(pair) if pair.len() == 2 => {
                        let (key, value) = (pair[0].data_type(), pair[1].data_type());
                        write!(f, "map of {} to {}", Word(key), Word(value))
                    }
                    _ => f.write_str("map"),
                };
            }
            T::Dictionary(_, value) => return Word(value).fmt(f),
            T::RunEndEncoded(_, values) => return Word(values.data_type()).fmt(f),
        };
        f.write_str(word)
    }
}

/// Two types that differ, each as its word, and as Arrow names it too if they
/// have the same word.
pub fn tell_apart(one: &DataType, other: &DataType) -> (String, String) {
    let (first, second) = (Word(one).to_string(), Word(other).to_string());
    if first == second {
        return (format!("{first} ({one})"), format!("{second} ({other})"));
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow_schema::{Field, TimeUnit};

    #[test]
    fn a_type_is_called_what_users_write_for_it() {
        let word = |kind: &DataType| Word(kind).to_string();
        let field = |kind| Arc::new(Field::new("a", kind, true));
        assert_eq!(word(&DataType::Utf8), "text");
        assert_eq!(word(&DataType::Date32), "date");
        assert_eq!(word(&DataType::Decimal128(10, 2)), "decimal(10,2)");
        assert_eq!(
            word(&DataType::Timestamp(
                TimeUnit::Microsecond,
                Some("UTC".into())
            )),
            "timestamptz"
        );
        let list = DataType::List(field(DataType::Int64));
        assert_eq!(word(&list), "list of int64");
        let pair = DataType::Struct(vec![field(DataType::Utf8), field(list)].into());
        assert_eq!(word(&pair), "struct");
        let map = DataType::Map(field(pair), false);
        assert_eq!(word(&map), "map of text to list of int64");
        let code = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        assert_eq!(word(&code), "text");
    }

    #[test]
    fn types_of_one_word_are_told_apart_by_their_arrow_names() {
        assert_eq!(
            tell_apart(&DataType::Float64, &DataType::Utf8),
            ("float64".to_owned(), "text".to_owned())
        );
        assert_eq!(
            tell_apart(&DataType::LargeUtf8, &DataType::Utf8),
            ("text (LargeUtf8)".to_owned(), "text (Utf8)".to_owned())
        );
    }
}
