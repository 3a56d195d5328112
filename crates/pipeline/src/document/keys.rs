//! Every key of a pipeline document.

mod run;

pub use run::{CHECKPOINT, RESOURCES, STATE};

use super::table::{Key, Kind, Presence, Section};
use super::words;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SECOND: u64 = 1000;
const DAY: u64 = 86_400 * SECOND;

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        presence: Presence::Required,
        doc,
    }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        presence: Presence::Optional,
        doc,
    }
}

const fn default(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        presence: Presence::Default(default),
        doc,
    }
}

/// The top level.
pub static DOCUMENT: Section = Section {
    name: "document",
    doc: "The top level of the document.",
    keys: &[
        required("version", Kind::Version, "The version of this format."),
        required(
            "pipeline",
            Kind::Name,
            "The name of the pipeline, 128 characters at most. State is kept under it, so a pipeline keeps its name and no other takes it.",
        ),
        required("source", Kind::Section(&SOURCE), "Where rows come from."),
        optional(
            "transforms",
            Kind::Sections(&TRANSFORM),
            "What rows pass through, in this order.",
        ),
        required("destination", Kind::Section(&DESTINATION), "Where rows go."),
        optional(
            "state",
            Kind::Section(&STATE),
            "Where cursors, runs and dead letters are kept.",
        ),
        optional(
            "checkpoint",
            Kind::Section(&CHECKPOINT),
            "How often data becomes durable.",
        ),
        optional(
            "resources",
            Kind::Section(&RESOURCES),
            "What the run may use.",
        ),
    ],
    example: "version: \"1.0\"
pipeline: flights
source:
  use: source-file
  config: { path: data/flights.csv, format: csv }
  streams: [flights]
destination:
  use: dest-file
  config: { path: out, format: parquet }
  write_mode: replace",
};

const USE: &str =
    "The connector: a name that is looked up on the search path, or the path of a component.";
const CONFIG: &str = "The connector's own keys; `vesicle inspect` lists them. Relative paths are relative to the document.";
const PERMISSIONS_DOC: &str = "What the connector may reach beyond what its `config` names.";
const LIMITS_DOC: &str = "What the connector may use.";

/// `source`.
pub static SOURCE: Section = Section {
    name: "source",
    doc: "Where rows come from.",
    keys: &[
        required("use", Kind::Text, USE),
        optional("config", Kind::Config, CONFIG),
        required(
            "streams",
            Kind::Streams(&STREAM),
            "What is read: `\"*\"` for every stream the source has, each in full, or a list. An item that is only a name stands for `{ name: … }`.",
        ),
        optional("permissions", Kind::Section(&PERMISSIONS), PERMISSIONS_DOC),
        optional("limits", Kind::Section(&LIMITS), LIMITS_DOC),
    ],
    example: "source:
  use: source-file
  config:
    path: data/*.csv
    format: csv
  streams: [flights]",
};

/// `source.streams[]`.
pub static STREAM: Section = Section {
    name: "source.streams[]",
    doc: "One of the things that a source has: a table, a set of files.",
    keys: &[
        required(
            "name",
            Kind::Text,
            "Its name, as the source gives it: `flights`, `public.orders`. It names the folder or table at the destination too; source-file, which has one stream, takes any.",
        ),
        default(
            "sync_mode",
            Kind::Word(words::SYNC_MODES),
            "full_refresh",
            "What a run reads.",
        ),
        optional(
            "cursor_field",
            Kind::Text,
            "The column that grows with every change. Required with `sync_mode: incremental`, and only there.",
        ),
        optional(
            "tie_breaker_field",
            Kind::Text,
            "A column that orders rows with the same `cursor_field`. Only with `sync_mode: incremental`.",
        ),
        optional(
            "primary_key",
            Kind::Names,
            "The columns that identify a row. Without it, `destination.primary_key` holds.",
        ),
        optional(
            "columns",
            Kind::Names,
            "The columns that are read. Without it, all of them.",
        ),
        optional(
            "partition_key",
            Kind::Text,
            "The column that divides the stream into parts that are read at the same time.",
        ),
    ],
    example: "streams:
  - customers
  - name: public.orders
    sync_mode: incremental
    cursor_field: updated_at
    tie_breaker_field: id
    primary_key: [id]
    columns: [id, updated_at, total]
    partition_key: id",
};

/// `transforms[]`.
pub static TRANSFORM: Section = Section {
    name: "transforms[]",
    doc: "A connector that rows pass through.",
    keys: &[
        required("use", Kind::Text, USE),
        optional(
            "name",
            Kind::Name,
            "What reports call it. Without it, the name of the connector, numbered if that is taken.",
        ),
        optional("config", Kind::Config, CONFIG),
        optional("permissions", Kind::Section(&PERMISSIONS), PERMISSIONS_DOC),
        optional("limits", Kind::Section(&LIMITS), LIMITS_DOC),
    ],
    example: "transforms:
  - use: transform-rename
    name: english
    config:
      columns: { nom: name }",
};

/// `destination`.
pub static DESTINATION: Section = Section {
    name: "destination",
    doc: "Where rows go.",
    keys: &[
        required("use", Kind::Text, USE),
        optional("config", Kind::Config, CONFIG),
        default(
            "write_mode",
            Kind::Word(words::WRITE_MODES),
            "append",
            "What becomes of the rows that are there already.",
        ),
        optional(
            "primary_key",
            Kind::Names,
            "The columns that identify a row, for streams that name none of their own. `write_mode: upsert` needs one or the other.",
        ),
        default(
            "on_data_error",
            Kind::Word(words::ON_DATA_ERROR),
            "fail",
            "What becomes of a row that cannot be read, changed or written.",
        ),
        optional(
            "schema_evolution",
            Kind::Section(&SCHEMA_EVOLUTION),
            "What happens when the shape of the data changes.",
        ),
        optional("permissions", Kind::Section(&PERMISSIONS), PERMISSIONS_DOC),
        optional("limits", Kind::Section(&LIMITS), LIMITS_DOC),
    ],
    example: "destination:
  use: dest-file
  config: { path: out, format: parquet }
  write_mode: append
  on_data_error: dlq",
};

/// `destination.schema_evolution`.
pub static SCHEMA_EVOLUTION: Section = Section {
    name: "destination.schema_evolution",
    doc: "What happens when the data at the source has another shape than at the destination.",
    keys: &[
        default(
            "new_column",
            Kind::Word(words::NEW_COLUMN),
            "fail",
            "A column that the destination lacks.",
        ),
        default(
            "removed_column",
            Kind::Word(words::REMOVED_COLUMN),
            "fail",
            "A column that the source lacks.",
        ),
        default(
            "type_change",
            Kind::Word(words::TYPE_CHANGE),
            "fail",
            "A column of another type.",
        ),
        default(
            "nullability",
            Kind::Word(words::NULLABILITY),
            "fail",
            "A column that may be NULL and may not be at the destination.",
        ),
    ],
    example: "destination:
  use: dest-file
  config: { path: out, format: parquet }
  schema_evolution:
    new_column: add
    removed_column: ignore
    type_change: coerce
    nullability: allow",
};

/// `permissions` of a connector.
pub static PERMISSIONS: Section = Section {
    name: "permissions",
    doc: "What a connector may reach beyond what its `config` names. It gets what is written here and its manifest asks for; what only one of the two names, it does not get.",
    keys: &[
        optional(
            "connect",
            Kind::Endpoints,
            "Hosts it may connect to, each with a port: `db.example.com:5432`, `10.0.0.7:443`, `[::1]:8080`.",
        ),
        optional(
            "read",
            Kind::Paths,
            "Files and folders it may read. Relative paths are relative to the document.",
        ),
        optional(
            "write",
            Kind::Paths,
            "Folders it may write to. Relative paths are relative to the document.",
        ),
        optional("env", Kind::Variables, "Environment variables it may see."),
    ],
    example: "source:
  use: source-file
  streams: [flights]
  permissions:
    connect: [\"db.example.com:5432\"]
    read: [data]
    write: [scratch]
    env: [TZ]",
};

/// `limits` of a connector.
pub static LIMITS: Section = Section {
    name: "limits",
    doc: "What a connector may use.",
    keys: &[
        optional(
            "memory",
            Kind::Size(MIB, 4 * GIB),
            "Memory, over all its linear memories and tables. Without it, `resources.memory` holds.",
        ),
        optional(
            "idle_timeout",
            Kind::Duration(SECOND, DAY),
            "How long it may make no progress: read, write or answer nothing. Without it, 5 minutes.",
        ),
        optional(
            "fuel",
            Kind::Count(1, i64::MAX as u64),
            "WebAssembly instructions, roughly, over the whole run. Without it they are not counted.",
        ),
    ],
    example: "source:
  use: source-file
  streams: [flights]
  limits:
    memory: 512 MiB
    idle_timeout: 5m
    fuel: 50000000000",
};

/// Every section, in the order of the reference.
pub static SECTIONS: &[&Section] = &[
    &DOCUMENT,
    &SOURCE,
    &STREAM,
    &TRANSFORM,
    &DESTINATION,
    &SCHEMA_EVOLUTION,
    &PERMISSIONS,
    &LIMITS,
    &STATE,
    &CHECKPOINT,
    &RESOURCES,
];
