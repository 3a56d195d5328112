//! The keys that say how a run goes: `state`, `checkpoint` and `resources`.

use super::super::table::{Kind, Section};
use super::super::words;
use super::{DAY, GIB, KIB, MIB, SECOND, default, optional};

/// `state`.
pub static STATE: Section = Section {
    name: "state",
    doc: "Where cursors, runs and dead letters are kept.",
    keys: &[
        default(
            "backend",
            Kind::Word(words::BACKENDS),
            "sqlite",
            "What keeps them.",
        ),
        optional(
            "connection",
            Kind::Text,
            "With `sqlite` the path of the file, relative to the document; without it, `.vesicle/<pipeline>.db`. With `postgres` the URL of the database, which is required: `postgres://user:${PGPASSWORD}@host:5432/database?schema=vesicle`.",
        ),
    ],
    example: "state:
  backend: sqlite
  connection: state.db",
};

/// `checkpoint`.
pub static CHECKPOINT: Section = Section {
    name: "checkpoint",
    doc: "When what was written becomes durable together with its cursor: as soon as one of these is reached, at the next checkpoint of the source, and at the end.",
    keys: &[
        default(
            "bytes",
            Kind::Size(KIB, 1024 * GIB),
            "64 MiB",
            "Bytes since the commit before.",
        ),
        optional(
            "rows",
            Kind::Count(1, i64::MAX as u64),
            "Rows since the commit before. Without it, rows are not counted.",
        ),
        default(
            "interval",
            Kind::Duration(SECOND / 10, DAY),
            "60s",
            "Time since the commit before.",
        ),
    ],
    example: "checkpoint:
  bytes: 64 MiB
  rows: 100000
  interval: 30s",
};

/// `resources`.
pub static RESOURCES: Section = Section {
    name: "resources",
    doc: "What the run may use.",
    keys: &[
        default(
            "memory",
            Kind::Size(MIB, 4 * GIB),
            "256 MiB",
            "Memory of each connector that has no `limits.memory` of its own.",
        ),
        default(
            "queue",
            Kind::Size(MIB, 64 * GIB),
            "8 MiB",
            "Data that waits between the stages of one stream, over all its queues.",
        ),
        default(
            "parallelism",
            Kind::Count(1, 256),
            "1",
            "Streams, or parts of streams, that are moved at the same time.",
        ),
        default(
            "compression",
            Kind::Word(words::COMPRESSIONS),
            "none",
            "How data is compressed between stages.",
        ),
    ],
    example: "resources:
  memory: 256 MiB
  queue: 8 MiB
  parallelism: 4
  compression: none",
};
