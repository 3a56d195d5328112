//! Makes an image as IPFS has it, in `target/test-data/ipfs`, with an importer of
//! npm that nobody here wrote: `tests/ipfs`.
//!
//! Invariant: what is there was made from the present sources; what cannot be
//! made ends the task.

use std::process::Command;

use crate::command::{self, heading};
use crate::error::{Error, Result};
use crate::files;
use crate::foreign::{contents, is_stamped, npm_ci};
use crate::tree::Tree;

/// What names the importer, and uses it.
const SOURCES: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "make.js"];

/// Makes sure that the image is there.
pub fn make(tree: &Tree) -> Result<()> {
    let sources = tree.root.join("tests/ipfs");
    let made = tree.target.join("test-data/ipfs");
    let stamp = made.join("made-from");
    let inputs = contents(&sources)?;
    if is_stamped(&stamp, &inputs) {
        return Ok(());
    }
    heading(&format!("making {}", tree.shown(&made)));
    files::remove_folder(&made)?;
    files::make_folder(&made)?;
    let place = tree.target.join("foreign/ipfs");
    files::make_folder(&place)?;
    for name in SOURCES {
        files::copy(&sources.join(name), &place.join(name))?;
    }
    let mut make = Command::new("node");
    make.arg("make.js").arg(&made).current_dir(&place);
    let done = npm_ci(&place).and_then(|()| command::run(&mut make));
    done.map_err(|error| {
        Error::unmet(format!(
            "the image that tests take from IPFS cannot be made: {error}; it takes Node.js, 20 \
             or later, with npm (Debian: `apt-get install nodejs npm`) and npm's registry, or a \
             mirror in npm's configuration. What the tools said is above"
        ))
    })?;
    files::write(&stamp, inputs)
}
