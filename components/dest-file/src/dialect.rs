//! How text files of a format may differ from each other.
//!
//! Files that are read as one table need one dialect. It is kept beside the
//! format in the record, in the words of the document; a record without it says
//! nothing about the files.

use serde::{Deserialize, Serialize};

/// What the files of a load have in common, as far as the format leaves it
/// open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// How they are packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// What stands between the fields of CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// How NULL is spelled in CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null: Option<String>,
}

/// An option that two dialects have different values of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The option's key.
    pub key: &'static str,
    /// Its value in one of them.
    pub was: &'a str,
    /// Its value in the other.
    pub is: &'a str,
}

impl Dialect {
    /// The first option that both have and that differs.
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<Difference<'a>> {
        let options = [
            ("compression", &self.compression, &other.compression),
            ("delimiter", &self.delimiter, &other.delimiter),
            ("null", &self.null, &other.null),
        ];
        options.into_iter().find_map(|(key, was, is)| {
            let (was, is) = (was.as_deref()?, is.as_deref()?);
            (was != is).then_some(Difference { key, was, is })
        })
    }
}
