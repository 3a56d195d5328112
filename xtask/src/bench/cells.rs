//! Calls, streams and processes of cells, over native sides and bare instances
//! doing the same. A program of the cells' crate measures both in one process.

use super::figures::Figure;
use super::pool;
use crate::arguments::Profile;
use crate::build;
use crate::error::Result;
use crate::tree::Tree;

/// Measures all cases.
pub fn measure(tree: &Tree, runs: usize) -> Result<Vec<Figure>> {
    // The guest that measures is one of the tests' components.
    build::components(tree, Profile::Dev)?;
    build::test_components(tree)?;
    pool::measure_by(tree, "cells", runs)
}
