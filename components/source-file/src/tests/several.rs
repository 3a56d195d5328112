//! Several files as one stream; plans.

use serde_json::json;
use vesicle_connector::testing::{self, block_on};
use vesicle_connector::{Source, StreamRequest, SyncMode};

use super::{Files, columns, fails, read, rows};
use crate::FileSource;

#[test]
fn the_columns_of_files_may_come_in_any_order() {
    let files = Files::new();
    let one = files.add("1.csv", "a,b\n1,x\n2,y\n");
    let two = files.add("2.csv", "b,a\nz,3.5\n");
    let three = files.add("3.csv", "a,b\n");
    let output = read(&json!({ "path": [one, two, three] }));
    assert_eq!(columns(&output), ["a: Float64", "b: Utf8"]);
    assert_eq!(rows(&output), ["1.0|x", "2.0|y", "3.5|z"]);
}

#[test]
fn files_of_other_columns_are_refused() {
    let files = Files::new();
    let one = files.add("1.csv", "a,b\n1,x\n");
    let message = |contents: &str| {
        let two = files.add("2.csv", contents);
        files.clean(&fails(&json!({ "path": [one, two] })).message)
    };
    let advice = "the files of one stream need the same columns";
    assert_eq!(
        message("a\n1\n"),
        format!("2.csv: there is no column \"b\", which 1.csv has; {advice}")
    );
    assert_eq!(
        message("a,b,c\n1,2,3\n"),
        format!("2.csv: there is a column \"c\", which 1.csv has not; {advice}")
    );
}

#[test]
fn json_files_add_up_their_keys() {
    let files = Files::new();
    let one = files.add("1.jsonl", "{\"a\":1}\n");
    let two = files.add("2.jsonl", "{\"b\":2}\n");
    assert_eq!(rows(&read(&json!({ "path": [one, two] }))), ["1|∅", "∅|2"]);
}

#[test]
fn a_projection_reads_the_named_columns_in_their_order() {
    let files = Files::new();
    let csv = files.add("1.csv", "a,b,c\n1,x,2\n,y,\n");
    let jsonl = files.add("1.jsonl", "{\"a\":1,\"b\":\"x\",\"c\":2}\n{\"b\":\"y\"}\n");
    for path in [csv, jsonl] {
        let mut request = StreamRequest::new("any");
        request.columns = vec!["c".to_owned(), "a".to_owned()];
        let config = json!({ "path": path });
        let output = block_on(testing::read::<FileSource>(config.clone(), &request)).unwrap();
        assert_eq!(columns(&output), ["c: Int64", "a: Int64"]);
        assert_eq!(rows(&output), ["2|1", "∅|∅"]);
        block_on(testing::assert_resumable::<FileSource>(
            config.clone(),
            &request,
        ))
        .unwrap();
        request.columns = vec!["d".to_owned()];
        let error = block_on(testing::read::<FileSource>(config, &request)).unwrap_err();
        assert_eq!(
            error.message,
            "the stream's columns: there is no column \"d\"; did you mean \"a\"?"
        );
    }
}

#[test]
fn a_plan_is_one_partition_that_names_the_state_of_the_files() {
    let files = Files::new();
    let path = files.add("flights.csv", "a\n1\n");
    let plan = || {
        let source = testing::open_source::<FileSource>(json!({ "path": path })).unwrap();
        block_on(source.plan(&"any".into())).unwrap()
    };
    let first = plan();
    assert_eq!(first.partitions.len(), 1);
    assert_eq!(first.partitions[0].id, "all");
    assert_eq!(first.partitions[0].estimate.bytes, Some(4));
    let snapshot = first.snapshot.unwrap();
    assert!(snapshot.starts_with("1 file, 4 bytes, "), "{snapshot}");
    assert_eq!(plan().snapshot.unwrap(), snapshot);
    files.add("flights.csv", "a\n2\n");
    assert_ne!(plan().snapshot.unwrap(), snapshot);
    let source = testing::open_source::<FileSource>(json!({ "path": path })).unwrap();
    let streams = block_on(source.discover()).unwrap();
    assert_eq!(streams[0].name, "flights");
    assert_eq!(streams[0].sync_modes, [SyncMode::FullRefresh]);
}

#[test]
fn source_bytes_add_up_to_the_size_of_the_files() {
    let files = Files::new();
    let contents = "a,b\n".to_owned() + &"1,xyz\n".repeat(50);
    let size = contents.len() as u64 * 2;
    let paths = [files.add("1.csv", &contents), files.add("2.csv", &contents)];
    let output = read(&json!({ "path": paths }));
    let bytes = output.items.iter().map(|item| match item {
        testing::Item::Batch(_, bytes) => *bytes,
        _ => 0,
    });
    assert_eq!(bytes.sum::<u64>(), size);
}
