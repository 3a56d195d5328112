//! Values that a column cannot hold, and arrays of any layout.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_buffer::{BooleanBuffer, i256};
use arrow_schema::Schema;
use vesicle_postgres::{Column, Encoded, Encoder, Result, Type, arrow};

fn batch(array: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("v", array, true)]).unwrap()
}

fn column(kind: &str) -> Column {
    Column::new("v", Type::parse(kind, None).unwrap())
}

/// What the array becomes in a column of this type.
fn encode(array: ArrayRef, kind: &str) -> Result<(Encoded, Vec<u8>)> {
    let batch = batch(array);
    let mut out = Vec::new();
    let encoder = Encoder::new(&batch.schema(), &[column(kind)])?;
    let encoded = encoder.encode(&batch, None, &mut out)?;
    Ok((encoded, out))
}

/// That the second of three rows is a fault that names what is wrong.
fn second_fails(array: ArrayRef, kind: &str, named: &str) {
    let (encoded, _) = encode(array, kind).unwrap();
    assert_eq!(encoded.rows, 2, "{kind}");
    assert_eq!(encoded.faults.len(), 1, "{kind}");
    let fault = &encoded.faults[0];
    assert_eq!((fault.row, fault.column), (1, 0));
    let message = &fault.error.message;
    assert!(
        message.contains("row 1, column \"v\"") && message.contains(named),
        "{message}"
    );
}

fn text(values: [&str; 3]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn what_does_not_fit_is_left_out_and_named() {
    second_fails(
        Arc::new(Int64Array::from(vec![1, 1 << 40, 3])),
        "integer",
        "1099511627776",
    );
    second_fails(
        Arc::new(UInt64Array::from(vec![1, u64::MAX, 3])),
        "bigint",
        "18446744073709551615",
    );
    second_fails(
        Arc::new(Int64Array::from(vec![1, (1 << 53) + 1, 3])),
        "double precision",
        "9007",
    );
    second_fails(
        Arc::new(Float64Array::from(vec![1.0, f64::NAN, 3.0])),
        "bigint",
        "NaN",
    );
    second_fails(
        Arc::new(Float64Array::from(vec![1.0, 2.5, 3.0])),
        "integer",
        "2.5",
    );
    second_fails(
        Arc::new(Float64Array::from(vec![1.0, 9.3e18, 3.0])),
        "bigint",
        "9300000000000000000",
    );
    second_fails(
        Arc::new(Float64Array::from(vec![1.0, 1e300, 3.0])),
        "real",
        "1000",
    );
    second_fails(
        Arc::new(Float32Array::from(vec![1.0, f32::INFINITY, 3.0])),
        "numeric(5,2)",
        "inf",
    );
    let decimals = Decimal128Array::from(vec![1, 100_000, 3]).with_precision_and_scale(10, 2);
    second_fails(Arc::new(decimals.unwrap()), "numeric(5,2)", "numeric(5,2)");
    second_fails(
        Arc::new(Date32Array::from(vec![1, 2_147_483_000, 3])),
        "date",
        "2147483000",
    );
    second_fails(
        Arc::new(Date64Array::from(vec![0, 1, 86_400_000])),
        "date",
        "millisecond 1",
    );
    let times = Time64MicrosecondArray::from(vec![0, 86_400_000_001, 86_400_000_000]);
    second_fails(Arc::new(times), "time without time zone", "86400000001");
    let times = TimestampSecondArray::from(vec![0, i64::MAX, 1]);
    second_fails(
        Arc::new(times),
        "timestamp without time zone",
        "9223372036854775807",
    );
    second_fails(text(["a", "b\0", "c"]), "text", "character 0");
    second_fails(text(["{}", "\"\0\"", "1"]), "jsonb", "character 0");
    second_fails(
        text(["a", "abc", "c   "]),
        "character varying(2)",
        "\"abc\"",
    );
    let long = "é".repeat(32);
    second_fails(text(["a", &long, "c"]), "name", "63 bytes");
    second_fails(text(["1", "one", "NaN"]), "numeric", "\"one\"");
    second_fails(text(["11", "1", "00"]), "bit(2)", "\"1\"");
    second_fails(
        text(["10.0.0.0/8", "10.0.0.1/8", "::/0"]),
        "cidr",
        "10.0.0.1/8",
    );
}

#[test]
fn a_fault_within_a_list_or_a_dictionary_is_that_row_s() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1)]),
        Some(vec![None, Some(70_000)]),
        None,
    ]);
    second_fails(Arc::new(lists), "smallint[]", "element 2");
    let words: DictionaryArray<Int8Type> = ["a", "long", "a"].into_iter().collect();
    second_fails(Arc::new(words), "character varying(1)", "\"long\"");
}

#[test]
fn what_a_null_hides_is_no_fault() {
    let values = vec![1_i64, i64::MAX, 3].into();
    let nulls = Some(vec![true, false, true].into());
    let (encoded, out) = encode(Arc::new(Int64Array::new(values, nulls)), "smallint").unwrap();
    assert_eq!(
        encoded,
        Encoded {
            rows: 3,
            faults: vec![]
        }
    );
    assert_eq!(
        out,
        b"\0\x01\0\0\0\x02\0\x01\0\x01\xff\xff\xff\xff\0\x01\0\0\0\x02\0\x03"
    );
}

#[test]
fn a_null_for_a_column_that_refuses_it_is_a_fault() {
    let batch = batch(Arc::new(Int16Array::from(vec![Some(1), None])));
    let column = Column {
        nullable: false,
        ..column("smallint")
    };
    let encoder = Encoder::new(&batch.schema(), &[column]).unwrap();
    let encoded = encoder.encode(&batch, None, &mut Vec::new()).unwrap();
    assert_eq!((encoded.rows, encoded.faults[0].row), (1, 1));
    assert!(encoded.whole().unwrap_err().message.contains("NULL"));
}

#[test]
fn rows_that_the_mask_has_are_left_out_with_their_faults() {
    let names = StringArray::from(vec!["a", "b\0b", "", "long".repeat(100).as_str(), "e"]);
    let batch = batch(Arc::new(names));
    let encoder = Encoder::new(&batch.schema(), &[column("text")]).unwrap();
    let mask = BooleanBuffer::from(vec![false, true, false, true, false]);
    let mut out = b"before".to_vec();
    let encoded = encoder.encode(&batch, Some(&mask), &mut out).unwrap();
    assert_eq!(
        encoded,
        Encoded {
            rows: 3,
            faults: vec![]
        }
    );
    assert_eq!(
        out,
        b"before\0\x01\0\0\0\x01a\0\x01\0\0\0\0\0\x01\0\0\0\x01e"
    );
    assert!(
        encoder
            .encode(&batch, Some(&mask.slice(0, 2)), &mut out)
            .is_err()
    );
}

#[test]
fn a_row_that_no_payload_can_carry_is_a_fault() {
    let large = "x".repeat(65 << 20);
    second_fails(text(["a", &large, "c"]), "text", "larger than 64 MiB");
}

#[test]
fn any_layout_of_the_same_values_gives_the_same_bytes() {
    let words = ["apple", "", "a longer word than twelve", "apple"];
    let plain: ArrayRef = Arc::new(StringArray::from(words.to_vec()));
    let padded = StringArray::from([&["x"][..], &words, &["y\0"]].concat());
    let dictionary: DictionaryArray<Int32Type> = words.into_iter().collect();
    let layouts: [ArrayRef; 4] = [
        Arc::new(LargeStringArray::from(words.to_vec())),
        Arc::new(StringViewArray::from(words.to_vec())),
        Arc::new(dictionary),
        Arc::new(padded.slice(1, 4)),
    ];
    let expected = encode(plain, "text").unwrap();
    for layout in layouts {
        assert_eq!(encode(layout, "text").unwrap(), expected);
    }
    let numbers: [ArrayRef; 6] = [
        Arc::new(Int8Array::from(vec![0, 5])),
        Arc::new(UInt64Array::from(vec![0, 5])),
        Arc::new(Float64Array::from(vec![0.0, 5.0])),
        Arc::new(
            Decimal128Array::from(vec![0, 5])
                .with_precision_and_scale(5, 0)
                .unwrap(),
        ),
        Arc::new(
            Decimal256Array::from(vec![i256::ZERO, i256::from(5)])
                .with_precision_and_scale(50, 0)
                .unwrap(),
        ),
        Arc::new(StringArray::from(vec!["0", "5"])),
    ];
    let expected = b"\0\x01\0\0\0\x08\0\0\0\0\0\0\0\0\0\x01\0\0\0\x0a\0\x01\0\0\0\0\0\0\0\x05";
    for layout in numbers {
        assert_eq!(encode(layout, "numeric").unwrap().1, expected);
    }
    let bytes: [ArrayRef; 3] = [
        Arc::new(BinaryViewArray::from(vec![&b"ab"[..], b"\0c"])),
        Arc::new(LargeBinaryArray::from(vec![&b"ab"[..], b"\0c"])),
        Arc::new(FixedSizeBinaryArray::try_from_iter([b"ab", b"\0c"].into_iter()).unwrap()),
    ];
    for layout in bytes {
        assert_eq!(
            encode(layout, "bytea").unwrap().1,
            b"\0\x01\0\0\0\x02ab\0\x01\0\0\0\x02\0c"
        );
    }
}

#[test]
fn a_slice_of_a_list_has_its_own_elements() {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for words in [&["bad\0"][..], &["a"], &[]] {
        lists.append_value(words.iter().map(Some));
    }
    let (encoded, out) = encode(Arc::new(lists.finish().slice(1, 2)), "text[]").unwrap();
    assert_eq!(encoded.whole().unwrap(), 2);
    let head = b"\0\x01\0\0\0\x19\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x01\0\0\0\x01\0\0\0\x01a";
    assert_eq!(
        out,
        [&head[..], b"\0\x01\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x19"].concat()
    );
}

#[test]
fn what_no_value_fits_is_refused_before_the_first() {
    let cases: [(ArrayRef, &str); 6] = [
        (Arc::new(Int32Array::from(vec![1])), "text"),
        (text(["1", "2", "3"]), "integer"),
        (
            Arc::new(TimestampSecondArray::from(vec![1])),
            "timestamp with time zone",
        ),
        (Arc::new(BooleanArray::from(vec![true])), "smallint"),
        (Arc::new(StructArray::new_empty_fields(1, None)), "jsonb"),
        (Arc::new(BinaryArray::from(vec![&b"x"[..]])), "uuid"),
    ];
    for (array, kind) in cases {
        let error = encode(array, kind).unwrap_err();
        assert!(
            error.message.contains("\"v\"") && error.message.contains(kind),
            "{error}"
        );
    }
    let column = Column {
        generated: true,
        ..column("text")
    };
    let batch = batch(text(["a", "b", "c"]));
    assert!(Encoder::new(&batch.schema(), &[column]).is_err());
    assert!(Encoder::new(&Schema::empty(), &[self::column("text")]).is_err());
}

#[test]
fn a_field_without_metadata_gets_the_type_that_holds_all_its_values() {
    let arrays: [(ArrayRef, &str); 4] = [
        (Arc::new(UInt64Array::from(vec![u64::MAX])), "numeric(20,0)"),
        (Arc::new(UInt32Array::from(vec![u32::MAX])), "bigint"),
        (text(["a", "b", "c"]), "text"),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1]).with_timezone("Europe/Berlin")),
            "timestamp with time zone",
        ),
    ];
    for (array, kind) in arrays {
        let batch = batch(array.clone());
        assert_eq!(
            arrow::type_of(batch.schema().field(0)).unwrap().to_string(),
            kind
        );
        encode(array, kind).unwrap().0.whole().unwrap();
    }
}
