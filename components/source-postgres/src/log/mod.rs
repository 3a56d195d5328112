//! Reading changes: a snapshot of a table, and from it on what the server's
//! log says of the table.
//!
//! The log is read by the server's own plugin `pgoutput`, over a replication
//! slot for each stream, which keeps the log until the destination has what is
//! in it.
//!
//! Invariants: a slot is confirmed no further than the destination has
//! committed; a cursor lies between transactions; the snapshot has no cursor in
//! it, so that one that was not finished leaves nothing.

mod group;
mod identity;
mod link;
mod message;
mod position;
mod publication;
mod reader;
mod shape;
mod slot;

use vesicle_connector::{Emitter, Error, Format, Partition, Plan, Result, StreamRequest};
use vesicle_postgres_client::{Client, Lsn, Replication, literal};

use crate::log::link::Link;
use crate::log::position::Position;
use crate::log::publication::Publication;
use crate::log::reader::{Reader, Until};
use crate::log::shape::Wanted;
use crate::options::Options;
use crate::reading::{self, Reading};
use crate::table::Table;
use crate::{BEGIN, NAME};

/// The name of the only partition.
const PARTITION: &str = "log";

/// The error of a slot that has lost what it kept, as the server tells it.
const UNUSABLE: &str = "55000";

/// The table with the columns that are read: those that the log does not have
/// are left out.
fn logged(mut table: Table, request: &StreamRequest) -> Result<Table> {
    let generated = |name: &&String| {
        let mut columns = table.columns.iter();
        columns.any(|column| column.generated && column.name == **name)
    };
    if let Some(name) = request.columns.iter().find(generated) {
        let message = format!(
            "stream {:?}: {name:?} is a generated column, which no log has; leave it out of columns",
            request.name
        );
        return Err(Error::unsupported("generated-column", message));
    }
    table.columns.retain(|column| !column.generated);
    Ok(table)
}

/// The plan of a stream, whose table a transaction under way has found.
///
/// # Errors
///
/// Why the log cannot be read, with what to do.
pub async fn plan(
    client: &Client,
    table: Table,
    request: &StreamRequest,
    options: &Options,
) -> Result<Plan> {
    let table = logged(table, request)?;
    slot::check(client, &slot_name(request, options)).await?;
    identity::key(client, &table, request).await?;
    let publication = Publication::of(&table, options.publication.as_deref());
    publication.check(client, &table).await?;
    let format = reading::format(&table.wanted(&request.columns)?, &request.accepts);
    let schema = table.schema(&request.columns, options.mapping)?;
    let mut partition = Partition::new(PARTITION, "");
    partition.estimate = table.estimate();
    Ok(Plan::new(schema, vec![partition]).emitting(format))
}

fn slot_name(request: &StreamRequest, options: &Options) -> String {
    let database = &options.server.database;
    slot::name(&[&request.pipeline, database, &request.name])
}

/// Emits what comes after a cursor or, without one, a snapshot and what comes
/// after that.
///
/// # Errors
///
/// `not-found` if the log has lost changes; `data` for a value that cannot be
/// represented; what the server says.
pub async fn read(
    client: Client,
    table: Table,
    request: &StreamRequest,
    options: &Options,
    cursor: Option<&str>,
    out: &mut Emitter,
) -> Result<()> {
    let table = logged(table, request)?;
    let key = identity::key(&client, &table, request).await?;
    client.run("COMMIT").await?;
    let publication = Publication::of(&table, options.publication.as_deref());
    let slot = slot_name(request, options);
    let mut replication = Replication::connect(&options.server, NAME).await?;
    let here = identify(&mut replication, &table).await?;
    let committed = out.committed();
    let from = match cursor {
        Some(cursor) => {
            let from = Position::parse(cursor)?;
            check_origin(&client, &here, &from)?;
            slot::check_position(&client, &slot, &from).await?;
            publication.expect(&client, &table).await?;
            from
        }
        None => {
            publication.ensure(&client, &table).await?;
            let (lsn, snapshot) = slot::make(&client, &mut replication, &slot).await?;
            let format = reading::format(&table.wanted(&request.columns)?, &request.accepts);
            copy(&client, &table, request, options, &snapshot, format, out).await?;
            let from = here.at(lsn);
            out.settle(from.to_cursor()).await?;
            from
        }
    };
    let until = match options.follow {
        true => Until::Asked,
        false => Until::Reached(identify(&mut replication, &table).await?.lsn),
    };
    let plugin = format!(
        "proto_version '1', publication_names {}, binary 'true'",
        literal(&vesicle_postgres_client::identifier(&publication.name)).trim_start()
    );
    let started = replication.start(&slot, from.lsn, &plugin).await;
    started.map_err(|error| match error.code == UNUSABLE {
        true => {
            let message = format!("{}\n--fresh copies the table anew", error.message);
            Error::not_found("slot-lost", message)
        }
        false => error,
    })?;
    let wanted = Wanted {
        stream: request.name.clone(),
        columns: request.columns.clone(),
        key,
        never_null: never_null(&table),
        mapping: options.mapping,
    };
    let interval = match until {
        Until::Asked => link::patience(&client).await?,
        Until::Reached(_) => link::QUICK,
    };
    client.close().await;
    let link = Link::new(replication, committed, from, interval);
    Reader::new(link, &options.server, wanted, table.oid, until)
        .read(out)
        .await
}

fn never_null(table: &Table) -> Vec<String> {
    let columns = table.columns.iter().filter(|column| !column.nullable);
    columns.map(|column| column.name.clone()).collect()
}

/// Where the log is now, and whose it is.
async fn identify(replication: &mut Replication, table: &Table) -> Result<Position> {
    let rows = replication.command("IDENTIFY_SYSTEM").await?;
    let text = |place: usize| rows.first().and_then(|row| row.get(place)?.clone());
    match (text(0), text(2)) {
        (Some(system), Some(lsn)) => Ok(Position {
            lsn: lsn.parse()?,
            system,
            table: table.oid,
        }),
        _ => Err(Error::internal(
            "no-system",
            "the server does not say who it is",
        )),
    }
}

/// Whether a position is one of this server's log, of this table.
fn check_origin(client: &Client, here: &Position, from: &Position) -> Result<()> {
    let why = if here.system != from.system {
        "the server is not the one that the last run has read from"
    } else if here.table != from.table {
        "the table is not the one that the last run has read: it was dropped and made again"
    } else if here.lsn < from.lsn {
        "the server's log ends before the place up to which the last run has read it: the server \
         was set back"
    } else {
        return Ok(());
    };
    let message = format!("{}: {why}; --fresh copies the table anew", client.place());
    Err(Error::not_found("other-log", message))
}

/// Emits the rows of a snapshot.
async fn copy(
    client: &Client,
    table: &Table,
    request: &StreamRequest,
    options: &Options,
    snapshot: &str,
    format: Format,
    out: &mut Emitter,
) -> Result<()> {
    client.run(BEGIN).await?;
    let import = format!("SET TRANSACTION SNAPSHOT {}", literal(snapshot));
    client.run(&import).await?;
    let reading = Reading {
        table,
        columns: table.wanted(&request.columns)?,
        mapping: options.mapping,
    };
    let untouched = format == Format::PostgresCopy;
    reading.read_all(client, untouched, out).await?;
    client.run("COMMIT").await
}

/// Whether a position is later by as much as is worth a commit of its own.
fn is_far(from: Lsn, to: Lsn) -> bool {
    /// A sixteenth of what the server keeps at least.
    const FAR: u64 = 1 << 20;
    to.0.saturating_sub(from.0) >= FAR
}
