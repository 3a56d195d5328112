//! Beginning a load, going on with one, and giving one up.

use arrow_schema::Schema;
use serde::{Deserialize, Serialize};
use vesicle_connector::{
    Error, Evolution, Load, LoadRequest, PartitionCursor, Result, SyncMode, WriteMode,
};
use vesicle_postgres::ddl;
use vesicle_postgres_client::{Client, identifier, literal};

use crate::claim::{begin_alone, new_holder};
use crate::columns;
use crate::evolve::{Route, evolve};
use crate::ledger::{Ledger, Record};
use crate::publish;
use crate::target::TableName;

/// What any instance has to know to go on with a load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Whose load it is.
    pub pipeline: String,
    /// Of which stream.
    pub stream: String,
    /// Begun by which run.
    pub run: String,
    /// Who goes on with it: see [`crate::claim`].
    pub holder: String,
    /// Where its rows will be.
    pub target: TableName,
    /// Where they are until then.
    pub staging: TableName,
    /// How they get from there to here.
    pub mode: Mode,
    /// Whether they are followed by changes, and become visible with each
    /// commit.
    pub has_changes: bool,
    /// Of rows that loads before could not write: the columns of the temporary
    /// table that they are staged in. They go on into the target with each
    /// commit, so that those which it refuses are told apart.
    pub replay: Option<String>,
    /// The column that tells the newer of two rows with the same key, where
    /// what is there may be newer.
    pub newer_by: Option<String>,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// What happens where rows have another shape than the target.
    pub evolution: Evolution,
    /// Whether rows that cannot be written are told, rather than an error.
    pub rejects: bool,
}

/// What the names of tables begin with that are kept beside the targets.
const OWN: &str = "_vesicle_";

/// The write modes, in words that stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// See the crate's own words.
    Append,
    /// See the crate's own words.
    Replace,
    /// See the crate's own words.
    Upsert,
}

impl Detail {
    /// Reads what [`begin`] has written.
    ///
    /// # Errors
    ///
    /// `internal` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::internal("bad-detail", format!("{text:?}: {error}")))
    }
}

/// Names as SQL writes them, with commas between.
pub fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| identifier(name)).collect();
    names.join(", ")
}

/// Begins a load, or goes on with the one under way.
///
/// # Errors
///
/// `schema` if the columns cannot be those of the target, or are not those that
/// the load under way was begun with; what the server says.
pub async fn begin(client: &Client, schema: &str, request: &LoadRequest) -> Result<Load> {
    let ledger = Ledger::new(client, schema);
    // Rows that are written again have a load of their own beside the stream's,
    // which no other replay goes on with.
    let of_replays = format!("{}/dead-letters/{}", request.pipeline, request.run);
    let pipeline = match request.replay {
        true => &of_replays,
        false => &request.pipeline,
    };
    let stream = &*request.stream_name;
    let target = TableName::of_stream(stream, schema);
    if target.table.starts_with(OWN) {
        let message = format!(
            "{target}: tables whose names begin with {OWN} hold what dest-postgres keeps; write the \
             stream to another schema, or leave it out"
        );
        return Err(Error::configuration("own-table", message));
    }
    begin_alone(client, &target, request, (pipeline, stream)).await?;
    // Of all that begin at once, one makes what is missing.
    let alone = format!(
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({}, 0));
         CREATE SCHEMA IF NOT EXISTS {}",
        literal(&format!("vesicle {schema}")),
        identifier(schema)
    );
    client.run(&alone).await?;
    ledger.make().await?;
    let holder = new_holder(client, &request.run).await?;
    let wanted = columns::of_schema(&request.schema)?;
    let detail = |record: &Record, columns: &str| Detail {
        pipeline: pipeline.clone(),
        stream: stream.to_owned(),
        run: record.run.clone(),
        holder: holder.clone(),
        target: target.clone(),
        staging: match request.replay {
            true => TableName::temporary(&record.staging),
            false => TableName {
                schema: schema.to_owned(),
                table: record.staging.clone(),
            },
        },
        mode: match request.write_mode {
            WriteMode::Append => Mode::Append,
            WriteMode::Replace => Mode::Replace,
            WriteMode::Upsert => Mode::Upsert,
        },
        has_changes: request.sync_mode == SyncMode::Cdc,
        replay: request.replay.then(|| columns.to_owned()),
        newer_by: request.newer_by.clone(),
        key: request.primary_key.clone(),
        evolution: request.evolution,
        rejects: request.rejects,
    };
    let known = ledger.find(pipeline, stream).await?;
    let others = ledger
        .others_of_run((pipeline, stream), &target.to_string(), &request.run)
        .await?;
    if let Some(other) = others.first() {
        let message = format!(
            "{target}: the streams {other:?} and {stream:?} would both be written to it; read them \
             by pipelines with a schema of their own each"
        );
        return Err(Error::configuration("same-target", message));
    }
    if let Some(record) = &known
        && record.complete
        && record.run == request.run
        && !request.fresh
    {
        let cursors = ledger.cursors(pipeline, stream).await?;
        client.run("COMMIT").await?;
        return loaded(record, cursors, &detail(record, &record.columns));
    }
    if request.write_mode == WriteMode::Replace {
        publish::refuse_followers(client, &target).await?;
    }
    let route = evolve(client, &target, &wanted, request.evolution).await?;
    check_key(&target, &route, request)?;
    // The same text for the same columns.
    let shape = match target.columns(client).await? {
        Some(_) => route.declaration(),
        None => ddl::columns(&request.schema)?,
    };
    let sync_mode = match request.sync_mode {
        SyncMode::FullRefresh => "full_refresh",
        SyncMode::Incremental => "incremental",
        SyncMode::Cdc => "cdc",
    };
    if let Some(record) = &known
        && !record.complete
    {
        let mut cursors = ledger.cursors(pipeline, stream).await?;
        // Changes are of the target's columns, whatever the snapshot's were.
        let has_snapshot = request.sync_mode == SyncMode::Cdc && !cursors.is_empty();
        // What a replay stages is in the target with the next commit.
        let is_same = (record.columns == shape || has_snapshot || request.replay)
            && record.sync_mode == sync_mode;
        if !request.fresh && is_same {
            // A log has no end; what has come since is read too.
            for cursor in cursors.iter_mut().filter(|_| has_snapshot) {
                cursor.last = false;
            }
            ledger.hold(pipeline, stream, &holder).await?;
            client.run("COMMIT").await?;
            return loaded(record, cursors, &detail(record, &shape));
        }
        if !request.fresh && ledger.has_rows(pipeline, stream).await? {
            let message = format!(
                "{target}: the load that run {} has begun has other columns or another sync_mode; \
                 finish it as it was, or abandon it with --fresh",
                record.run
            );
            return Err(Error::schema("other-columns", message));
        }
        drop_table(client, &detail(record, &shape).staging).await?;
    }
    let record = Record {
        run: request.run.clone(),
        holder: holder.clone(),
        staging: staging_name(client, request).await?,
        snapshot: request.snapshot.clone(),
        columns: shape,
        sync_mode: sync_mode.to_owned(),
        complete: false,
        rows: 0,
        bytes: 0,
    };
    let detail = detail(&record, &record.columns);
    make_enums(client, &request.schema).await?;
    if request.replay {
        publish::make_target(client, &detail, &record.columns).await?;
    }
    ledger
        .put(pipeline, stream, &target.to_string(), &record)
        .await?;
    let goes_on = match request.sync_mode {
        SyncMode::FullRefresh => false,
        SyncMode::Incremental => true,
        SyncMode::Cdc => !request.fresh,
    };
    let has_gone_on = known.is_some_and(|before| before.sync_mode == sync_mode);
    if goes_on && has_gone_on {
        ledger.rewind(pipeline, stream).await?;
    } else {
        ledger.forget_cursors(pipeline, stream).await?;
    }
    let mut cursors = ledger.cursors(pipeline, stream).await?;
    let is_gone = target.columns(client).await?.is_none();
    if request.sync_mode == SyncMode::Incremental && is_gone && !cursors.is_empty() {
        if !request.fresh {
            let message = format!(
                "{target}: the table is gone, and with it the rows up to which the runs before \
                 have read; --fresh reads all of them anew"
            );
            return Err(Error::schema("target-gone", message));
        }
        ledger.forget_cursors(pipeline, stream).await?;
        cursors.clear();
    }
    if request.sync_mode == SyncMode::Incremental
        && has_gone_on
        && cursors.is_empty()
        && !request.fresh
        && target.has_rows(client).await?
    {
        let message = format!(
            "{target}: nothing says any more up to where its rows were read, since that is gone \
             from _vesicle_cursor; --fresh reads all of them anew, and with write_mode: append adds \
             them to those that are there"
        );
        return Err(Error::schema("cursor-gone", message));
    }
    // Changes go to the target.
    if detail.replay.is_none() && (!detail.has_changes || cursors.is_empty()) {
        let create = format!(
            "CREATE TABLE {} ({})",
            detail.staging.quoted(),
            record.columns
        );
        client.run(&create).await?;
        if request.rejects {
            add_checks(client, &detail, &route).await?;
        }
    }
    client.run("COMMIT").await?;
    loaded(&record, cursors, &detail)
}

/// Whether the rows have what tells them apart, if that is needed.
fn check_key(target: &TableName, route: &Route, request: &LoadRequest) -> Result<()> {
    if request.write_mode != WriteMode::Upsert {
        return Ok(());
    }
    if request.primary_key.is_empty() {
        let message = format!(
            "{target}: upsert needs to know which columns identify a row; name them under \
             primary_key"
        );
        return Err(Error::configuration("no-key", message));
    }
    for name in &request.primary_key {
        if !route.written().any(|it| it.column.name == *name) {
            let message = format!(
                "{target}: the column {name:?} identifies a row and is not written; is it in the \
                 source, and in {target}?"
            );
            return Err(Error::schema("no-key", message));
        }
    }
    let is_plain = |name: &&String| {
        let found = route.written().find(|it| it.column.name == **name);
        found.is_some_and(|it| !it.coerced)
    };
    if let Some(name) = request.newer_by.as_ref().filter(|name| !is_plain(name)) {
        let message = format!(
            "{target}: the column {name:?} tells which of two rows with the same key is the newer \
             one, and is not written, or as another type; write it as it is, or change those rows \
             at the source, which brings them again, and discard the dead letters"
        );
        return Err(Error::schema("no-order", message));
    }
    Ok(())
}

/// Lets the staging table refuse what the target would.
async fn add_checks(client: &Client, detail: &Detail, route: &Route) -> Result<()> {
    if detail.target.columns(client).await?.is_none() {
        return Ok(());
    }
    let names: Vec<_> = route.written().map(|it| it.column.name.clone()).collect();
    let checks = detail.target.checks(client, &names).await?;
    if checks.is_empty() {
        return Ok(());
    }
    let staging = detail.staging.quoted();
    let alter = format!("ALTER TABLE {staging} {}", checks.join(", "));
    client.run(&alter).await
}

/// A name that no other load's staging table has.
async fn staging_name(client: &Client, request: &LoadRequest) -> Result<String> {
    let name =
        "SELECT '_vesicle_' || substr(pg_catalog.md5($1 || chr(10) || $2 || chr(10) || $3), 1, 24)";
    let row = client
        .query_one(
            name,
            &[&request.pipeline, &request.stream_name, &request.run],
        )
        .await?;
    row.map(|row| row.get(0))
        .ok_or_else(|| Error::internal("no-name", "the server gave no name"))
}

fn loaded(record: &Record, cursors: Vec<PartitionCursor>, detail: &Detail) -> Result<Load> {
    Ok(Load {
        run: record.run.clone(),
        complete: record.complete,
        snapshot: record.snapshot.clone(),
        cursors,
        detail: serde_json::to_string(detail)
            .map_err(|error| Error::internal("bad-detail", error.to_string()))?,
    })
}

/// Makes the enums that the columns need and that are not there.
pub async fn make_enums(client: &Client, schema: &Schema) -> Result<()> {
    let find = "\
SELECT 1 FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname = $1 AND t.typname = $2";
    for it in ddl::enums(schema)? {
        if client
            .query_one(find, &[&it.schema, &it.name])
            .await?
            .is_none()
        {
            let schema = identifier(&it.schema);
            let make = format!("CREATE SCHEMA IF NOT EXISTS {schema}; ");
            client.run(&(make + &ddl::create_enum(&it)?)).await?;
        }
    }
    Ok(())
}

/// Drops a table if it is there.
pub async fn drop_table(client: &Client, table: &TableName) -> Result<()> {
    let drop = format!("DROP TABLE IF EXISTS {}", table.quoted());
    client.run(&drop).await
}

/// Gives a load up: its rows and its record.
///
/// # Errors
///
/// What the server says.
pub async fn discard(client: &Client, detail: &Detail) -> Result<()> {
    let ledger = Ledger::new(client, &detail.target.schema);
    client.run("BEGIN").await?;
    let (pipeline, stream) = (&detail.pipeline, &detail.stream);
    if ledger
        .is_under_way(pipeline, stream, &detail.holder)
        .await?
    {
        drop_table(client, &detail.staging).await?;
        ledger.give_up(pipeline, stream).await?;
        ledger.rewind(pipeline, stream).await?;
    }
    client.run("COMMIT").await
}
