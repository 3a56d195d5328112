//! How far the files of a stream have been read, as text.
//!
//! A cursor names the file by its place in the plan, and in it a row by where
//! it lies: `{"file":0,"offset":123456,"line":4567}` for text, whose offset is
//! one of unpacked bytes, and `{"file":0,"row_group":3,"row":0}` for Parquet.

use serde::{Deserialize, Serialize};
use vesicle_connector::{Error, Result};

/// Where a row of a text file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPlace {
    /// Unpacked bytes before it.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
}

/// Where a row of a Parquet file lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlace {
    /// Its row group, from 0.
    pub row_group: usize,
    /// Rows of the group before it.
    pub row: usize,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// Of text.
    Text(TextPlace),
    /// Of Parquet.
    Group(GroupPlace),
}

impl Place {
    /// The start of a text file.
    pub const TEXT_START: TextPlace = TextPlace { offset: 0, line: 1 };
}

/// A place in the files of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The file's place in the plan, from 0.
    pub file: usize,
    /// Where in the file.
    #[serde(flatten)]
    pub place: Place,
}

impl Position {
    /// The position that a cursor names.
    ///
    /// # Errors
    ///
    /// `conflict` (`foreign-cursor`) for a text that is not one.
    pub fn parse(cursor: &str) -> Result<Self> {
        serde_json::from_str(cursor).map_err(|_| {
            let message = format!(
                "the cursor {cursor:?} is none of source-file's; start the stream again from its \
                 beginning"
            );
            Error::conflict("foreign-cursor", message).without_retry()
        })
    }

    /// The position as a cursor.
    pub fn to_cursor(self) -> String {
        let Self { file, place } = self;
        match place {
            Place::Text(TextPlace { offset, line }) => {
                format!("{{\"file\":{file},\"offset\":{offset},\"line\":{line}}}")
            }
            Place::Group(GroupPlace { row_group, row }) => {
                format!("{{\"file\":{file},\"row_group\":{row_group},\"row\":{row}}}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_as_the_position_it_names() {
        let text = Place::Text(TextPlace {
            offset: 123_456,
            line: 4567,
        });
        let group = Place::Group(GroupPlace {
            row_group: 3,
            row: 0,
        });
        for place in [text, group] {
            let position = Position { file: 2, place };
            assert_eq!(Position::parse(&position.to_cursor()).unwrap(), position);
        }
        assert_eq!(
            Position {
                file: 0,
                place: text
            }
            .to_cursor(),
            r#"{"file":0,"offset":123456,"line":4567}"#
        );
    }

    #[test]
    fn a_cursor_of_another_source_is_refused() {
        for cursor in ["", "42", r#"{"file":0}"#, r#"{"offset":1,"line":1}"#] {
            assert_eq!(Position::parse(cursor).unwrap_err().code, "foreign-cursor");
        }
    }
}
