//! What the server says, as an error of the contract.

use tokio_postgres::error::{DbError, SqlState};
use vesicle_connector::{Category, Error};

/// The error that a failed call means; `place` tells where.
pub fn database_error(place: &str, error: &tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(error) => server_error(place, error),
        None => {
            let mut message = format!("{place}: {error}");
            let mut cause = std::error::Error::source(error);
            while let Some(inner) = cause {
                let text = inner.to_string();
                if !message.contains(&text) {
                    message = format!("{message}: {text}");
                }
                cause = inner.source();
            }
            let category = if error.is_closed() || has_io_cause(error) {
                Category::Unavailable
            } else {
                Category::Internal
            };
            Error::new(category, "connection", message)
        }
    }
}

/// Whether the server says that there is no such table.
pub fn is_missing_table(error: &Error) -> bool {
    error.code == SqlState::UNDEFINED_TABLE.code()
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<std::io::Error>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// An error as a server tells it.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// The SQLSTATE.
    pub code: String,
    pub message: String,
    /// What else it says, each under a word.
    pub more: Vec<(&'static str, String)>,
}

fn server_error(place: &str, error: &DbError) -> Error {
    let more = [
        ("detail", error.detail()),
        ("hint", error.hint()),
        ("where", error.where_()),
    ];
    let more = more.into_iter();
    let what = Said {
        code: error.code().code().to_owned(),
        message: error.message().to_owned(),
        more: more
            .filter_map(|(word, more)| Some((word, more?.to_owned())))
            .collect(),
    };
    said(place, &what)
}

/// The error that a server tells.
pub(crate) fn said(place: &str, what: &Said) -> Error {
    let mut message = format!("{place}: {}", what.message);
    for (word, more) in &what.more {
        message = format!("{message}\n{word}: {more}");
    }
    let code = SqlState::from_code(&what.code);
    Error::new(meaning(&code), code.code(), message)
}

/// What a SQLSTATE means. Whether the same may succeed later follows from it.
fn meaning(code: &SqlState) -> Category {
    match code.code() {
        // Too many connections; servers on their way up or down.
        "53300" | "57P01" | "57P02" | "57P03" | "57P05" => Category::Unavailable,
        // Serialization failures, deadlocks, locks.
        "40001" | "40P01" | "55P03" => Category::Conflict,
        "57014" => Category::Timeout,
        "42501" => Category::Permission,
        "42P01" | "3D000" | "3F000" | "42703" | "42704" | "42883" => Category::NotFound,
        "42804" | "42P07" | "42701" => Category::Schema,
        "0A000" => Category::Unsupported,
        code => match code.get(..2).unwrap_or_default() {
            "08" => Category::Unavailable,
            "28" => Category::Authentication,
            "22" | "23" => Category::Data,
            "25" | "42" | "55" => Category::Configuration,
            "53" | "54" => Category::Exhausted,
            _ => Category::Internal,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_kind_of_trouble_it_is() {
        for (code, category) in [
            ("28P01", Category::Authentication),
            ("42501", Category::Permission),
            ("42P01", Category::NotFound),
            ("40P01", Category::Conflict),
            ("57P01", Category::Unavailable),
            ("08006", Category::Unavailable),
            ("22P02", Category::Data),
            ("53100", Category::Exhausted),
            ("XX000", Category::Internal),
        ] {
            assert_eq!(meaning(&SqlState::from_code(code)), category, "{code}");
        }
    }
}
