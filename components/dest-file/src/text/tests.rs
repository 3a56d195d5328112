//! How values of all types are written.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, Date64Array, Decimal128Array, DictionaryArray,
    DurationSecondArray, FixedSizeBinaryArray, Float32Array, LargeStringArray, NullArray,
    RecordBatch, StringArray, StringViewArray, StructArray, Time32MillisecondArray,
    Time64NanosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field};

use super::*;

/// A column of a value and a NULL, as both formats write it.
fn written(column: ArrayRef) -> (Option<String>, Option<String>) {
    let batch = RecordBatch::try_from_iter_with_nullable([("a", column.clone(), true)]).unwrap();
    let write = |table: Table, format: Format| {
        fits(column.data_type(), format).then(|| {
            let mut out = Vec::new();
            table.rows(&batch, &mut out, |_| Ok(())).unwrap();
            String::from_utf8(out).unwrap()
        })
    };
    (
        write(Table::csv(b',', "-", 2), Format::Csv),
        write(Table::jsonl(), Format::Jsonl),
    )
}

fn check(column: ArrayRef, csv: &str, json: &str) {
    let (found_csv, found_json) = written(column.clone());
    let kind = column.data_type();
    assert_eq!(found_csv.unwrap(), format!("{csv}\n-\n"), "{kind}");
    assert_eq!(
        found_json.unwrap(),
        format!("{{\"a\":{json}}}\n{{\"a\":null}}\n"),
        "{kind}"
    );
}

#[test]
fn scalars_are_written_as_documented() {
    check(
        Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])),
        "18446744073709551615",
        "18446744073709551615",
    );
    check(
        Arc::new(Float32Array::from(vec![Some(0.1), None])),
        "0.1",
        "0.1",
    );
    let decimals = Decimal128Array::from(vec![Some(-5), None]).with_precision_and_scale(10, 2);
    check(Arc::new(decimals.unwrap()), "-0.05", "-0.05");
    check(
        Arc::new(LargeStringArray::from(vec![Some("a,b"), None])),
        "\"a,b\"",
        "\"a,b\"",
    );
    check(
        Arc::new(StringViewArray::from(vec![Some("-"), None])),
        "\"-\"",
        "\"-\"",
    );
    check(
        Arc::new(BinaryArray::from(vec![Some(&b"\xff\x00"[..]), None])),
        "/wA=",
        "\"/wA=\"",
    );
    check(
        Arc::new(BinaryViewArray::from(vec![Some(&b""[..]), None])),
        "",
        "\"\"",
    );
    let fixed =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some(b"hi"), None].into_iter(), 2);
    check(Arc::new(fixed.unwrap()), "aGk=", "\"aGk=\"");
    check(
        Arc::new(Date64Array::from(vec![Some(-1), None])),
        "1969-12-31",
        "\"1969-12-31\"",
    );
    check(
        Arc::new(Time32MillisecondArray::from(vec![Some(1_500), None])),
        "00:00:01.5",
        "\"00:00:01.5\"",
    );
    check(
        Arc::new(Time64NanosecondArray::from(vec![
            Some(86_399_000_000_001),
            None,
        ])),
        "23:59:59.000000001",
        "\"23:59:59.000000001\"",
    );
    let berlin = TimestampNanosecondArray::from(vec![Some(0), None]).with_timezone("Europe/Berlin");
    check(
        Arc::new(berlin),
        "1970-01-01T00:00:00Z",
        "\"1970-01-01T00:00:00Z\"",
    );
    let words: DictionaryArray<Int32Type> = [Some("x"), None].into_iter().collect();
    check(Arc::new(words), "x", "\"x\"");
    let (csv, json) = written(Arc::new(NullArray::new(1)));
    assert_eq!(
        (csv.unwrap(), json.unwrap()),
        ("-\n".into(), "{\"a\":null}\n".into())
    );
}

#[test]
fn nested_values_are_json_and_not_csv() {
    let mut list = ListBuilder::new(Int64Builder::new());
    list.append_value([Some(1), None]);
    list.append_null();
    let list: ArrayRef = Arc::new(list.finish());
    let expected = "{\"a\":[1,null]}\n{\"a\":null}\n";
    assert_eq!(written(list), (None, Some(expected.to_owned())));

    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("q\"\n\u{1}"), None]));
    let field = Arc::new(Field::new("b\\", DataType::Utf8, true));
    let pair: ArrayRef = Arc::new(StructArray::from(vec![(field, names)]));
    let expected = "{\"a\":{\"b\\\\\":\"q\\\"\\n\\u0001\"}}\n{\"a\":{\"b\\\\\":null}}\n";
    assert_eq!(written(pair), (None, Some(expected.to_owned())));

    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(7);
    map.append(true).unwrap();
    let map: ArrayRef = Arc::new(map.finish());
    assert_eq!(written(map), (None, Some("{\"a\":{\"k\":7}}\n".to_owned())));
}

#[test]
fn types_without_a_text_are_not_held() {
    let durations: ArrayRef = Arc::new(DurationSecondArray::from(vec![1]));
    assert_eq!(written(durations), (None, None));
    let list = DataType::List(Arc::new(Field::new(
        "item",
        DataType::Duration(arrow_schema::TimeUnit::Second),
        true,
    )));
    assert!(!fits(&list, Format::Jsonl));
}
