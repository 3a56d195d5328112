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

/// Builds every component of a workspace; packages of another kind are left.
pub fn build(workspace: &Path, target: &Path) -> Result<Components> {
    let packages = packages(workspace)?;
    if packages.is_empty() {
        return Ok(Components::new());
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
    let file = |library: String| folder.join(library.replace('-', "_") + ".wasm");
    Ok(packages
        .into_iter()
        .map(|(package, library)| (package, file(library)))
        .collect())
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

/// The packages that make components, with the names of their libraries.
fn packages(workspace: &Path) -> Result<BTreeMap<String, String>> {
    let mut ask = cargo(workspace);
    ask.args(["metadata", "--no-deps", "--format-version", "1"]);
    let answer: Value = serde_json::from_str(&command::output(&mut ask)?)
        .map_err(|error| Error::unmet(format!("cargo metadata: {error}")))?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = BTreeMap::new();
    for package in list(&answer["packages"]) {
        for target in list(&package["targets"]) {
            if list(&target["crate_types"])
                .iter()
                .any(|kind| kind == "cdylib")
            {
                found.insert(text(&package["name"]), text(&target["name"]));
            }
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
