//! Streams that are split anywhere, cut short, or made to do harm.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use proptest::prelude::*;
use vesicle_postgres::{
    Column, Decoder, Encoder, Error, MAX_BATCH, Numeric, Options, Result, Type, wire,
};

/// A column of each kind of decoding.
const KINDS: [&str; 14] = [
    "bigint",
    "boolean",
    "text",
    "numeric",
    "bytea",
    "jsonb",
    "uuid",
    "timestamp with time zone",
    "interval",
    "inet",
    "bit varying",
    "path",
    "nummultirange",
    "numeric[]",
];

fn columns(kinds: &[&str]) -> Vec<Column> {
    let column = |kind: &&str| Column::new(*kind, Type::parse(kind, None).unwrap());
    kinds.iter().map(column).collect()
}

fn wrap(tuples: &[u8]) -> Vec<u8> {
    [&wire::HEADER[..], tuples, wire::TRAILER].concat()
}

fn tuple(fields: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = (fields.len() as i16).to_be_bytes().to_vec();
    for field in fields {
        match field {
            None => out.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                out.extend((value.len() as i32).to_be_bytes());
                out.extend(*value);
            }
        }
    }
    out
}

fn decode(kinds: &[&str], stream: &[u8], piece: usize) -> Result<Vec<RecordBatch>> {
    let mut decoder = Decoder::new(&columns(kinds), Options::default());
    for piece in stream.chunks(piece) {
        decoder.push(piece)?;
    }
    decoder.finish()?;
    Ok(std::iter::from_fn(|| decoder.next_batch()).collect())
}

fn fails(kinds: &[&str], stream: &[u8]) -> Error {
    let error = decode(kinds, stream, stream.len().max(1)).unwrap_err();
    let again = decode(kinds, stream, 3).unwrap_err();
    assert_eq!(again, error);
    error
}

#[test]
fn a_stream_that_is_no_binary_copy_is_refused() {
    let row = tuple(&[Some(&[0; 8])]);
    let whole = wrap(&row);
    let mut flags = whole.clone();
    flags[12] = 1;
    let mut extension = whole.clone();
    extension[15] = 0xff;
    let with = |tuples: &[u8]| [&wire::HEADER[..], tuples].concat();
    let cases: [(&[u8], &str); 10] = [
        (b"id,name\n1,a\n", "signature"),
        (&flags, "flags"),
        (&extension, "extension area of -"),
        (&wrap(&tuple(&[None, None])), "2 fields in row 1, not 1"),
        (&with(&[0xff, 0xfe]), "-2 fields in row 1"),
        (
            &with(&[0, 1, 0xff, 0xff, 0xff, 0xfe]),
            "length of -2 in row 1, column 1",
        ),
        (&with(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), "larger than 64 MiB"),
        (&[&whole[..], b"x"].concat(), "after its trailer"),
        (&with(&row), "ends too early, after row 1"),
        (
            &wrap(&tuple(&[Some(&[0; 7])])),
            "row 1, column \"bigint\": the value has 7 bytes",
        ),
    ];
    for (stream, message) in cases {
        let error = fails(&["bigint"], stream);
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn an_extension_area_is_passed_over() {
    let row = tuple(&[Some(&7_i64.to_be_bytes())]);
    let mut stream = wrap(&row);
    stream[18] = 5;
    stream.splice(19..19, *b"extra");
    for piece in 1..40 {
        let batches = decode(&["bigint"], &stream, piece).unwrap();
        assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 7);
    }
}

#[test]
fn a_bad_value_is_named_with_its_row_and_column() {
    let good = tuple(&[Some(&[0; 8]), Some(b"ok")]);
    let mut rows = good.repeat(100_000);
    rows.extend(tuple(&[Some(&[0; 8]), Some(b"\xff")]));
    let error = fails_quickly(&["timestamp with time zone", "text"], &wrap(&rows));
    assert!(
        error.message.starts_with("row 100001, column \"text\""),
        "{error}"
    );

    let late = (i64::MAX - 5).to_be_bytes();
    let row = tuple(&[Some(&late), None]);
    let error = fails(
        &["timestamp with time zone", "text"],
        &wrap(&[good, row].concat()),
    );
    assert!(
        error.message.contains("row 2") && error.message.contains("294277-01-09"),
        "{error}"
    );

    let hours = tuple(&[Some(&[0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2])]);
    let error = fails(&["interval"], &wrap(&hours));
    assert!(
        error
            .message
            .contains("2 months 1 days 9151314442816847872 micro"),
        "{error}"
    );
}

fn fails_quickly(kinds: &[&str], stream: &[u8]) -> Error {
    decode(kinds, stream, 1 << 18).unwrap_err()
}

#[test]
fn an_array_of_another_shape_is_refused_by_row() {
    let array = |words: &[i32]| {
        words
            .iter()
            .flat_map(|it| it.to_be_bytes())
            .collect::<Vec<_>>()
    };
    let cases = [
        (array(&[2, 0, 23, 1, 1, 1, 1, 4, 7]), "2 dimensions"),
        (array(&[1, 0, 23, 1, 0, 4, 7]), "counts from 0"),
        (array(&[1, 0, 23, 2, 1, 4, 7]), "ends within"),
        (array(&[1, 0, 23, i32::MAX, 1]), "ends within"),
        (array(&[1, 0, 23, -1, 1]), "goes on after"),
        (array(&[1, 0, 23, 1, 1, i32::MAX, 7]), "cannot be"),
    ];
    for (bytes, message) in cases {
        let stream = wrap(&[tuple(&[None]), tuple(&[Some(&bytes)])].concat());
        let error = fails(&["integer[]"], &stream);
        let place = "row 2, column \"integer[]\"";
        assert!(
            error.message.contains(message) && error.message.contains(place),
            "{error}"
        );
    }
}

#[test]
fn numbers_that_grow_when_written_do_not_grow_a_batch() {
    // 1e131071: 10 bytes on the wire, 131,072 in text.
    let large = [0, 1, 0x7f, 0xff, 0, 0, 0, 0, 3, 232];
    let rows = tuple(&[Some(&large)]).repeat(100);
    let batches = decode(&["numeric"], &wrap(&rows), 1 << 18).unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        100
    );
    for batch in batches {
        assert!(batch.column(0).as_string::<i32>().value_data().len() <= MAX_BATCH);
    }
}

#[test]
fn a_row_of_sixty_mebibytes_comes_through_alone() {
    let large = vec![b'x'; 60 << 20];
    let small = tuple(&[Some(b"a")]);
    let rows = [small.clone(), tuple(&[Some(&large)]), small].concat();
    let batches = decode(&["text"], &wrap(&rows), 1 << 18).unwrap();
    let sizes: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [1, 1, 1]);
}

#[test]
fn nulls_of_wide_types_do_not_grow_a_batch() {
    let kinds = ["interval"; 100];
    let rows = tuple(&[None; 100]).repeat(5000);
    for batch in decode(&kinds, &wrap(&rows), 1 << 18).unwrap() {
        assert!(batch.num_rows() * 100 * 16 <= MAX_BATCH);
    }
}

#[test]
fn a_table_without_columns_keeps_its_rows() {
    let batches = decode(&[], &wrap(&[0; 2000]), 7).unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        1000
    );
}

#[test]
fn payloads_are_decoded_without_header_and_trailer() {
    let rows = tuple(&[Some(&[0; 8])]).repeat(3);
    let mut decoder = Decoder::of_tuples(&columns(&["bigint"]), Options::default());
    decoder.push(&rows).unwrap();
    decoder.finish().unwrap();
    assert_eq!(decoder.next_batch().unwrap().num_rows(), 3);
    let mut decoder = Decoder::of_tuples(&columns(&["bigint"]), Options::default());
    decoder.push(&rows[..20]).unwrap();
    assert!(decoder.finish().is_err());
}

proptest! {
    #[test]
    fn a_stream_decoded_and_encoded_is_the_same_wherever_it_is_split(
        rows in proptest::collection::vec(
            (any::<Option<i64>>(), any::<Option<bool>>(), any::<Option<String>>(),
             any::<Option<Vec<u8>>>(), any::<Option<[u8; 16]>>()), 0..60),
        piece in 1_usize..200,
    ) {
        let kinds = ["bigint", "boolean", "text", "bytea", "uuid"];
        let mut tuples = Vec::new();
        for (a, b, c, d, e) in &rows {
            let (a, b) = (a.map(i64::to_be_bytes), b.map(|b| [u8::from(b)]));
            let c = c.as_ref().map(|c| c.replace('\0', ""));
            tuples.extend(tuple(&[
                a.as_ref().map(|a| &a[..]),
                b.as_ref().map(|b| &b[..]),
                c.as_ref().map(String::as_bytes),
                d.as_deref(),
                e.as_ref().map(|e| &e[..]),
            ]));
        }
        let mut again = Vec::new();
        for batch in decode(&kinds, &wrap(&tuples), piece).unwrap() {
            let encoder = Encoder::new(&batch.schema(), &columns(&kinds)).unwrap();
            encoder.encode(&batch, None, &mut again).unwrap().whole().unwrap();
        }
        prop_assert_eq!(again, tuples);
    }

    #[test]
    fn bytes_of_any_kind_are_an_error_and_no_panic(
        fields in proptest::collection::vec(
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)), KINDS.len()),
        change in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let fields: Vec<_> = fields.iter().map(|it| it.as_deref()).collect();
        let mut stream = wrap(&tuple(&fields));
        if let Some((at, byte)) = change {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        let _ = decode(&KINDS, &stream, 11);
        for (kind, field) in KINDS.iter().zip(&fields) {
            let stream = wrap(&tuple(&[*field]));
            let _ = decode(&[kind], &stream, stream.len());
        }
        let decimal = [Column::new("d", Type::parse("numeric(20,4)", None).unwrap())];
        let mut decoder = Decoder::new(&decimal, Options { numeric: Numeric::Decimal });
        let _ = decoder.push(&wrap(&tuple(&fields[..1]))).and_then(|()| decoder.finish());
    }
}
