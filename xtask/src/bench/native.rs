//! The connectors without the sandbox, in one program.

use std::path::PathBuf;

use crate::command::{self, cargo, heading};
use crate::error::Result;
use crate::tree::Tree;

/// The program, a crate under `benches/`.
const NAME: &str = "native-pipe";

/// Builds it.
pub fn build(tree: &Tree) -> Result<PathBuf> {
    heading(&format!("building {NAME}"));
    let target = tree.components_target();
    let mut native = cargo(&tree.root.join("benches").join(NAME));
    native.args(["build", "--release", "--locked", "--target-dir"]);
    command::run(native.arg(&target))?;
    Ok(target.join("release").join(NAME))
}
