//! Names the state of the files that a plan sees.
//!
//! Invariant: two plans with one snapshot read the same rows in the same
//! order, as far as size, time of change and the first bytes of the files
//! tell.

use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};
use vesicle_connector::Result;

use crate::blame;
use crate::layout::Layout;
use crate::options::Options;

/// How much of the start of each file is part of its identity.
const START: u64 = 64 * 1024;

/// A text that is another one if the files or the way they are read change.
///
/// # Errors
///
/// What reading says.
pub fn snapshot(options: &Options, layout: &Layout) -> Result<String> {
    let mut digest = Sha256::new();
    digest.update(env!("CARGO_PKG_VERSION"));
    digest.update(&options.identity);
    let mut start = Vec::new();
    for file in &layout.files {
        digest.update(format!(
            "\0{}\0{}\0{:?}\0",
            file.path, file.size, file.modified
        ));
        start.clear();
        let read = File::open(&file.path).and_then(|file| file.take(START).read_to_end(&mut start));
        read.map_err(|error| blame::io(&file.path, error))?;
        digest.update(&start);
    }
    let hash: String = digest
        .finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let files = layout.files.len();
    let plural = if files == 1 { "" } else { "s" };
    Ok(format!(
        "{files} file{plural}, {} bytes, {hash}",
        layout.size()
    ))
}
