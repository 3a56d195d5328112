//! The tables of `docs/postgres-types.md` are what the code does. `BLESS=1`
//! writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::fmt::Write;
use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use vesicle_postgres::{Column, Encoder, Numeric, Options, Type, arrow};

const TYPES: [&str; 51] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "oid",
    "xid",
    "cid",
    "xid8",
    "pg_lsn",
    "real",
    "double precision",
    "money",
    "numeric",
    "numeric(10,2)",
    "text",
    "citext",
    "character varying(20)",
    "character(20)",
    "name",
    "\"char\"",
    "bytea",
    "date",
    "time without time zone",
    "time with time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "jsonpath",
    "xml",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit(8)",
    "bit varying(8)",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "int4range",
    "numrange",
    "tstzrange",
    "int4multirange",
    "an enum",
    "bigint[]",
];

fn scalars() -> Vec<DataType> {
    use DataType::*;
    let mut all = vec![
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Decimal32(9, 2),
        Decimal64(18, 2),
        Decimal128(38, 2),
        Decimal256(76, 2),
        Utf8,
        LargeUtf8,
        Utf8View,
        Binary,
        LargeBinary,
        BinaryView,
        FixedSizeBinary(16),
        Date32,
        Date64,
        Time32(TimeUnit::Second),
        Time32(TimeUnit::Millisecond),
        Time64(TimeUnit::Microsecond),
        Time64(TimeUnit::Nanosecond),
    ];
    let units = [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ];
    for unit in units {
        all.extend([Timestamp(unit, None), Timestamp(unit, Some("UTC".into()))]);
    }
    let units = [
        IntervalUnit::YearMonth,
        IntervalUnit::DayTime,
        IntervalUnit::MonthDayNano,
    ];
    all.extend(units.map(Interval));
    all.extend([
        Null,
        Duration(TimeUnit::Second),
        Struct(Vec::<Field>::new().into()),
    ]);
    let item = |kind| Arc::new(Field::new_list_field(kind, true));
    all.extend([
        List(item(Int64)),
        LargeList(item(Utf8)),
        FixedSizeList(item(Float32), 3),
    ]);
    all
}

/// The name without what does not matter to how it is taken.
fn short(kind: &DataType) -> String {
    match kind {
        DataType::Timestamp(_, None) => "Timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "Timestamp with zone".into(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "lists".into(),
        other => {
            let name = other.to_string();
            name.split('(').next().unwrap().into()
        }
    }
}

fn column(name: &str) -> Column {
    let labels = ["a".to_owned()];
    Column::new(
        "c",
        match name {
            "an enum" => Type::parse("\"public\".\"mood\"", Some(&labels)).unwrap(),
            name => Type::parse(name, None).unwrap(),
        },
    )
}

fn types() -> String {
    let mut out = String::from("| PostgreSQL | Arrow | takes |\n|---|---|---|\n");
    for name in TYPES {
        let column = column(name);
        let kind = |numeric| {
            arrow::field(&column, Options { numeric })
                .data_type()
                .to_string()
        };
        let (text, decimal) = (kind(Numeric::Text), kind(Numeric::Decimal));
        let arrow = match text == decimal {
            true => text,
            false => format!("{text}; {decimal} if asked for"),
        };
        let mut takes: Vec<String> = Vec::new();
        for kind in scalars().iter().filter(|kind| **kind != DataType::Null) {
            let schema = Schema::new(vec![Field::new("c", kind.clone(), true)]);
            let name = short(kind);
            if Encoder::new(&schema, std::slice::from_ref(&column)).is_ok()
                && !takes.contains(&name)
            {
                takes.push(name);
            }
        }
        writeln!(out, "| `{name}` | {arrow} | {} |", takes.join(", ")).unwrap();
    }
    out
}

fn arrow_types() -> String {
    let mut out = String::from("| Arrow | PostgreSQL |\n|---|---|\n");
    for kind in scalars() {
        let made = match arrow::type_of(&Field::new("c", kind.clone(), true)) {
            Ok(made) => format!("`{made}`"),
            Err(_) => "refused".into(),
        };
        writeln!(out, "| {kind} | {made} |").unwrap();
    }
    out
}

#[test]
fn the_tables_in_the_documentation_are_what_the_code_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/postgres-types.md");
    let mut text = std::fs::read_to_string(path).unwrap();
    let original = text.clone();
    for (name, table) in [("types", types()), ("arrow", arrow_types())] {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let from = text.find(&start).unwrap() + start.len();
        let to = text.find(&end).unwrap();
        text.replace_range(from..to, &format!("\n{table}\n"));
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, text).unwrap();
    } else {
        assert!(
            text == original,
            "docs/postgres-types.md is stale: run this with BLESS=1"
        );
    }
}
