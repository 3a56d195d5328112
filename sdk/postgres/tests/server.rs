//! Every type, from a PostgreSQL server through Arrow and back into one.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

#[path = "server/cases.rs"]
mod cases;
#[path = "server/mod.rs"]
mod server;

use std::sync::Arc;

use arrow_array::*;
use arrow_buffer::i256;
use cases::CASES;
use server::Server;
use vesicle_postgres::chunk::Splitter;
use vesicle_postgres::{Column, Decoder, Encoder, Numeric, Options, ddl, wire};

/// The stream through Arrow: decoded in pieces of this size, encoded again,
/// and the columns of a table for it.
fn through_arrow(
    columns: &[vesicle_postgres::Column],
    stream: &[u8],
    piece: usize,
    options: Options,
) -> (Vec<u8>, String) {
    let mut decoder = Decoder::new(columns, options);
    for piece in stream.chunks(piece) {
        decoder
            .push(piece)
            .unwrap_or_else(|error| panic!("{error}"));
    }
    decoder.finish().unwrap_or_else(|error| panic!("{error}"));
    let schema = decoder.schema().clone();
    let encoder = Encoder::new(&schema, columns).unwrap();
    let mut out = wire::HEADER.to_vec();
    while let Some(batch) = decoder.next_batch() {
        encoder
            .encode(&batch, None, &mut out)
            .unwrap()
            .whole()
            .unwrap();
    }
    out.extend_from_slice(wire::TRAILER);
    (out, ddl::columns(&schema).unwrap())
}

/// That what is in `original` comes through Arrow into a table made for it.
fn goes_through(server: &Server, original: &str, options: Options) {
    let columns = server.columns(original).unwrap();
    let stream = server.copy_out(original);
    let (again, definition) = through_arrow(&columns, &stream, stream.len(), options);
    assert!(again == stream, "{original}: other bytes");
    assert!(
        through_arrow(&columns, &stream, 7, options).0 == stream,
        "{original}: in pieces"
    );
    server.sql(&format!(
        "DROP TABLE IF EXISTS again; CREATE TABLE again ({definition})"
    ));
    let made = server.columns("again").unwrap();
    assert_eq!(made, columns, "{original}");
    server
        .copy_in("again", &again)
        .unwrap_or_else(|error| panic!("{original}: {error}"));
    let except = |one: &str, other: &str| {
        format!("(SELECT id, v::text FROM {one} EXCEPT ALL SELECT id, v::text FROM {other})")
    };
    let differ = format!(
        "{} UNION ALL {}",
        except(original, "again"),
        except("again", original)
    );
    assert_eq!(server.text(&differ), "", "lost or changed in {original}");
    assert_eq!(server.describe(original), server.describe("again"));
}

#[test]
fn every_type_comes_through_arrow_as_it_was() {
    let server = Server::start();
    server.sql("CREATE EXTENSION citext");
    server.sql("CREATE TYPE mood AS ENUM ('happy', 'so so', 'it''s, \"odd\"')");
    for (number, (kind, values)) in CASES.iter().enumerate() {
        let table = format!("original_{number}");
        let rows = values
            .iter()
            .chain(&["NULL"])
            .map(|value| format!("CAST({value} AS {kind})"));
        let rows = rows.collect::<Vec<_>>().join("), (");
        server.sql(&format!(
            "CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY, v {kind});
             INSERT INTO {table} (v) VALUES ({rows});
             ALTER TABLE {table} ALTER id DROP IDENTITY"
        ));
        goes_through(&server, &table, Options::default());
        if kind.starts_with("numeric(38") {
            goes_through(
                &server,
                &table,
                Options {
                    numeric: Numeric::Decimal,
                },
            );
        }
    }
}

#[test]
fn domains_are_what_they_are_made_over_and_others_are_refused() {
    let server = Server::start();
    server.sql(
        "CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE > 0);
         CREATE DOMAIN prices AS price[];
         CREATE TYPE pair AS (a int, b int);
         CREATE TABLE shop (one price NOT NULL, many price[], all_of_them prices,
                            double numeric GENERATED ALWAYS AS (one * 2) STORED);
         INSERT INTO shop VALUES (1.50, '{2.50,NULL}', '{}');
         CREATE TABLE bad_pair (at pair);
         CREATE TABLE bad_vector (at tsvector);
         CREATE TABLE bad_class (at regclass);
         CREATE TABLE bad_matrix (at int[][]);
         CREATE TABLE bad_pairs (at pair[])",
    );
    let all = server.columns("shop").unwrap();
    let kinds: Vec<_> = all.iter().map(|column| column.r#type.to_string()).collect();
    assert_eq!(
        kinds,
        [
            "numeric(10,2)",
            "numeric(10,2)[]",
            "numeric(10,2)[]",
            "numeric"
        ]
    );
    assert!(!all[0].nullable && all[1].nullable && all[3].generated);

    let columns = &all[..3];
    let stream =
        server.sql("COPY (SELECT one, many, all_of_them FROM shop) TO STDOUT (FORMAT binary)");
    let (again, definition) = through_arrow(columns, &stream, 9, Options::default());
    assert!(again == stream);
    server
        .copy_in("shop (one, many, all_of_them)", &again)
        .unwrap();
    server.sql(&format!("CREATE TABLE made ({definition})"));
    let expected = "1.50|{2.50,NULL}|{}|3.00\n".repeat(2);
    assert_eq!(server.text("SELECT * FROM shop"), expected);

    for table in [
        "bad_pair",
        "bad_vector",
        "bad_class",
        "bad_matrix",
        "bad_pairs",
    ] {
        let error = server.columns(table).unwrap_err();
        let said = error.message.contains("\"at\"") && error.message.contains("view");
        assert!(said, "{table}: {error}");
    }
}

#[test]
fn an_enum_is_made_anew_from_what_a_field_says() {
    let server = Server::start();
    server.sql(
        "CREATE SCHEMA \"my \"\"own\";
         CREATE TYPE \"my \"\"own\".\"M.ood\" AS ENUM ('z', 'it''s, \"odd\"', '');
         CREATE TABLE felt (one \"my \"\"own\".\"M.ood\", many \"my \"\"own\".\"M.ood\"[]);
         INSERT INTO felt VALUES ('it''s, \"odd\"', '{z,\"\"}'), (NULL, NULL)",
    );
    let columns = server.columns("felt").unwrap();
    let stream = server.copy_out("felt");
    let expected = server.text("SELECT * FROM felt");
    server.sql("DROP TABLE felt; DROP TYPE \"my \"\"own\".\"M.ood\"");

    let schema = vesicle_postgres::arrow::schema(&columns, Options::default());
    let enums = ddl::enums(&schema).unwrap();
    assert_eq!(enums.len(), 1);
    server.sql(&ddl::create_enum(&enums[0]).unwrap());
    let table = ddl::table("public", "felt").unwrap();
    server.sql(&format!(
        "CREATE TABLE {table} ({})",
        ddl::columns(&schema).unwrap()
    ));
    // The new type has another object identifier, which arrays carry.
    let targets = server.columns("felt").unwrap();
    assert_ne!(targets[1].element_oid, columns[1].element_oid);
    let mut decoder = Decoder::new(&columns, Options::default());
    decoder.push(&stream).unwrap();
    decoder.finish().unwrap();
    let batch = decoder.next_batch().unwrap();
    let mut again = wire::HEADER.to_vec();
    let encoder = Encoder::new(&batch.schema(), &targets).unwrap();
    encoder
        .encode(&batch, None, &mut again)
        .unwrap()
        .whole()
        .unwrap();
    again.extend_from_slice(wire::TRAILER);
    server.copy_in("felt", &again).unwrap();
    assert_eq!(server.text("SELECT * FROM felt"), expected);
    for statement in
        ddl::add_columns(&table, &[&schema.field(0).clone().with_name("more")]).unwrap()
    {
        server.sql(&statement);
    }
    assert_eq!(server.columns("felt").unwrap()[2].r#type, columns[0].r#type);
}

#[test]
fn a_large_table_comes_through_arrow_and_untouched() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE large AS SELECT n AS id, n::int % 1000 AS small, n % 3 = 0 AS good,
                CASE WHEN n % 7 > 0 THEN 'name ' || n END AS name, n / 7.0 AS amount,
                timestamptz '2024-01-01' + n * interval '1 second' AS seen,
                ARRAY[n, NULL, -n] AS several
           FROM generate_series(1::bigint, 100000) AS n;
         CREATE TABLE untouched (LIKE large)",
    );
    let columns = server.columns("large").unwrap();
    let stream = server.copy_out("large");
    let (again, definition) = through_arrow(&columns, &stream, 8192, Options::default());
    server.sql(&format!("CREATE TABLE again ({definition})"));
    server.copy_in("again", &again).unwrap();

    let mut splitter = Splitter::new(columns.len());
    let mut payloads = Vec::new();
    for piece in stream.chunks(8192) {
        splitter.push(piece).unwrap();
        payloads.extend(std::iter::from_fn(|| splitter.next_payload()));
    }
    splitter.finish().unwrap();
    payloads.extend(std::iter::from_fn(|| splitter.next_payload()));
    assert_eq!(
        payloads.iter().map(|payload| payload.rows).sum::<u64>(),
        100_000
    );
    for payload in payloads {
        let stream = [&wire::HEADER[..], &payload.bytes, wire::TRAILER].concat();
        server.copy_in("untouched", &stream).unwrap();
    }
    for other in ["again", "untouched"] {
        let differ = |one: &str, other: &str| {
            server.text(&format!(
                "SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other} LIMIT 1"
            ))
        };
        assert_eq!(
            differ("large", other) + &differ(other, "large"),
            "",
            "{other}"
        );
    }
}

#[test]
fn what_other_connectors_make_is_taken_by_a_table_made_for_it() {
    let server = Server::start();
    let zoned = TimestampMillisecondArray::from(vec![Some(-1), None]).with_timezone("+02:00");
    let decimals = Decimal128Array::from(vec![Some(-12345), None]);
    let large = Decimal256Array::from(vec![Some(i256::from(1_234_567)), None]);
    let words: DictionaryArray<types::Int8Type> = [Some("a"), None].into_iter().collect();
    let lists: LargeListArray = LargeListArray::from_iter_primitive::<types::UInt16Type, _, _>([
        Some(vec![Some(1), None]),
        None,
    ]);
    let columns: Vec<(&str, ArrayRef, &str)> = vec![
        (
            "i8",
            Arc::new(Int8Array::from(vec![Some(-128), None])),
            "-128",
        ),
        (
            "u16",
            Arc::new(UInt16Array::from(vec![Some(65535), None])),
            "65535",
        ),
        (
            "u32",
            Arc::new(UInt32Array::from(vec![Some(u32::MAX), None])),
            "4294967295",
        ),
        (
            "u64",
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])),
            "18446744073709551615",
        ),
        (
            "f32",
            Arc::new(Float32Array::from(vec![Some(0.1), None])),
            "0.1",
        ),
        (
            "view",
            Arc::new(StringViewArray::from(vec![Some("view"), None])),
            "view",
        ),
        ("words", Arc::new(words), "a"),
        (
            "bytes",
            Arc::new(LargeBinaryArray::from(vec![Some(&b"\0x"[..]), None])),
            "\\x0078",
        ),
        (
            "money",
            Arc::new(decimals.with_precision_and_scale(10, 3).unwrap()),
            "-12.345",
        ),
        (
            "whole",
            Arc::new(large.with_precision_and_scale(76, -2).unwrap()),
            "123456700",
        ),
        (
            "date",
            Arc::new(Date64Array::from(vec![Some(86_400_000), None])),
            "1970-01-02",
        ),
        (
            "time",
            Arc::new(Time32SecondArray::from(vec![Some(86_400), None])),
            "24:00:00",
        ),
        (
            "at",
            Arc::new(TimestampNanosecondArray::from(vec![Some(1500), None])),
            "1970-01-01 00:00:00.000002",
        ),
        ("zoned", Arc::new(zoned), "1969-12-31 23:59:59.999+00"),
        (
            "months",
            Arc::new(IntervalYearMonthArray::from(vec![Some(14), None])),
            "1 year 2 mons",
        ),
        ("lists", Arc::new(lists), "{1,NULL}"),
        ("nothing", Arc::new(NullArray::new(2)), ""),
    ];
    let expected: Vec<&str> = columns.iter().map(|column| column.2).collect();
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns
            .iter()
            .map(|column| (column.0, column.1.clone(), true)),
    )
    .unwrap();
    server.sql(&format!(
        "CREATE TABLE made ({})",
        ddl::columns(&batch.schema()).unwrap()
    ));
    let targets: Vec<Column> = server.columns("made").unwrap();
    let encoder = Encoder::new(&batch.schema(), &targets).unwrap();
    let mut stream = wire::HEADER.to_vec();
    assert_eq!(
        encoder
            .encode(&batch, None, &mut stream)
            .unwrap()
            .whole()
            .unwrap(),
        2
    );
    stream.extend_from_slice(wire::TRAILER);
    server.copy_in("made", &stream).unwrap();
    let rows = server.text("SELECT * FROM made");
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows[0], expected.join("|"));
    assert_eq!(rows[1], "|".repeat(columns.len() - 1));
}
