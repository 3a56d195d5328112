//! How far a log has been read.

use serde::{Deserialize, Serialize};
use vesicle_connector::{Cursor, Error, Result};
use vesicle_postgres_client::Lsn;

/// How far a log has been read, and whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// All changes before have been read.
    pub lsn: Lsn,
    /// The number of the cluster: that of another one means nothing.
    pub system: String,
    /// The object identifier of the table.
    pub table: u32,
}

#[derive(Serialize, Deserialize)]
struct Text {
    lsn: String,
    system: String,
    table: u32,
}

impl Position {
    /// The same at another place of the same log.
    pub fn at(&self, lsn: Lsn) -> Self {
        Self {
            lsn,
            ..self.clone()
        }
    }

    /// The position as a cursor.
    pub fn to_cursor(&self) -> Cursor {
        let text = Text {
            lsn: self.lsn.to_string(),
            system: self.system.clone(),
            table: self.table,
        };
        // Texts and a number can always be written.
        serde_json::to_string(&text).unwrap_or_default()
    }

    /// Reads a cursor.
    ///
    /// # Errors
    ///
    /// `configuration` for one that another way of reading has left.
    pub fn parse(cursor: &str) -> Result<Self> {
        let text: Text = serde_json::from_str(cursor).map_err(|_| {
            let message = format!(
                "the last run has read up to {cursor}, which is no position in a log of changes; \
                 --fresh copies the table anew"
            );
            Error::configuration("other-cursor", message)
        })?;
        Ok(Self {
            lsn: text.lsn.parse()?,
            system: text.system,
            table: text.table,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_where_in_whose_log() {
        let position = Position {
            lsn: Lsn(0x16_b374_d848),
            system: "7412345678901234567".into(),
            table: 16_385,
        };
        let cursor = position.to_cursor();
        assert_eq!(
            cursor,
            r#"{"lsn":"16/B374D848","system":"7412345678901234567","table":16385}"#
        );
        assert_eq!(Position::parse(&cursor).unwrap(), position);
        assert_eq!(Position::parse("end").unwrap_err().code, "other-cursor");
    }
}
