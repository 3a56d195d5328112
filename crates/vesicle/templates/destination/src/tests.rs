//! The destination, run natively as the host would run it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vesicle_connector::arrow_array::record_batch;
use vesicle_connector::arrow_schema;
use vesicle_connector::testing::{Item, Loaded, block_on, load, open_destination};

use super::*;

fn rows(ids: [i64; 2]) -> Item {
    let ids = ids.to_vec();
    record_batch!(("id", Int64, ids), ("name", Utf8, [Some("a"), None]))
        .unwrap()
        .into()
}

fn request(run: &str) -> LoadRequest {
    let schema = record_batch!(("id", Int64, [1]), ("name", Utf8, ["a"]))
        .unwrap()
        .schema();
    LoadRequest::new("people", run, schema)
}

fn config(folder: &Path) -> Value {
    json!({ "path": folder })
}

/// Writes items as one run that ends with them.
fn write(folder: &Path, request: &LoadRequest, items: Vec<Item>) -> Loaded {
    let loaded = block_on(load::<JsonLines>(config(folder), request, "all", items)).unwrap();
    loaded.outcome.clone().unwrap();
    loaded
}

fn finish(folder: &Path, loaded: &Loaded) -> Summary {
    let destination = open_destination::<JsonLines>(config(folder)).unwrap();
    block_on(destination.finish(&loaded.load)).unwrap()
}

/// What a reader sees who knows nothing of the ledger.
fn seen(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("people")) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let lines = |path| fs::read_to_string(path).unwrap();
    files
        .into_iter()
        .flat_map(|path| lines(path).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

const FIRST: [&str; 2] = [r#"{"id":1,"name":"a"}"#, r#"{"id":2,"name":null}"#];
const SECOND: [&str; 2] = [r#"{"id":3,"name":"a"}"#, r#"{"id":4,"name":null}"#];

#[test]
fn each_commit_is_acknowledged_with_its_rows_and_seen() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![
        rows([1, 2]),
        Item::commit("2"),
        rows([3, 4]),
        Item::last("4"),
    ];
    let loaded = write(folder.path(), &request("r1"), items);
    let receipts: Vec<_> = loaded
        .receipts()
        .iter()
        .map(|receipt| (receipt.cursor.as_str(), receipt.rows))
        .collect();
    assert_eq!(receipts, [("2", 2), ("4", 2)]);
    assert_eq!(seen(folder.path()), [FIRST, SECOND].concat());
    assert_eq!(finish(folder.path(), &loaded).rows, 4);
    // Repeating it changes nothing.
    assert_eq!(finish(folder.path(), &loaded).rows, 4);
}

#[test]
fn rows_without_a_commit_have_not_happened_and_the_load_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let items = vec![rows([1, 2]), Item::commit("2"), rows([7, 8])];
    write(folder.path(), &request("r1"), items);
    assert_eq!(seen(folder.path()), FIRST);

    let items = vec![rows([3, 4]), Item::last("4")];
    let again = write(folder.path(), &request("r2"), items);
    assert_eq!(again.load.run, "r1");
    assert_eq!(again.load.cursors[0].cursor, "2");
    assert_eq!(seen(folder.path()), [FIRST, SECOND].concat());
}

#[test]
fn a_file_that_was_committed_and_not_published_is_published_by_the_next_begin() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &request("r1"),
        vec![rows([1, 2]), Item::commit("2")],
    );
    // As a crash right after the commit leaves it.
    let name = "r1-all-000001.jsonl";
    let (seen_at, hidden_at) = (folder.path().join("people"), folder.path().join(".people"));
    fs::rename(seen_at.join(name), hidden_at.join(name)).unwrap();
    assert!(seen(folder.path()).is_empty());

    write(folder.path(), &request("r1"), Vec::new());
    assert_eq!(seen(folder.path()), FIRST);
}

#[test]
fn a_fresh_load_undoes_the_unfinished_one_and_keeps_the_finished() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(
        folder.path(),
        &request("r1"),
        vec![rows([1, 2]), Item::last("2")],
    );
    finish(folder.path(), &first);
    write(
        folder.path(),
        &request("r2"),
        vec![rows([7, 8]), Item::commit("8")],
    );
    let mut fresh = request("r3");
    fresh.fresh = true;
    let loaded = write(folder.path(), &fresh, vec![rows([3, 4]), Item::last("4")]);
    assert_eq!(loaded.load.run, "r3");
    assert!(loaded.load.cursors.is_empty());
    assert_eq!(seen(folder.path()), [FIRST, SECOND].concat());
}

#[test]
fn a_run_that_was_finished_is_complete_when_it_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = write(
        folder.path(),
        &request("r1"),
        vec![rows([1, 2]), Item::last("2")],
    );
    finish(folder.path(), &loaded);
    assert!(
        write(folder.path(), &request("r1"), Vec::new())
            .load
            .complete
    );
}
