//! Builds workspaces of components.
//!
//! Invariant: a folder of components holds those of its workspace, each under
//! its package's name, and no others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{self, cargo};
use crate::error::{Error, Result};
use crate::files;
use crate::toolchain::TARGET;

/// Component files by the names that documents use.
pub type Components = BTreeMap<String, PathBuf>;

/// What a workspace comes to.
#[derive(Default)]
pub struct Built {
    /// Components that others call.
    pub components: Components,
    /// Components that are run as programs.
    pub commands: Components,
}

/// Builds every component of a workspace; packages of another kind are left.
pub fn build(workspace: &Path, target: &Path) -> Result<Built> {
    let packages = packages(workspace)?;
    if packages.is_empty() {
        return Ok(Built::default());
    }
    let mut build = cargo(workspace);
    build
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(target);
    for package in packages.keys() {
        build.args(["--package", package]);
    }
    command::run(&mut build)?;
    let folder = target.join(TARGET).join("release");
    let mut built = Built::default();
    for (package, kind) in packages {
        let (into, name) = match kind {
            Kind::Library(name) => (&mut built.components, name.replace('-', "_")),
            Kind::Command(name) => (&mut built.commands, name),
        };
        into.insert(package, folder.join(name + ".wasm"));
    }
    Ok(built)
}

/// Builds one component of the tests as those are that users have.
pub fn build_as_shipped(workspace: &Path, package: &str) -> Result<PathBuf> {
    let mut build = cargo(workspace);
    build.args([
        "build",
        "--profile",
        "shipped",
        "--locked",
        "--target",
        TARGET,
    ]);
    let target = workspace.join("target");
    build
        .args(["--package", package, "--target-dir"])
        .arg(&target);
    command::run(&mut build)?;
    let folder = target.join(TARGET).join("shipped");
    Ok(folder.join(format!("{package}.wasm")))
}

/// Copies components to a folder, and removes others from it.
pub fn install(components: &Components, folder: &Path) -> Result<()> {
    files::make_folder(folder)?;
    for (name, file) in components {
        files::copy(file, &folder.join(format!("{name}.wasm")))?;
    }
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let is_component = path
            .extension()
            .is_some_and(|extension| extension == "wasm");
        let name = path.file_stem().and_then(|name| name.to_str());
        if is_component && name.is_none_or(|name| !components.contains_key(name)) {
            files::remove_file(&path)?;
        }
    }
    Ok(())
}

/// What a package makes, with the name of its target.
enum Kind {
    Library(String),
    Command(String),
}

/// The packages that make components.
fn packages(workspace: &Path) -> Result<BTreeMap<String, Kind>> {
    let mut ask = cargo(workspace);
    ask.args(["metadata", "--no-deps", "--format-version", "1"]);
    let answer: Value = serde_json::from_str(&command::output(&mut ask)?)
        .map_err(|error| Error::unmet(format!("cargo metadata: {error}")))?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = BTreeMap::new();
    for package in list(&answer["packages"]) {
        for target in list(&package["targets"]) {
            let is = |kind: &str| list(&target["crate_types"]).iter().any(|it| it == kind);
            let name = text(&target["name"]);
            let kind = match (
                is("cdylib"),
                list(&target["kind"]).iter().any(|it| it == "bin"),
            ) {
                (true, _) => Kind::Library(name),
                (false, true) => Kind::Command(name),
                (false, false) => continue,
            };
            found.insert(text(&package["name"]), kind);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_is_gone_from_the_workspace_is_gone_from_the_folder() {
        let folder = std::env::temp_dir().join(format!("xtask-guests-{}", std::process::id()));
        let built = folder.join("source_a.wasm");
        files::make_folder(&folder).unwrap();
        files::write(&built, "a").unwrap();
        let installed = folder.join("components");
        files::make_folder(&installed).unwrap();
        files::write(&installed.join("source-old.wasm"), "old").unwrap();
        files::write(&installed.join("notes.txt"), "kept").unwrap();
        install(
            &Components::from([("source-a".to_owned(), built)]),
            &installed,
        )
        .unwrap();
        let mut names: Vec<_> = fs::read_dir(&installed)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["notes.txt", "source-a.wasm"]);
        files::remove_folder(&folder).unwrap();
    }
}
