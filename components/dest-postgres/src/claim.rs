//! Who writes a stream: one run at a time.
//!
//! Hosts that run the same pipeline with a state of their own do not know of
//! each other. Whoever writes or publishes holds a lock that writers share, for
//! as long as its session lasts; whoever begins needs it alone for that moment,
//! so nobody begins beside one that writes. Between two of its sessions a run
//! can be overtaken, and then learns of it from the holder.
//!
//! Invariant: each time a load is begun or gone on with it gets another holder,
//! and only who knows that one ends a transaction with rows in it.

use std::time::Duration;

use vesicle_connector::{Error, LoadRequest, Result};
use vesicle_postgres_client::{Client, is_missing_table, literal, sleep};

use crate::ledger::Ledger;
use crate::load::Detail;
use crate::target::TableName;

/// How often it is looked whether the others have ended: a session that was cut
/// off lasts for some moments.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// What the host waits before it tries again. With all its tries this is longer
/// than a session lasts whose host is gone without a word.
const AGAIN: Duration = Duration::from_secs(15);

/// The number of a stream's lock, as SQL.
fn number(schema: &str, pipeline: &str, stream: &str) -> String {
    let name = format!("vesicle load\n{schema}\n{pipeline}\n{stream}");
    format!("pg_catalog.hashtextextended({}, 0)", literal(&name))
}

/// What a session asks for before it writes a stream.
pub fn share(schema: &str, pipeline: &str, stream: &str) -> String {
    let number = number(schema, pipeline, stream);
    format!("SELECT pg_catalog.pg_advisory_lock_shared({number})")
}

/// Begins a transaction during which nobody writes the stream.
///
/// Whoever asks for a run holds the state's lock, so that sessions which write
/// for that run are what an attempt before has left behind: they are ended.
///
/// # Errors
///
/// `conflict`, with the session, while another run writes it; what the server
/// says.
pub async fn begin_alone(
    client: &Client,
    target: &TableName,
    request: &LoadRequest,
    (pipeline, stream): (&str, &str),
) -> Result<()> {
    let number = number(&target.schema, pipeline, stream);
    let ask = format!("SELECT pg_catalog.pg_try_advisory_xact_lock({number})");
    for look in 0..LOOKS {
        if look > 0 {
            sleep(PAUSE).await;
        }
        client.run("BEGIN").await?;
        let row = client.query_one(&ask, &[]).await?;
        if row.is_some_and(|row| row.get(0)) {
            return Ok(());
        }
        if look == 0 {
            end_left_behind(client, target, request, (pipeline, stream)).await?;
        }
        client.run("ROLLBACK").await?;
    }
    let who = holder(client, &number).await?;
    let message = format!(
        "{target}: another run of the pipeline {pipeline:?} is writing {stream}{who}; let it end, \
         or give one of the pipelines another name"
    );
    Err(Error::conflict("in-use", message).with_retry(AGAIN))
}

/// The sessions that share a lock: those that write.
fn holders(number: &str) -> String {
    format!(
        "pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.mode = 'ShareLock'
            AND l.database = (SELECT oid FROM pg_catalog.pg_database
                               WHERE datname = current_database())
            AND l.classid::int8 << 32 | l.objid::int8 = {number}"
    )
}

/// Ends the sessions that write for the run that asks.
async fn end_left_behind(
    client: &Client,
    target: &TableName,
    request: &LoadRequest,
    (pipeline, stream): (&str, &str),
) -> Result<()> {
    let ledger = Ledger::new(client, &target.schema);
    let is_held = match ledger.is_held_by(pipeline, stream, &request.run).await {
        // The first of all loads is being begun.
        Err(error) if is_missing_table(&error) => false,
        is_held => is_held?,
    };
    if is_held {
        let holders = holders(&number(&target.schema, pipeline, stream));
        // Those of another user cannot be ended, and are waited for.
        let own = "a.usename = current_user";
        let end = format!("SELECT pg_catalog.pg_terminate_backend(a.pid) FROM {holders} AND {own}");
        client.query(&end, &[]).await?;
    }
    Ok(())
}

/// The session that has a lock, in words.
async fn holder(client: &Client, number: &str) -> Result<String> {
    let find = format!(
        "SELECT a.pid,
                CASE WHEN a.backend_start IS NULL THEN 'another user'
                     ELSE coalesce(pg_catalog.host(a.client_addr), 'a local socket') END AS address,
                coalesce(a.backend_start::timestamptz(0)::text, 'some time') AS since
           FROM {} ORDER BY a.backend_start LIMIT 1",
        holders(number)
    );
    let row = client.query_one(&find, &[]).await?;
    Ok(row.map_or_else(String::new, |row| {
        let (pid, address, since): (i32, String, String) =
            (row.get("pid"), row.get("address"), row.get("since"));
        format!(" (session {pid} from {address}, since {since})")
    }))
}

/// What is told to who is not the writer of a load any more.
pub fn taken_over(detail: &Detail) -> Error {
    let Detail { target, run, .. } = detail;
    let message = format!(
        "{target}: the load of run {run} is not this run's any more: another run of the same \
         pipeline has gone on with it, or has ended it"
    );
    Error::conflict("not-under-way", message).without_retry()
}

/// A new holder of a load: the run that goes on with it, and a number of this
/// time.
///
/// # Errors
///
/// What the server says.
pub async fn new_holder(client: &Client, run: &str) -> Result<String> {
    let new = "SELECT $1 || '/' || pg_catalog.gen_random_uuid()::text";
    let row = client.query_one(new, &[&run]).await?;
    row.map(|row| row.get(0))
        .ok_or_else(|| Error::internal("no-holder", "the server gave no number"))
}
