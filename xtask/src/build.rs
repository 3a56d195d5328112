//! Builds the components and the host.

use crate::arguments::Profile;
use crate::command::{self, cargo, heading};
use crate::error::Result;
use crate::foreign;
use crate::guests;
use crate::images;
use crate::toolchain;
use crate::tree::Tree;

/// Builds everything that a user has.
pub fn all(tree: &Tree, profile: Profile) -> Result<()> {
    components(tree, profile)?;
    host(tree, profile)
}

/// Builds the components, and puts them where the profile's binary finds them.
pub fn components(tree: &Tree, profile: Profile) -> Result<()> {
    toolchain::ensure_target(tree)?;
    heading("building the components");
    let built = guests::build(&tree.components(), &tree.components_target())?;
    let binaries = tree.binaries(profile);
    guests::install(&built.components, &binaries.join("components"))?;
    images::lay(&built.commands, &binaries.join("images"))
}

/// Builds the components that only tests run, if there are any.
pub fn test_components(tree: &Tree) -> Result<()> {
    let workspace = tree.test_guests();
    if !workspace.join("Cargo.toml").is_file() {
        return Ok(());
    }
    toolchain::ensure_target(tree)?;
    heading("building the components of the tests");
    let built = guests::build(&workspace, &workspace.join("target"))?;
    let mut components = built.components;
    components.extend(built.commands);
    // Those of other languages, if `prepare` has made them.
    components.extend(foreign::made(tree)?);
    guests::install(
        &components,
        &tree.binaries(Profile::Dev).join("test-components"),
    )
}

/// Builds the host: always the whole workspace. A single package would have
/// its dependencies compiled with other features, which takes minutes.
pub fn host(tree: &Tree, profile: Profile) -> Result<()> {
    heading("building the host (the first time takes minutes)");
    let mut build = cargo(&tree.root);
    build.args(["build", "--workspace"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    command::run(build.arg("--target-dir").arg(&tree.target))
}
