//! What CSV files mean.

use arrow_schema::Field;
use serde_json::json;

use super::{Files, columns, fails, gzip, read, rows, with};

const NASTY: &str = "\u{feff}id,name,\"note, long\",score\r\n\
    1,\"Miller, Ann\",\"said \"\"hi\"\"\",1.5\r\n\
    \r\n\
    2,\"two\r\nlines\",,NA\r\n\
    3,\"\",\"\",\"\"\n\
    4,\"NA\",NA,-2\r\
    5,plain \"quote,x,3\n\
    6,\"a\n\nb\n\",\"\"\"\",4.0e2\n\
    \n\n";

const NASTY_ROWS: [&str; 6] = [
    "1|Miller, Ann|said \"hi\"|1.5",
    "2|two\r\nlines|∅|∅",
    "3|||∅",
    "4|NA|∅|-2.0",
    "5|plain \"quote|x|3.0",
    "6|a\n\nb\n|\"|400.0",
];

#[test]
fn quotes_line_ends_and_nulls_mean_what_they_should() {
    let (_files, config) = Files::with("a.csv", NASTY);
    let output = read(&config);
    assert_eq!(
        columns(&output),
        [
            "id: Int64",
            "name: Utf8",
            "note, long: Utf8",
            "score: Float64"
        ]
    );
    assert_eq!(rows(&output), NASTY_ROWS);
    assert!(output.checkpoints().len() > 4, "{:?}", output.checkpoints());
}

#[test]
fn a_gzip_file_of_several_members_is_one_text() {
    let (start, end) = NASTY.as_bytes().split_at(70);
    let packed = [gzip(start), gzip(end)].concat();
    let (_files, config) = Files::with("a.csv.gz", &packed);
    assert_eq!(rows(&read(&config)), NASTY_ROWS);
    let (_files, config) = Files::with("a.csv", &packed);
    assert_eq!(rows(&read(&config)), NASTY_ROWS);
}

#[test]
fn lines_may_end_in_any_way_and_the_last_one_not_at_all() {
    for contents in [
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r1,2\r3,4\r",
        "\n\na,b\n\n1,2\n\n3,4\n\n",
    ] {
        let (_files, config) = Files::with("a.csv", contents);
        assert_eq!(rows(&read(&config)), ["1|2", "3|4"], "{contents:?}");
    }
}

#[test]
fn a_header_alone_is_a_stream_of_no_rows() {
    let (_files, config) = Files::with("a.csv", "a,b\n");
    let output = read(&config);
    assert_eq!(columns(&output), ["a: Utf8", "b: Utf8"]);
    assert_eq!(output.rows(), 0);
    assert_eq!(output.checkpoints(), [r#"{"file":1,"offset":0,"line":1}"#]);
}

#[test]
fn a_column_is_marked_as_untyped_if_the_sample_has_no_value_of_it() {
    let marked = |config: &serde_json::Value| {
        let output = read(config);
        let schema = output.schema().unwrap();
        let is_marked = |field: &Field| field.metadata().contains_key("vesicle:untyped");
        let fields = schema.fields().iter().filter(|field| is_marked(field));
        fields.map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    let (_files, config) = Files::with("a.csv", "a,b,c\n1,,NA\n2,,x\n");
    assert_eq!(marked(&config), ["b"]);
    let declared = with(config.clone(), "columns", json!({ "b": "text" }));
    assert!(marked(&declared).is_empty());
    assert!(marked(&with(config, "sample_rows", json!(0))).is_empty());
    let (_files, config) = Files::with("a.csv", "a,b\n");
    assert_eq!(marked(&config), ["a", "b"]);
    let (_files, config) = Files::with("a.jsonl", "{\"a\":null,\"b\":\"\"}\n");
    assert_eq!(marked(&config), ["a"]);
}

#[test]
fn columns_without_a_name_are_numbered() {
    let (_files, config) = Files::with("a.csv", ",b\nx,1\n");
    assert_eq!(columns(&read(&config)), ["column_1: Utf8", "b: Int64"]);
    let (_files, config) = Files::with("a.csv", "x,1\ny,2\n");
    let output = read(&with(config, "header", json!(false)));
    assert_eq!(columns(&output), ["column_1: Utf8", "column_2: Int64"]);
    assert_eq!(rows(&output), ["x|1", "y|2"]);
}

#[test]
fn delimiter_and_quote_can_be_chosen() {
    let (_files, config) = Files::with("a.csv", "a;b\n'x;y';1\n");
    let config = with(with(config, "delimiter", json!(";")), "quote", json!("'"));
    assert_eq!(rows(&read(&config)), ["x;y|1"]);
    let (_files, config) = Files::with("a.tsv", "a\tb\n\"x\t1\n");
    assert_eq!(rows(&read(&with(config, "quote", json!("")))), ["\"x|1"]);
}

#[test]
fn types_are_the_narrowest_that_lose_nothing() {
    let contents = "i,f,b,d,t,z,zip,big,mixed,none\n\
        1,1,true,2013-01-01,2013-01-01 10:00:00,2013-01-01T10:00:00Z,007,9223372036854775808,1,\n\
        -2,2.5,FALSE,1999-12-31,2013-01-01T10:00:00.5,2013-01-01T10:00:00+02:00,12,1,x,NA\n";
    let (_files, config) = Files::with("a.csv", contents);
    let output = read(&config);
    let expected = [
        "i: Int64",
        "f: Float64",
        "b: Boolean",
        "d: Date32",
        "t: Timestamp(µs)",
        "z: Timestamp(µs, \"UTC\")",
        "zip: Utf8",
        "big: Utf8",
        "mixed: Utf8",
        "none: Utf8",
    ];
    assert_eq!(columns(&output), expected);
    assert_eq!(
        rows(&output)[1],
        "-2|2.5|false|1999-12-31|2013-01-01T10:00:00.500|2013-01-01T08:00:00Z|12|1|x|∅"
    );
}

#[test]
fn a_float_that_would_lose_digits_makes_a_column_text() {
    let contents = "long,cents,huge,code,price,none\n\
        123456789012345678.91,99999999999999.99,1.0e400,1e5,12.50,NaN\n";
    let (_files, config) = Files::with("a.csv", contents);
    let output = read(&config);
    let expected = [
        "long: Utf8",
        "cents: Utf8",
        "huge: Utf8",
        "code: Utf8",
        "price: Float64",
        "none: Float64",
    ];
    assert_eq!(columns(&output), expected);
    assert_eq!(
        rows(&output),
        ["123456789012345678.91|99999999999999.99|1.0e400|1e5|12.5|NaN"]
    );
    let declared = json!({ "long": "float64", "cents": "float32", "code": "float64" });
    let output = read(&with(config, "columns", declared));
    assert_eq!(columns(&output)[..2], ["long: Float64", "cents: Float32"]);
    assert!(rows(&output)[0].contains("|1.0e400|100000.0|12.5|NaN"));
}

#[test]
fn declared_types_hold_whatever_the_sample_looks_like() {
    let (_files, config) = Files::with("a.csv", "a,b,c,d,e\n1,2.50,007,aGk=,2013-01-01\n,,,,\n");
    let declared = json!({ "a": "text", "b": "decimal(6,2)", "c": "int32", "d": "binary", "e": "timestamptz" });
    let output = read(&with(config, "columns", declared));
    let expected = [
        "a: Utf8",
        "b: Decimal128(6, 2)",
        "c: Int32",
        "d: Binary",
        "e: Timestamp(µs, \"UTC\")",
    ];
    assert_eq!(columns(&output), expected);
    assert_eq!(
        rows(&output),
        ["1|2.50|7|6869|2013-01-01T00:00:00Z", "∅|∅|∅|∅|∅"]
    );
}

#[test]
fn spaces_around_numbers_mean_nothing() {
    let (_files, config) = Files::with("a.csv", "a, b ,c\n 1, 2.5 , x\n2,  ,y\n");
    let output = read(&config);
    assert_eq!(columns(&output), ["a: Int64", "b: Float64", "c: Utf8"]);
    assert_eq!(rows(&output), ["1|2.5| x", "2|∅|y"]);
}

#[test]
fn null_spellings_can_be_chosen() {
    let (_files, config) = Files::with("a.csv", "a,b\n-,NA\n1,\n");
    let output = read(&with(config, "null_values", json!("-")));
    assert_eq!(rows(&output), ["∅|NA", "1|"]);
}

#[test]
fn without_a_sample_everything_is_text() {
    let (_files, config) = Files::with("a.csv", "a,b\n1,NA\n");
    let output = read(&with(config, "sample_rows", json!(0)));
    assert_eq!(columns(&output), ["a: Utf8", "b: Utf8"]);
    assert_eq!(rows(&output), ["1|∅"]);
}

#[test]
fn a_row_up_to_the_limit_is_read_and_one_above_it_is_not() {
    let (_files, config) = Files::with("a.csv", format!("a\n{}\n", "x".repeat(4000)));
    assert_eq!(rows(&read(&config)), ["x".repeat(4000)]);
    let (files, config) = Files::with("a.csv", format!("a\n1\n\"{}\n", "x".repeat(5000)));
    let message = files.clean(&fails(&config).message);
    assert!(
        message.starts_with("a.csv:3: the row is larger than"),
        "{message}"
    );
    assert!(
        message.contains("a quote that is never closed"),
        "{message}"
    );
}
