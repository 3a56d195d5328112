//! What a good document says.

use super::super::*;
use super::{document, parse};
use std::time::Duration;

/// Every key there is.
pub(super) const FULL: &str = r#"# a comment
version: "1.0"
pipeline: full.example_1
source:
  use: source-postgres
  config: &db
    host: db.example.com
    port: ${PORT}
    password: "${PASSWORD}"
    nested: { list: [1, 2.5, true, null, text] }
  streams:
    - customers
    - name: public.orders
      sync_mode: incremental
      cursor_field: updated_at
      tie_breaker_field: id
      primary_key: [id, line]
      columns: [id, line, updated_at]
      partition_key: id
    - { name: log, sync_mode: cdc }
  permissions:
    connect: ["db.example.com:5432", "[::1]:80"]
    read: [data, /etc/ssl]
    write: scratch
    env: [TZ, LANG]
  limits: { memory: 512 MiB, idle_timeout: 5m, fuel: 1000000 }
transforms:
  - use: transform-rename
    config: { columns: { a: b } }
  - use: components/transform-rename.wasm
  - use: transform-rename
    name: again
    permissions: { env: TZ }
    limits: { fuel: 1 }
destination:
  use: dest-postgres
  config: *db
  write_mode: upsert
  primary_key: id
  on_data_error: dlq
  schema_evolution:
    new_column: add
    removed_column: ignore
    type_change: null
    nullability: allow
  permissions: { connect: "db:5432" }
  limits: { memory: 64mb }
state: { backend: postgres, connection: "postgres://u:${PASSWORD}@db/state" }
checkpoint: { bytes: 16777216, rows: 1000, interval: 500ms }
resources: { memory: 1 GiB, queue: 32 MiB, parallelism: 8, compression: none }
"#;

#[test]
fn a_document_with_every_key_is_read() {
    let document = parse(FULL).unwrap();
    assert_eq!(document.pipeline.value, "full.example_1");
    assert_eq!(document.source.connector.uses.value, "source-postgres");
    let Streams::Named(streams) = &document.source.streams else {
        panic!("named streams")
    };
    let names: Vec<_> = streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["customers", "public.orders", "log"]);
    let SyncMode::Incremental {
        cursor_field,
        tie_breaker_field,
    } = &streams[1].sync
    else {
        panic!("incremental")
    };
    assert_eq!(cursor_field.value, "updated_at");
    assert_eq!(tie_breaker_field.as_ref().unwrap().value, "id");
    assert_eq!(streams[2].sync, SyncMode::Cdc);
    let StateStore::Postgres(url) = &document.state else {
        panic!("postgres")
    };
    assert_eq!(url.value, "postgres://u:hunter2-and-more@db/state");
    let interval = Duration::from_millis(500);
    assert_eq!(
        document.checkpoint,
        Checkpoint {
            bytes: 16 << 20,
            rows: Some(1000),
            interval
        }
    );
    assert_eq!(document.resources.parallelism, 8);
    assert_eq!(document.resources.memory, 1 << 30);
    assert_eq!(
        document.destination.schema_evolution.type_change,
        TypeChange::Null
    );
    assert_eq!(document.destination.on_data_error, OnDataError::Dlq);
    assert_eq!(
        document.destination.connector.limits.memory,
        Some(64_000_000)
    );
}

#[test]
fn permissions_and_limits_are_read_for_each_connector() {
    let document = parse(FULL).unwrap();
    let source = &document.source.connector;
    let hosts: Vec<_> = source
        .permissions
        .connect
        .iter()
        .map(|one| one.to_string())
        .collect();
    assert_eq!(hosts, ["db.example.com:5432", "[::1]:80"]);
    assert_eq!(source.permissions.write[0].value, "scratch");
    assert_eq!(source.permissions.env[1].value, "LANG");
    assert_eq!(source.limits.idle_timeout, Some(Duration::from_secs(300)));
    assert_eq!(source.limits.fuel, Some(1_000_000));
    let transform = &document.transforms[0].connector;
    assert_eq!(
        (&transform.permissions, transform.limits),
        (&Permissions::default(), Limits::default())
    );
    assert_eq!(document.transforms[2].connector.limits.fuel, Some(1));
}

#[test]
fn transforms_without_a_name_get_one_that_is_free() {
    let document = parse(FULL).unwrap();
    let names: Vec<_> = document
        .transforms
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["transform-rename", "transform-rename-2", "again"]);
}

#[test]
fn a_stream_without_a_key_has_the_destinations() {
    let document = parse(FULL).unwrap();
    let Streams::Named(streams) = &document.source.streams else {
        panic!("named streams")
    };
    let key = |stream: &Stream| {
        stream
            .primary_key
            .iter()
            .map(|one| one.value.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(key(&streams[0]), ["id"]);
    assert_eq!(key(&streams[1]), ["id", "line"]);
}

#[test]
fn a_config_keeps_its_values_and_their_places() {
    let document = parse(FULL).unwrap();
    let config = &document.source.connector.config;
    let expected = serde_json::json!({
        "host": "db.example.com",
        "port": 5432,
        "password": "hunter2-and-more",
        "nested": { "list": [1, 2.5, true, null, "text"] },
    });
    assert_eq!(config.to_json(), expected);
    assert_eq!(
        config.entry("port").unwrap().position,
        Position { line: 8, column: 5 }
    );
    assert_eq!(
        config.get("port").unwrap().position(),
        Position {
            line: 8,
            column: 11
        }
    );
    let alias = &document.destination.connector.config;
    assert_eq!(alias.to_json(), expected);
    assert_eq!(
        alias.position(),
        Position {
            line: 37,
            column: 11
        }
    );
}

#[test]
fn what_is_not_written_has_its_default() {
    let document = parse(&document("streams: [a]", "", "")).unwrap();
    assert_eq!(document.destination.write_mode.value, WriteMode::Append);
    assert_eq!(document.destination.on_data_error, OnDataError::Fail);
    let fail = SchemaEvolution {
        new_column: NewColumn::Fail,
        removed_column: RemovedColumn::Fail,
        type_change: TypeChange::Fail,
        nullability: Nullability::Fail,
    };
    assert_eq!(document.destination.schema_evolution, fail);
    let StateStore::Sqlite(path) = &document.state else {
        panic!("sqlite")
    };
    assert_eq!(path.value, ".vesicle/p.db");
    let interval = Duration::from_secs(60);
    assert_eq!(
        document.checkpoint,
        Checkpoint {
            bytes: 64 << 20,
            rows: None,
            interval
        }
    );
    let (memory, queue) = (256 << 20, 8 << 20);
    let resources = Resources {
        memory,
        queue,
        parallelism: 1,
        compression: Compression::None,
    };
    assert_eq!(document.resources, resources);
    assert_eq!(
        document.source.connector.config.to_json(),
        serde_json::json!({})
    );
}

#[test]
fn a_star_is_every_stream_with_the_destinations_key() {
    let document = parse(&document(
        "streams: \"*\"",
        "write_mode: upsert\nprimary_key: [id]",
        "",
    ))
    .unwrap();
    let position = Position {
        line: 5,
        column: 12,
    };
    let primary_key = vec!["id".to_owned()];
    assert_eq!(
        document.source.streams,
        Streams::All {
            position,
            primary_key
        }
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = format!(
        "\u{feff}{}",
        document("streams: [a]", "", "").replace('\n', "\r\n")
    );
    assert_eq!(
        parse(&text).unwrap().pipeline.position,
        Position {
            line: 2,
            column: 11
        }
    );
}

#[test]
fn sections_that_are_left_empty_are_as_if_they_were_not_there() {
    let text = document(
        "streams: [a]\nconfig:\npermissions:\nlimits:",
        "schema_evolution:",
        "transforms:\nstate:\ncheckpoint:\nresources:\n",
    );
    let document = parse(&text).unwrap();
    assert!(document.transforms.is_empty());
    assert_eq!(document.resources.parallelism, 1);
}

#[test]
fn a_version_without_quotes_is_understood() {
    let text = document("streams: [a]", "", "").replace("\"1.0\"", "1.0");
    assert!(parse(&text).is_ok());
}

#[test]
fn names_that_look_like_numbers_are_names() {
    let document = parse(&document("streams: [2024, 007]", "", "")).unwrap();
    let Streams::Named(streams) = &document.source.streams else {
        panic!("named streams")
    };
    assert_eq!(
        (streams[0].name.as_str(), streams[1].name.as_str()),
        ("2024", "007")
    );
}

#[test]
fn printing_a_document_for_debugging_shows_no_value_of_the_environment() {
    let document = parse(FULL).unwrap();
    let printed = format!("{document:?} {:?} {:?}", document.source, document.state);
    assert!(!printed.contains("hunter2"), "{printed}");
}
