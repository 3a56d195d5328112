//! The replication slot of a stream: what keeps the log at the server until
//! the destination has what is in it.
//!
//! Invariant: a slot is confirmed no further than the destination's cursor, so
//! that a slot that is ahead of the cursor means that changes are lost.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use vesicle_connector::{Error, Result};
use vesicle_postgres_client::{Client, Lsn, Replication, identifier, sleep};

use crate::log::position::Position;

/// The longest name that PostgreSQL takes.
const LONGEST: usize = 63;

/// How long the server may wait for the transactions of others before it makes
/// a slot.
const PATIENCE: Duration = Duration::from_secs(30);

/// The name of what belongs to some parts: readable as far as there is room,
/// and different for different parts.
pub fn name(parts: &[&str]) -> String {
    let whole = parts.join("\n");
    // FNV-1a: names have to stay, and nobody gains by making two the same.
    let hash = whole.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let hash = format!("_{:010x}", hash >> 24);
    let readable = format!("vesicle_{}", parts.join("_"));
    let readable = readable.chars().map(|c| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '_',
    });
    let readable: String = readable.take(LONGEST - hash.len()).collect();
    readable + &hash
}

/// A slot as the server describes it.
struct Slot {
    active: bool,
    /// Whether it is for logical decoding by the plugin, in this database.
    fits: bool,
    lost: bool,
    confirmed: Lsn,
}

async fn find(client: &Client, name: &str) -> Result<Option<Slot>> {
    let find = "\
SELECT active, coalesce(plugin = 'pgoutput' AND database = current_database(), false),
       coalesce(wal_status = 'lost', false), coalesce(confirmed_flush_lsn, '0/0')::text
  FROM pg_catalog.pg_replication_slots WHERE slot_name = $1";
    let Some(row) = client.query_one(find, &[&name]).await? else {
        return Ok(None);
    };
    Ok(Some(Slot {
        active: row.get(0),
        fits: row.get(1),
        lost: row.get(2),
        confirmed: row.get::<_, String>(3).parse()?,
    }))
}

/// Whether a slot can be had.
///
/// # Errors
///
/// `configuration` or `permission`, with what to do.
pub async fn check(client: &Client, name: &str) -> Result<()> {
    let settings = "\
SELECT current_setting('wal_level'),
       coalesce((SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles
                  WHERE rolname = current_user), false),
       current_setting('max_replication_slots')::int8,
       (SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE slot_name <> $1)";
    let Some(row) = client.query_one(settings, &[&name]).await? else {
        return Ok(());
    };
    let place = client.place();
    let level: String = row.get(0);
    if level != "logical" {
        let message = format!(
            "{place}: the server's log holds no changes of rows: wal_level is {level}; set it to \
             logical and start the server again"
        );
        return Err(Error::configuration("wal-level", message));
    }
    if !row.get::<_, bool>(1) {
        let message = format!(
            "{place}: the user may not read the server's log; a superuser grants it with ALTER \
             ROLE … REPLICATION"
        );
        return Err(Error::permission("no-replication", message));
    }
    let (most, others): (i64, i64) = (row.get(2), row.get(3));
    if others >= most {
        let message = format!(
            "{place}: all {most} replication slots of the server are taken, and each stream needs \
             one; drop one that nobody uses, or raise max_replication_slots"
        );
        return Err(Error::exhausted("no-slot", message).without_retry());
    }
    Ok(())
}

/// Makes a slot anew. Where its changes begin, and the name of the snapshot of
/// all that was before, which lasts until the connection is used again.
///
/// # Errors
///
/// `conflict` while somebody reads the slot; what the server says.
pub async fn make(
    client: &Client,
    replication: &mut Replication,
    name: &str,
) -> Result<(Lsn, String)> {
    if let Some(slot) = find(client, name).await? {
        if slot.active {
            return Err(in_use(client.place(), name));
        }
        let drop = "SELECT pg_catalog.pg_drop_replication_slot($1)";
        client.query(drop, &[&name]).await?;
    }
    let quoted = identifier(name);
    let make = format!("CREATE_REPLICATION_SLOT {quoted} LOGICAL pgoutput EXPORT_SNAPSHOT");
    let made = pin!(replication.command(&make));
    let rows = match select(made, pin!(sleep(PATIENCE))).await {
        Either::Left((rows, _)) => rows?,
        Either::Right(_) => return Err(waits(client).await?),
    };
    match &rows[..] {
        [row] if row.len() >= 3 => {
            let text = |place: usize| row[place].clone().unwrap_or_default();
            Ok((text(1).parse()?, text(2)))
        }
        _ => Err(Error::internal("no-slot", "the server made no slot")),
    }
}

/// The error of a slot that waits for others.
async fn waits(client: &Client) -> Result<Error> {
    let oldest = "\
SELECT format('process %s of %s, since %s', pid, usename, xact_start) FROM pg_catalog.pg_stat_activity
 WHERE backend_xid IS NOT NULL ORDER BY xact_start LIMIT 1";
    let row = client.query_one(oldest, &[]).await?;
    let oldest = row.map_or("nobody that can be seen".into(), |row| {
        row.get::<_, String>(0)
    });
    let message = format!(
        "{}: the server makes no replication slot before the transactions that have changed \
         something have ended; the oldest is that of {oldest}",
        client.place()
    );
    Ok(Error::conflict("open-transactions", message).with_retry(Duration::from_secs(1)))
}

/// Whether a slot has all that comes after a position.
///
/// # Errors
///
/// `not-found` or `data` if it has not, with what to do; `conflict` while
/// somebody else reads it.
pub async fn check_position(client: &Client, name: &str, position: &Position) -> Result<()> {
    let lost = |why: String| {
        let message = format!(
            "{}: {why}; the changes after {} are lost. --fresh copies the table anew",
            client.place(),
            position.lsn
        );
        Error::not_found("slot-lost", message)
    };
    let Some(slot) = find(client, name).await? else {
        return Err(lost(format!("the replication slot {name} is gone")));
    };
    if !slot.fits {
        return Err(lost(format!(
            "the replication slot {name} belongs to somebody else"
        )));
    }
    if slot.lost {
        return Err(lost(format!(
            "the replication slot {name} had to keep more of the log than max_slot_wal_keep_size \
             lets it, and the server has removed it"
        )));
    }
    if slot.confirmed > position.lsn {
        return Err(lost(format!(
            "the destination has the changes up to {}, and the replication slot {name} keeps those \
             after {} alone",
            position.lsn, slot.confirmed
        )));
    }
    match slot.active {
        true => Err(in_use(client.place(), name)),
        false => Ok(()),
    }
}

fn in_use(place: &str, name: &str) -> Error {
    let message = format!(
        "{place}: somebody reads the replication slot {name}: another run, or one that the server \
         has not yet missed"
    );
    Error::conflict("slot-in-use", message).with_retry(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_readable_short_enough_and_nobody_elses() {
        let one = name(&["shop", "orders"]);
        assert!(one.starts_with("vesicle_shop_orders_"), "{one}");
        assert_ne!(one, name(&["shop_orders"]));
        assert_ne!(name(&["a", "Ü.b"]), name(&["a", "Ö.b"]));
        let long = name(&[&"p".repeat(128), &"s".repeat(63)]);
        assert_eq!(long.len(), LONGEST);
        assert!(
            long.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        );
    }
}
