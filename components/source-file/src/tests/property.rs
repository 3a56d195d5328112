//! Any table that is written as the formats say is read as it was.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Files, gzip, read, rows, with};

/// Texts of what matters to the formats.
fn text() -> impl Strategy<Value = String> {
    "[a\",\\\\\r\n é\u{1f980}0-]{0,12}"
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    // A row of one empty field would be a blank line.
    (2..4_usize).prop_flat_map(|width| vec(vec(text(), width), 0..8))
}

fn expected(table: &[Vec<String>]) -> Vec<String> {
    table.iter().map(|row| row.join("|")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_csv_is_read_as_it_was_written(table in table(), end in "\n|\r\n|\r", packed: bool) {
        let width = table.first().map_or(2, Vec::len);
        let quote = |text: &String| {
            let plain = text.chars().all(|letter| !"\",\r\n".contains(letter));
            if plain { text.clone() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
        };
        let names: Vec<String> = (0..width).map(|index| format!("c{index}")).collect();
        let mut contents = names.join(",");
        for row in &table {
            contents += &end;
            contents += &row.iter().map(quote).collect::<Vec<_>>().join(",");
        }
        let contents = if packed { gzip(contents) } else { contents.into_bytes() };
        let (_files, config) = Files::with("a.csv", contents);
        let config = with(with(config, "sample_rows", json!(0)), "null_values", json!([]));
        prop_assert_eq!(rows(&read(&config)), expected(&table));
    }

    #[test]
    fn any_json_lines_are_read_as_they_were_written(table in table()) {
        prop_assume!(!table.is_empty());
        let mut contents = String::new();
        for row in &table {
            let entries = row.iter().enumerate();
            let object: Map<String, Value> =
                entries.map(|(index, text)| (format!("c{index}"), json!(text))).collect();
            contents += &format!("{}\n", Value::Object(object));
        }
        let (_files, config) = Files::with("a.jsonl", contents);
        let config = with(config, "sample_rows", json!(0));
        prop_assert_eq!(rows(&read(&config)), expected(&table));
    }

    #[test]
    fn no_contents_make_the_reader_panic(contents in vec(prop_oneof![
        Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'{'), Just(b':'), Just(b'1'),
        Just(b'['), Just(b'}'), any::<u8>(),
    ], 0..200)) {
        for name in ["a.csv", "a.jsonl", "a.parquet", "a.csv.gz"] {
            let (_files, config) = Files::with(name, &contents);
            // Whatever it says; a panic would fail the test.
            let _ = vesicle_connector::testing::block_on(
                vesicle_connector::testing::read::<crate::FileSource>(config, "any"),
            );
        }
    }
}
