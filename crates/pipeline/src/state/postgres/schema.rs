//! The tables of a state in PostgreSQL, and how older ones become current.
//!
//! Invariants: a schema with other tables is left alone; tables are made and
//! changed by one process at a time, all or nothing.

use super::super::sql::{Value, values};
use super::address::Address;
use super::connection::Connection;
use super::error::ServerError;
use super::lock::key;

/// What brings the tables from each format to the next. The number of steps is
/// the format of tables that are up to date.
const STEPS: &[&str] = &[TABLES, STAGES];

/// The newest format.
const FORMAT: i64 = STEPS.len() as i64;

/// Finds the tables, or makes them, and brings them up to date.
pub(super) fn prepare(
    connection: &Connection,
    address: &Address,
    make: bool,
) -> Result<(), ServerError> {
    connection.batch("BEGIN")?;
    let done = migrate(connection, address, make);
    connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

fn migrate(connection: &Connection, address: &Address, make: bool) -> Result<(), ServerError> {
    let schema = address.schema();
    let place = address.to_string();
    let first = |statement: &str, values: &[Value]| -> Result<Option<Value>, ServerError> {
        let answer = connection.run(statement, values)?;
        Ok(answer
            .rows
            .into_iter()
            .next()
            .and_then(|row| row.0.into_iter().next()))
    };
    // Until the transaction ends.
    let turn = key(schema, "");
    first("SELECT pg_advisory_xact_lock(?1) IS NULL", &values![turn])?;
    let exists = first(
        "SELECT nspname::text FROM pg_namespace WHERE nspname = ?1",
        &values![schema],
    )?;
    let quoted = schema.replace('"', "\"\"");
    match exists {
        Some(_) => {}
        None if !make => return Err(ServerError::NotFound { place }),
        None => connection.batch(&format!("CREATE SCHEMA \"{quoted}\""))?,
    }
    connection.batch(&format!("SET search_path = \"{quoted}\""))?;
    let tables = first(
        "SELECT coalesce(bool_or(relname = 'format'), false) FROM pg_class
         JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = ?1 AND relkind IN ('r', 'p', 'v', 'm', 'f') HAVING count(*) > 0",
        &values![schema],
    )?;
    let found = match tables {
        None if !make => return Err(ServerError::NotFound { place }),
        None => 0,
        Some(Value::Number(0)) => return Err(ServerError::Foreign { place }),
        Some(_) => match first("SELECT format FROM format", &[]) {
            Ok(Some(Value::Number(found))) => found,
            Ok(_) => return Err(ServerError::Foreign { place }),
            Err(ServerError::Damaged { .. }) => return Err(ServerError::Foreign { place }),
            Err(error) => return Err(error),
        },
    };
    if found > FORMAT {
        let known = FORMAT;
        return Err(ServerError::Newer {
            place,
            found,
            known,
        });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        connection.batch(step)?;
    }
    if found < FORMAT {
        connection.run("UPDATE format SET format = ?1", &values![FORMAT])?;
    }
    Ok(())
}

/// Texts sort by their bytes, as in SQLite, whatever the database does.
const TABLES: &str = "
CREATE TABLE format (
    format bigint NOT NULL
);
INSERT INTO format VALUES (0);

CREATE TABLE pipelines (
    name text COLLATE \"C\" PRIMARY KEY,
    identity text NOT NULL,
    created text NOT NULL
);

-- Who took the lock of a pipeline last. The lock itself is the session's.
CREATE TABLE holders (
    pipeline text COLLATE \"C\" PRIMARY KEY,
    holder text NOT NULL
);

CREATE TABLE runs (
    id text COLLATE \"C\" PRIMARY KEY,
    pipeline text COLLATE \"C\" NOT NULL REFERENCES pipelines (name) ON DELETE CASCADE,
    started text NOT NULL,
    ended text,
    status text NOT NULL,
    attempts bigint NOT NULL DEFAULT 1,
    rows bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    error text,
    destination text
);

CREATE INDEX runs_of_pipeline ON runs (pipeline, id);

-- At most one open run for a pipeline.
CREATE UNIQUE INDEX open_run ON runs (pipeline)
    WHERE status IN ('running', 'failed', 'interrupted');

CREATE TABLE streams (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text COLLATE \"C\" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream text COLLATE \"C\" NOT NULL,
    snapshot text,
    status text NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    UNIQUE (run, stream)
);

CREATE TABLE partitions (
    pipeline text COLLATE \"C\" NOT NULL REFERENCES pipelines (name) ON DELETE CASCADE,
    stream text COLLATE \"C\" NOT NULL,
    partition text COLLATE \"C\" NOT NULL,
    run text NOT NULL,
    cursor text NOT NULL,
    last bigint NOT NULL,
    sequence bigint NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    updated text NOT NULL,
    PRIMARY KEY (pipeline, stream, partition)
);

-- Which cursor a commit was asked for, until it is known to be durable.
CREATE TABLE intents (
    run text COLLATE \"C\" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream text COLLATE \"C\" NOT NULL,
    partition text COLLATE \"C\" NOT NULL,
    sequence bigint NOT NULL,
    cursor text NOT NULL,
    PRIMARY KEY (run, stream, partition, sequence)
);

CREATE TABLE letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text COLLATE \"C\" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream text COLLATE \"C\" NOT NULL,
    partition text COLLATE \"C\" NOT NULL,
    sequence bigint NOT NULL,
    settled bigint NOT NULL,
    \"row\" text NOT NULL,
    category text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    at text NOT NULL
);

CREATE INDEX letters_of_run ON letters (run, stream, partition, settled, sequence);
";

/// Who could not pass a letter's row on; and the run that replays it, if one
/// does.
const STAGES: &str = "
ALTER TABLE letters ADD COLUMN stage text NOT NULL DEFAULT '';
ALTER TABLE letters ADD COLUMN claimed text;
";
