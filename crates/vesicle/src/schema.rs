//! `vesicle schema`

use vesicle_pipeline::{Exit, document};

use crate::output::{Failed, print_json};

/// Prints the JSON Schema of the document.
pub fn run() -> Result<Exit, Failed> {
    print_json(&document::json_schema());
    Ok(Exit::Success)
}
