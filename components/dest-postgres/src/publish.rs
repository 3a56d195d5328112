//! The last step of a load: its rows become those of the target.
//!
//! Invariant: one transaction holds all of it, so that readers see the rows of
//! before or the rows of after, and a load is complete if its rows are there.
//! Changes, and rows that are replayed, are there with each commit.

use std::time::Duration;

use vesicle_connector::{Category, Error, Result, Summary};
use vesicle_postgres_client::{Client, identifier, sleep};

use crate::claim;
use crate::evolve::plan;
use crate::ledger::{Ledger, Record};
use crate::load::{Detail, Mode, drop_table, quoted};
use crate::target::{Existing, TableName};

/// How long a lock is waited for: meanwhile whoever comes waits too.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// How often the locks are asked for, with a pause in which others have theirs.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(3);

/// Publishes a load. Again, it changes nothing.
///
/// # Errors
///
/// `conflict` if the load is not the newest one, or the target is locked all the
/// time; what the server says.
pub async fn publish(client: &Client, detail: &Detail) -> Result<Summary> {
    for _ in 1..TRIES {
        match at_once(client, detail).await {
            Err(error) if error.code == LOCKED => {
                client.run("ROLLBACK").await?;
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
    match at_once(client, detail).await {
        Err(error) if error.code == LOCKED => {
            client.run("ROLLBACK").await?;
            Err(locked(client, detail).await?)
        }
        done => done,
    }
}

/// lock_not_available
const LOCKED: &str = "55P03";

/// Who has the target locked.
async fn locked(client: &Client, detail: &Detail) -> Result<Error> {
    let find = "\
SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), a.usename, 'another user') AS name
  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.relation = pg_catalog.to_regclass($1) AND l.granted
   AND l.pid <> pg_catalog.pg_backend_pid()
 ORDER BY a.pid LIMIT 5";
    let rows = client.query(find, &[&detail.target.quoted()]).await?;
    let sessions = rows.iter().map(|row| {
        let (pid, name): (i32, String) = (row.get("pid"), row.get("name"));
        format!("{pid} ({name})")
    });
    let message = format!(
        "{}: other sessions have it locked: {}; end them, or their transactions, and run again",
        detail.target,
        sessions.collect::<Vec<_>>().join(", ")
    );
    Ok(Error::conflict("locked", message).without_retry())
}

/// Publishes a load, unless others have locked what it needs.
async fn at_once(client: &Client, detail: &Detail) -> Result<Summary> {
    let Detail {
        pipeline,
        stream,
        run,
        holder,
        target,
        ..
    } = detail;
    let ledger = Ledger::new(client, &target.schema);
    client.run("BEGIN").await?;
    client.run(PATIENCE).await?;
    let record = ledger.find(pipeline, stream).await?;
    let is_ours =
        |record: &Record| record.run == *run && (record.complete || record.holder == *holder);
    let record = record
        .filter(is_ours)
        .ok_or_else(|| claim::taken_over(detail))?;
    let (rows, bytes) = if record.complete {
        (record.rows, record.bytes)
    } else {
        if !detail.has_changes && detail.replay.is_none() {
            hand_over(client, detail).await?;
        }
        ledger.complete(pipeline, stream).await?
    };
    client.run("COMMIT").await?;
    Ok(Summary {
        rows,
        bytes,
        places: vec![target.to_string()],
    })
}

/// Makes the staged rows those of the target, within the transaction under way.
///
/// # Errors
///
/// What the server says.
pub async fn hand_over(client: &Client, detail: &Detail) -> Result<()> {
    match (detail.target.existing(client).await?, detail.mode) {
        (None, mode) => {
            rename(client, detail).await?;
            if mode == Mode::Upsert {
                add_key(client, detail).await?;
            }
        }
        (Some(existing), mode) => {
            let columns = change(client, detail, &existing).await?;
            let added = match mode {
                Mode::Append => insert(client, detail, &columns).await,
                Mode::Replace => replace(client, detail, &columns).await,
                Mode::Upsert => upsert(client, detail, &columns).await,
            };
            added.map_err(|error| explained(error, detail))?;
        }
    }
    drop_table(client, &detail.staging).await
}

/// Moves replayed rows into the target, which is there, within the transaction
/// under way; what it refuses, also at the end of a transaction, it refuses now.
///
/// # Errors
///
/// `data` if a row may be older than one that is there; what the server says.
pub async fn move_on(client: &Client, detail: &Detail) -> Result<()> {
    client.run("SET CONSTRAINTS ALL IMMEDIATE").await?;
    let existing = detail.target.existing(client).await?.unwrap_or_default();
    let columns = change(client, detail, &existing).await?;
    match (detail.mode, &detail.newer_by) {
        (Mode::Upsert, None) => insert_absent(client, detail, &columns).await?,
        (Mode::Upsert, Some(_)) => upsert(client, detail, &columns).await?,
        (Mode::Append | Mode::Replace, _) => insert(client, detail, &columns).await?,
    }
    let empty = format!("DELETE FROM {}", detail.staging.quoted());
    client.run(&empty).await
}

/// Adds the staged rows where nothing tells whether one with the same key is
/// newer: none may be there.
async fn insert_absent(client: &Client, detail: &Detail, columns: &[String]) -> Result<()> {
    let (key, names) = (quoted(&detail.key), quoted(columns));
    let staging = detail.staging.quoted();
    let insert = format!(
        "INSERT INTO {} ({names}) SELECT {names} FROM {staging} ON CONFLICT ({key}) DO NOTHING",
        detail.target.quoted(),
    );
    let added = client.execute(&insert, &[]).await?;
    let count = format!("SELECT count(*) FROM {staging}");
    let row = client.query_one(&count, &[]).await?;
    let staged = row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs());
    if added == staged {
        return Ok(());
    }
    let message = format!(
        "{} has a row with this key, which may be newer; run the pipeline to bring the row as it \
         is now, and discard this one",
        detail.target
    );
    Err(Error::data("may-be-newer", message))
}

/// Makes the target if it is not there.
///
/// # Errors
///
/// What the server says.
pub async fn make_target(client: &Client, detail: &Detail, columns: &str) -> Result<()> {
    if detail.target.columns(client).await?.is_some() {
        return Ok(());
    }
    let target = detail.target.quoted();
    client
        .run(&format!("CREATE TABLE {target} ({columns})"))
        .await?;
    match detail.mode {
        Mode::Upsert => add_key(client, detail).await,
        Mode::Append | Mode::Replace => Ok(()),
    }
}

/// Makes the target take the staged rows. The columns that these have.
async fn change(client: &Client, detail: &Detail, existing: &[Existing]) -> Result<Vec<String>> {
    let staged = detail.staging.columns(client).await?.unwrap_or_default();
    // What is staged has the target's types already.
    let route = plan(&detail.target, Some(existing), &staged, detail.evolution)?;
    for statement in &route.statements {
        client.run(statement).await?;
    }
    Ok(staged.into_iter().map(|column| column.name).collect())
}

/// What to do where the target refuses the staged rows.
fn explained(mut error: Error, detail: &Detail) -> Error {
    if error.category == Category::Data {
        error.message.push_str(&format!(
            "\nthe rows of this load stay staged, and none is in {}; correct the table, or the \
             source, and run again",
            detail.target
        ));
    }
    error
}

/// The staging table becomes the target.
async fn rename(client: &Client, detail: &Detail) -> Result<()> {
    let rename = format!(
        "ALTER TABLE {} RENAME TO {}",
        detail.staging.quoted(),
        identifier(&detail.target.table)
    );
    client.run(&rename).await
}

/// Adds the staged rows to the target.
async fn insert(client: &Client, detail: &Detail, columns: &[String]) -> Result<()> {
    let columns = quoted(columns);
    let insert = format!(
        "INSERT INTO {} ({columns}) SELECT {columns} FROM {}",
        detail.target.quoted(),
        detail.staging.quoted()
    );
    client.run(&insert).await
}

/// What a table loses if another takes its name: whatever depends on it or was
/// set on it.
const HAS_DEPENDANTS: &str = "\
SELECT c.relacl IS NOT NULL OR c.relhasindex OR c.relhastriggers OR c.relhasrules
    OR c.relhassubclass OR c.relispartition OR c.relkind <> 'r' OR c.relrowsecurity
    OR c.reloptions IS NOT NULL
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint k
                WHERE k.conrelid = c.oid OR k.confrelid = c.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_attrdef d WHERE d.adrelid = c.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_description d WHERE d.objoid = c.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel p WHERE p.prrelid = c.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = c.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.refobjid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
                  AND d.deptype <> 'i')
    OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)
    OR c.relowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
    OR (SELECT array_agg((a.attname, a.atttypid, a.atttypmod, a.attnotnull)::text ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
       IS DISTINCT FROM
       (SELECT array_agg((a.attname, a.atttypid, a.atttypmod, a.attnotnull)::text ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = $2::text::regclass AND a.attnum > 0 AND NOT a.attisdropped)
  FROM pg_catalog.pg_class c
 WHERE c.oid = $1::text::regclass";

/// Rows of other tables that are deleted or changed with those that they refer
/// to.
const FOLLOWERS: &str = "\
SELECT k.conrelid::regclass::text, k.conname::text
  FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND k.confrelid = pg_catalog.to_regclass($1) AND k.conrelid <> k.confrelid
   AND k.confdeltype IN ('c', 'n', 'd')
 ORDER BY 1, 2";

/// Makes sure that replacing a table's rows changes those of no other table.
///
/// # Errors
///
/// `unsupported` with the table and its foreign key.
pub async fn refuse_followers(client: &Client, target: &TableName) -> Result<()> {
    let rows = client.query(FOLLOWERS, &[&target.quoted()]).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let (table, key): (String, String) = (row.get(0), row.get(1));
    let message = format!(
        "{target}: rows of {table} are deleted or changed with the rows that they refer to \
         (foreign key {key}), so to replace those would lose these; use write_mode: upsert, or \
         let the key be ON DELETE NO ACTION"
    );
    Err(Error::unsupported("others-follow", message))
}

/// Puts the staged rows in the place of the target's.
async fn replace(client: &Client, detail: &Detail, columns: &[String]) -> Result<()> {
    let target = detail.target.quoted();
    client
        .run(&format!("LOCK TABLE {target} IN ACCESS EXCLUSIVE MODE"))
        .await?;
    let row = client
        .query_one(HAS_DEPENDANTS, &[&target, &detail.staging.quoted()])
        .await?;
    if row.is_some_and(|row| !row.get::<_, bool>(0)) {
        drop_table(client, &detail.target).await?;
        return rename(client, detail).await;
    }
    refuse_followers(client, &detail.target).await?;
    // DELETE fires triggers and keeps tables that refer to this one in order.
    client.run(&format!("DELETE FROM {target}")).await?;
    insert(client, detail, columns).await
}

/// Adds the staged rows, and changes those whose key is there already. Of
/// staged rows with the same key the last one counts.
async fn upsert(client: &Client, detail: &Detail, columns: &[String]) -> Result<()> {
    let key = quoted(&detail.key);
    let others: Vec<_> = columns
        .iter()
        .filter(|name| !detail.key.contains(name))
        .map(|name| format!("{0} = excluded.{0}", identifier(name)))
        .collect();
    // Of what is there and what is staged, the newest stays.
    let (is_newer, newest) = match &detail.newer_by {
        Some(name) => {
            let name = identifier(name);
            (
                format!("WHERE target.{name} IS NULL OR target.{name} <= excluded.{name}"),
                format!("{name} DESC NULLS LAST, "),
            )
        }
        None => Default::default(),
    };
    let action = match others[..] {
        [] => "DO NOTHING".to_owned(),
        _ => format!("DO UPDATE SET {} {is_newer}", others.join(", ")),
    };
    let columns = quoted(columns);
    let upsert = format!(
        "INSERT INTO {} AS target ({columns})
         SELECT DISTINCT ON ({key}) {columns} FROM {} ORDER BY {key}, {newest}ctid DESC
         ON CONFLICT ({key}) {action}",
        detail.target.quoted(),
        detail.staging.quoted()
    );
    client.run(&upsert).await
}

/// Gives a new target its primary key, once the staged rows have one row a key.
async fn add_key(client: &Client, detail: &Detail) -> Result<()> {
    let (target, key) = (detail.target.quoted(), quoted(&detail.key));
    let conditions: Vec<_> = detail
        .key
        .iter()
        .map(|name| format!("older.{0} = newer.{0}", identifier(name)))
        .collect();
    let statements = format!(
        "DELETE FROM {target} older USING {target} newer
          WHERE {} AND older.ctid < newer.ctid;
         ALTER TABLE {target} ADD PRIMARY KEY ({key})",
        conditions.join(" AND ")
    );
    client.run(&statements).await
}
