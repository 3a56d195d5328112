//! The parts of a table that are read on their own, and the snapshot that all
//! of them see.

use serde::{Deserialize, Serialize};
use vesicle_connector::{Error, Estimate, Format, Partition, Result};
use vesicle_postgres_client::{Client, literal};

use crate::table::{Kind, Table};

/// The cursor of a partition that has been read.
pub const END: &str = "end";

/// The fewest blocks that are worth a partition: 32 MiB.
const FEWEST_BLOCKS: u32 = 4096;

/// A range of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// The first.
    pub from: u32,
    /// The first that is not of the range; none if it has no end, since a table
    /// may have grown.
    pub to: Option<u32>,
}

impl Blocks {
    /// All blocks there are.
    pub const ALL: Self = Self { from: 0, to: None };

    /// Cuts a table into no more ranges than this, each worth reading apart.
    pub fn cut(table: &Table, most: u32) -> Vec<Self> {
        if table.kind == Kind::Query {
            return vec![Self::ALL];
        }
        let count = (table.blocks / FEWEST_BLOCKS).clamp(1, most.max(1));
        let bound = |part: u32| {
            let bound = u64::from(table.blocks) * u64::from(part) / u64::from(count);
            // No more than the blocks.
            bound as u32
        };
        (0..count)
            .map(|part| Self {
                from: bound(part),
                to: (part + 1 < count).then(|| bound(part + 1)),
            })
            .collect()
    }

    /// The rows of the range as a condition; none if it is all rows.
    pub fn condition(self) -> Option<String> {
        let from = (self.from > 0).then(|| format!("ctid >= '({},0)'::tid", self.from));
        let to = self.to.map(|to| format!("ctid < '({to},0)'::tid"));
        match (from, to) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(one),
            (Some(from), Some(to)) => Some(format!("{from} AND {to}")),
        }
    }
}

/// What whoever reads a partition has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detail {
    snapshot: String,
    /// The rows.
    pub blocks: Blocks,
    /// Whether they are passed on as the server writes them.
    pub untouched: bool,
}

impl Detail {
    /// Reads what [`describe`] has written.
    ///
    /// # Errors
    ///
    /// `internal` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::internal("bad-detail", format!("{text:?}: {error}")))
    }

    /// Makes the transaction that has just begun see what the plan saw.
    ///
    /// # Errors
    ///
    /// `unavailable` if the plan's session is gone.
    pub async fn import_snapshot(&self, client: &Client) -> Result<()> {
        let import = format!("SET TRANSACTION SNAPSHOT {}", literal(&self.snapshot));
        client.run(&import).await.map_err(|error| {
            let message = format!(
                "the snapshot that the stream is read in is gone, and with it the session that \
                 held it open: {}",
                error.message
            );
            Error::unavailable("snapshot-gone", message)
        })
    }
}

/// Makes the transaction's snapshot known to other sessions, as long as it is
/// open.
///
/// # Errors
///
/// What the server says.
pub async fn export_snapshot(client: &Client) -> Result<String> {
    let row = client
        .query_one("SELECT pg_catalog.pg_export_snapshot()", &[])
        .await?;
    row.map(|row| row.get(0))
        .ok_or_else(|| Error::internal("no-snapshot", "the server gave no snapshot"))
}

/// The partition of some blocks.
///
/// # Errors
///
/// None but defects.
pub fn describe(
    snapshot: &str,
    blocks: Blocks,
    format: Format,
    table: &Table,
) -> Result<Partition> {
    let detail = Detail {
        snapshot: snapshot.to_owned(),
        blocks,
        untouched: format == Format::PostgresCopy,
    };
    let detail = serde_json::to_string(&detail)
        .map_err(|error| Error::internal("bad-detail", error.to_string()))?;
    let id = match blocks.to {
        None if blocks.from == 0 => "all".to_owned(),
        None => format!("blocks {}-", blocks.from),
        Some(to) => format!("blocks {}-{}", blocks.from, to - 1),
    };
    let mut partition = Partition::new(id, detail);
    let whole = table.estimate();
    let last = blocks.to.unwrap_or(table.blocks);
    let share = |whole: u64| match table.blocks {
        0 => whole,
        blocks_of_all => {
            let part = u128::from(last.saturating_sub(blocks.from));
            // No more than the whole.
            (u128::from(whole) * part / u128::from(blocks_of_all)) as u64
        }
    };
    partition.estimate = Estimate {
        rows: whole.rows.map(share),
        bytes: whole.bytes.map(share),
    };
    Ok(partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_block_once_and_the_last_has_no_end() {
        let one = Blocks {
            from: 0,
            to: Some(5000),
        };
        assert_eq!(one.condition().as_deref(), Some("ctid < '(5000,0)'::tid"));
        let last = Blocks {
            from: 5000,
            to: None,
        };
        assert_eq!(last.condition().as_deref(), Some("ctid >= '(5000,0)'::tid"));
        assert_eq!(Blocks::ALL.condition(), None);
    }
}
