//! Calls, streams and processes of cells, over native sides and bare instances
//! doing the same. A program of the cells' crate measures both in one process.

use super::figures::Figure;
use super::pool;
use crate::arguments::Profile;
use crate::build;
use crate::error::Result;
use crate::tree::Tree;
use crate::{files, guests};

/// The guest that measures, one of the tests' components.
const MEASURES: &str = "cell-bench";

/// Measures all cases.
pub fn measure(tree: &Tree, runs: usize) -> Result<Vec<Figure>> {
    build::components(tree, Profile::Dev)?;
    build::test_components(tree)?;
    let built = guests::build_as_shipped(&tree.test_guests(), MEASURES)?;
    let components = tree.binaries(Profile::Dev).join("test-components");
    files::copy(&built, &components.join(format!("{MEASURES}.wasm")))?;
    pool::measure_by(tree, "cells", runs)
}
