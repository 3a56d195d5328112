//! The types that PostgreSQL's columns have, and their names.
//!
//! Invariant: a type's name, as [`Display`](fmt::Display) writes it, is what
//! `format_type` gives for it, and [`Type::parse`] reads it back, so that a
//! column made with that name has the same type. Enums alone need their labels
//! beside the name.

use std::fmt;
use std::sync::Arc;

use vesicle_connector::{Error, Result};

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// One value.
    Scalar(Scalar),
    /// An array of values; PostgreSQL does not fix how many dimensions it has.
    Array(Scalar),
}

/// The type of a single value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PostgreSQL's own")]
pub enum Scalar {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Xid,
    Cid,
    Xid8,
    PgLsn,
    Float4,
    Float8,
    Money,
    /// Precision and scale, if they are limited.
    Numeric(Option<(u16, i16)>),
    Text,
    Citext,
    /// The greatest number of characters, if it is limited.
    Varchar(Option<u32>),
    /// `character(n)`; without a number it is `bpchar`, which has no limit.
    Bpchar(Option<u32>),
    Name,
    /// `"char"`, a single byte.
    Char,
    Bytea,
    Date,
    /// Digits of the fraction of a second, if they are limited.
    Time(Option<u8>),
    /// Digits of the fraction of a second, if they are limited.
    TimeTz(Option<u8>),
    /// Digits of the fraction of a second, if they are limited.
    Timestamp(Option<u8>),
    /// Digits of the fraction of a second, if they are limited.
    TimestampTz(Option<u8>),
    /// What follows the word `interval`: empty, `(3)`, ` year to month`.
    Interval(Box<str>),
    Uuid,
    Json,
    Jsonb,
    Jsonpath,
    Xml,
    Inet,
    Cidr,
    Macaddr,
    Macaddr8,
    /// The number of bits.
    Bit(u32),
    /// The greatest number of bits, if it is limited.
    Varbit(Option<u32>),
    Point,
    Line,
    Lseg,
    Box,
    Path,
    Polygon,
    Circle,
    Range(Span),
    Multirange(Span),
    Enum(Arc<Enum>),
}

/// What a range of PostgreSQL's own is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are PostgreSQL's own")]
pub enum Span {
    Int4,
    Int8,
    Numeric,
    Date,
    Timestamp,
    TimestampTz,
}

/// An enumerated type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enum {
    /// The schema it is in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its labels, in order.
    pub labels: Vec<String>,
}

/// Types without modifiers: name, type, object identifier.
const PLAIN: &[(&str, Scalar, u32)] = &[
    ("boolean", Scalar::Bool, 16),
    ("bytea", Scalar::Bytea, 17),
    ("\"char\"", Scalar::Char, 18),
    ("name", Scalar::Name, 19),
    ("bigint", Scalar::Int8, 20),
    ("smallint", Scalar::Int2, 21),
    ("integer", Scalar::Int4, 23),
    ("text", Scalar::Text, 25),
    ("oid", Scalar::Oid, 26),
    ("xid", Scalar::Xid, 28),
    ("cid", Scalar::Cid, 29),
    ("json", Scalar::Json, 114),
    ("xml", Scalar::Xml, 142),
    ("point", Scalar::Point, 600),
    ("lseg", Scalar::Lseg, 601),
    ("path", Scalar::Path, 602),
    ("box", Scalar::Box, 603),
    ("polygon", Scalar::Polygon, 604),
    ("line", Scalar::Line, 628),
    ("cidr", Scalar::Cidr, 650),
    ("real", Scalar::Float4, 700),
    ("double precision", Scalar::Float8, 701),
    ("circle", Scalar::Circle, 718),
    ("macaddr8", Scalar::Macaddr8, 774),
    ("money", Scalar::Money, 790),
    ("macaddr", Scalar::Macaddr, 829),
    ("inet", Scalar::Inet, 869),
    ("date", Scalar::Date, 1082),
    ("uuid", Scalar::Uuid, 2950),
    ("pg_lsn", Scalar::PgLsn, 3220),
    ("jsonb", Scalar::Jsonb, 3802),
    ("int4range", Scalar::Range(Span::Int4), 3904),
    ("numrange", Scalar::Range(Span::Numeric), 3906),
    ("tsrange", Scalar::Range(Span::Timestamp), 3908),
    ("tstzrange", Scalar::Range(Span::TimestampTz), 3910),
    ("daterange", Scalar::Range(Span::Date), 3912),
    ("int8range", Scalar::Range(Span::Int8), 3926),
    ("jsonpath", Scalar::Jsonpath, 4072),
    ("int4multirange", Scalar::Multirange(Span::Int4), 4451),
    ("nummultirange", Scalar::Multirange(Span::Numeric), 4532),
    ("tsmultirange", Scalar::Multirange(Span::Timestamp), 4533),
    (
        "tstzmultirange",
        Scalar::Multirange(Span::TimestampTz),
        4534,
    ),
    ("datemultirange", Scalar::Multirange(Span::Date), 4535),
    ("int8multirange", Scalar::Multirange(Span::Int8), 4536),
    ("xid8", Scalar::Xid8, 5069),
    ("citext", Scalar::Citext, 0),
];

impl Scalar {
    /// The object identifier, the same in every database; none for enums and
    /// types that extensions bring.
    pub fn oid(&self) -> Option<u32> {
        match self {
            Self::Numeric(_) => Some(1700),
            Self::Varchar(_) => Some(1043),
            Self::Bpchar(_) => Some(1042),
            Self::Time(_) => Some(1083),
            Self::TimeTz(_) => Some(1266),
            Self::Timestamp(_) => Some(1114),
            Self::TimestampTz(_) => Some(1184),
            Self::Interval(_) => Some(1186),
            Self::Bit(_) => Some(1560),
            Self::Varbit(_) => Some(1562),
            _ => plain(self).map(|row| row.2).filter(|&oid| oid != 0),
        }
    }
}

fn plain(scalar: &Scalar) -> Option<&'static (&'static str, Scalar, u32)> {
    PLAIN.iter().find(|row| row.1 == *scalar)
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limited = |f: &mut fmt::Formatter<'_>, name: &str, limit: Option<u32>, rest: &str| {
            f.write_str(name)?;
            if let Some(limit) = limit {
                write!(f, "({limit})")?;
            }
            f.write_str(rest)
        };
        let wide = |digits: &Option<u8>| digits.map(u32::from);
        match self {
            Self::Numeric(None) => f.write_str("numeric"),
            Self::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Self::Varchar(limit) => limited(f, "character varying", *limit, ""),
            Self::Bpchar(None) => f.write_str("bpchar"),
            Self::Bpchar(limit) => limited(f, "character", *limit, ""),
            Self::Time(digits) => limited(f, "time", wide(digits), " without time zone"),
            Self::TimeTz(digits) => limited(f, "time", wide(digits), " with time zone"),
            Self::Timestamp(digits) => limited(f, "timestamp", wide(digits), " without time zone"),
            Self::TimestampTz(digits) => limited(f, "timestamp", wide(digits), " with time zone"),
            Self::Interval(rest) => write!(f, "interval{rest}"),
            Self::Bit(bits) => limited(f, "bit", Some(*bits), ""),
            Self::Varbit(bits) => limited(f, "bit varying", *bits, ""),
            Self::Enum(it) => write!(f, "{}.{}", quoted(&it.schema), quoted(&it.name)),
            // Every other type is in the table.
            _ => f.write_str(plain(self).map_or("?", |row| row.0)),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => scalar.fmt(f),
            Self::Array(scalar) => write!(f, "{scalar}[]"),
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Type {
    /// The value's type, or that of the array's elements.
    pub fn scalar(&self) -> &Scalar {
        let (Self::Scalar(scalar) | Self::Array(scalar)) = self;
        scalar
    }

    /// The type that `format_type` calls by this name; `labels` if it is an enum.
    ///
    /// # Errors
    ///
    /// `unsupported` if it is a type that this crate does not carry.
    pub fn parse(name: &str, labels: Option<&[String]>) -> Result<Self> {
        let (element, array) = match name.strip_suffix("[]") {
            Some(element) => (element, true),
            None => (name, false),
        };
        let scalar = match labels {
            Some(labels) => parse_enum(element, labels),
            None => parse_scalar(element),
        };
        let scalar = scalar.ok_or_else(|| {
            Error::unsupported(
                "unsupported-type",
                format!("the type {name} is not supported"),
            )
        })?;
        Ok(match array {
            true => Self::Array(scalar),
            false => Self::Scalar(scalar),
        })
    }
}

fn parse_enum(name: &str, labels: &[String]) -> Option<Scalar> {
    let (schema, name) = name
        .strip_prefix('"')?
        .strip_suffix('"')?
        .split_once("\".\"")?;
    let plain = |name: &str| name.replace("\"\"", "\"");
    Some(Scalar::Enum(Arc::new(Enum {
        schema: plain(schema),
        name: plain(name),
        labels: labels.to_vec(),
    })))
}

fn parse_scalar(name: &str) -> Option<Scalar> {
    if let Some((_, scalar, _)) = PLAIN.iter().find(|row| row.0 == name) {
        return Some(scalar.clone());
    }
    if let Some(rest) = name.strip_prefix("interval") {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "() ".contains(c);
        return rest
            .chars()
            .all(known)
            .then(|| Scalar::Interval(rest.into()));
    }
    // `timestamp(3) with time zone` is a head, a modifier and a tail.
    let (head, modifier, tail) = match name.split_once('(') {
        None => match name.split_once(" with") {
            Some((head, _)) => (head, None, &name[head.len()..]),
            None => (name, None, ""),
        },
        Some((head, rest)) => {
            let (modifier, tail) = rest.split_once(')')?;
            (head, Some(modifier), tail)
        }
    };
    let number = || modifier.map(str::parse::<u32>).transpose().ok();
    let digits = || modifier.map(str::parse::<u8>).transpose().ok();
    Some(match (head, tail) {
        ("numeric", "") => Scalar::Numeric(match modifier {
            None => None,
            Some(modifier) => {
                let (precision, scale) = modifier.split_once(',')?;
                Some((precision.parse().ok()?, scale.parse().ok()?))
            }
        }),
        ("character varying", "") => Scalar::Varchar(number()?),
        ("bpchar", "") => Scalar::Bpchar(None),
        ("character", "") => Scalar::Bpchar(Some(number()?.unwrap_or(1))),
        ("bit", "") => Scalar::Bit(number()?.unwrap_or(1)),
        ("bit varying", "") => Scalar::Varbit(number()?),
        ("time", " without time zone") => Scalar::Time(digits()?),
        ("time", " with time zone") => Scalar::TimeTz(digits()?),
        ("timestamp", " without time zone") => Scalar::Timestamp(digits()?),
        ("timestamp", " with time zone") => Scalar::TimestampTz(digits()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_the_type_that_wrote_it() {
        let with_modifiers = [
            "numeric",
            "numeric(10,2)",
            "numeric(3,-2)",
            "character varying",
            "character varying(20)",
            "bpchar",
            "character(3)",
            "bit(1)",
            "bit varying",
            "bit varying(7)",
            "time without time zone",
            "time(3) with time zone",
            "timestamp(0) without time zone",
            "timestamp with time zone",
            "interval",
            "interval(3)",
            "interval year to month",
            "interval second(3)",
        ];
        let names = PLAIN.iter().map(|row| row.0).chain(with_modifiers);
        for name in names {
            assert_eq!(Type::parse(name, None).unwrap().to_string(), name);
            let array = format!("{name}[]");
            assert_eq!(Type::parse(&array, None).unwrap().to_string(), array);
        }
    }

    #[test]
    fn an_enum_is_read_back_from_its_name_and_labels() {
        let labels = vec!["a".to_owned(), "b c".to_owned()];
        for name in ["\"public\".\"mood\"", "\"my \"\"own\"\"\".\"m.o.od\"[]"] {
            let read = Type::parse(name, Some(&labels)).unwrap();
            assert_eq!(read.to_string(), name);
        }
    }

    #[test]
    fn a_type_that_is_not_known_is_refused_by_name() {
        for name in [
            "tsvector",
            "geometry(Point,4326)",
            "interval'); drop",
            "numeric(x)",
        ] {
            let error = Type::parse(name, None).unwrap_err();
            assert!(error.message.contains(name), "{error}");
        }
    }
}
