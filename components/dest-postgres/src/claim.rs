//! Who writes a stream: one run at a time.
//!
//! Hosts that run the same pipeline with a state of their own do not know of
//! each other. Whoever writes holds a lock that writers share, for as long as
//! its session lasts; whoever begins needs it alone for that moment, so nobody
//! begins beside one that writes.
//!
//! Invariant: each time a load is begun or gone on with it gets another holder,
//! and only who knows that one ends a transaction with rows in it.

use std::time::Duration;

use vesicle_connector::{Error, Result};
use vesicle_postgres_client::{Client, literal, sleep};

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
/// # Errors
///
/// `conflict`, with the session, while another run writes it; what the server
/// says.
pub async fn begin_alone(
    client: &Client,
    target: &TableName,
    pipeline: &str,
    stream: &str,
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
        client.run("ROLLBACK").await?;
    }
    let who = holder(client, &number).await?;
    let message = format!(
        "{target}: another run of the pipeline {pipeline:?} is writing {stream}{who}; let it end, \
         or give one of the pipelines another name"
    );
    Err(Error::conflict("in-use", message).with_retry(AGAIN))
}

/// The session that has a lock, in words.
async fn holder(client: &Client, number: &str) -> Result<String> {
    let find = format!(
        "SELECT a.pid, coalesce(a.client_addr::text, 'a local socket') AS address,
                a.backend_start::timestamptz(0)::text AS since
           FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_catalog.pg_database
                               WHERE datname = current_database())
            AND l.classid::int8 << 32 | l.objid::int8 = {number}
          ORDER BY a.backend_start LIMIT 1"
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

/// A new holder of a load.
///
/// # Errors
///
/// What the server says.
pub async fn new_holder(client: &Client) -> Result<String> {
    let row = client
        .query_one("SELECT pg_catalog.gen_random_uuid()::text", &[])
        .await?;
    row.map(|row| row.get(0))
        .ok_or_else(|| Error::internal("no-holder", "the server gave no number"))
}
