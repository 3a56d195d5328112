//! A state as pipelines use it, whatever keeps it.
//!
//! The same tests run twice: [`sqlite`] and [`postgres`] each have a `Fixture`
//! with the same methods, and the files of both below them.

mod files;
mod fixture;
mod postgres;
mod server;
mod sqlite;

use super::*;

fn slice(run: &Run) -> Slice {
    Slice {
        run: run.id.clone(),
        stream: "s".to_owned(),
        partition: "0".to_owned(),
    }
}

/// Ten rows and a hundred bytes more.
fn receipt(run: &Run, sequence: u64, cursor: &str) -> Receipt {
    let (slice, cursor) = (slice(run), cursor.to_owned());
    Receipt {
        slice,
        sequence,
        cursor,
        last: false,
        rows: 10,
        bytes: 100,
    }
}

fn adopted(partition: &str, cursor: &str) -> AdoptedCursor {
    AdoptedCursor {
        partition: partition.to_owned(),
        cursor: cursor.to_owned(),
        last: false,
    }
}

fn letter(row: &str) -> NewLetter {
    NewLetter {
        stage: "source numbers".to_owned(),
        row: row.to_owned(),
        category: "data".to_owned(),
        code: "csv-bad-number".to_owned(),
        message: "not a number".to_owned(),
    }
}
