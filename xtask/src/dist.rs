//! Puts together what runs from anywhere: the binary, the components beside
//! it, and what it takes to write more of them.

use std::path::PathBuf;

use crate::arguments::Profile;
use crate::build;
use crate::command::heading;
use crate::error::{Error, Result};
use crate::files;
use crate::tree::Tree;

/// Makes the folder. For release everything is built; of dev what is built
/// already is taken as it is, so that a test can do it while others run.
pub fn make(tree: &Tree, profile: Profile, to: Option<PathBuf>) -> Result<()> {
    if profile == Profile::Release {
        build::all(tree, profile)?;
    }
    let folder = match to {
        Some(folder) => emptied_by_others(folder)?,
        None => {
            let folder = tree.target.join("dist");
            files::remove_folder(&folder)?;
            folder
        }
    };
    files::make_folder(&folder)?;
    let binaries = tree.binaries(profile);
    copy(&binaries.join("vesicle"), &folder.join("vesicle"))?;
    files::copy_folder(
        &binaries.join("components"),
        &folder.join("components"),
        &[],
    )?;
    files::copy_folder(&binaries.join("images"), &folder.join("images"), &[])?;
    for file in ["LICENSE", "README.md"] {
        copy(&tree.root.join(file), &folder.join(file))?;
    }
    for part in [
        "docs",
        "wit",
        "capnp",
        "sdk/cell",
        "sdk/connector",
        "sdk/postgres",
        "sdk/postgres-client",
    ] {
        files::copy_folder(
            &tree.root.join(part),
            &folder.join(part),
            &["target", ".gitignore"],
        )?;
    }
    heading("done");
    println!("dist: {}", tree.shown(&folder));
    Ok(())
}

/// A folder that the user named may hold nothing: it is not ours to empty.
fn emptied_by_others(folder: PathBuf) -> Result<PathBuf> {
    match std::fs::read_dir(&folder).map(|mut entries| entries.next().is_none()) {
        Ok(false) => {
            let message = format!("{} is not empty; name another folder", folder.display());
            Err(Error::unmet(message))
        }
        _ => Ok(folder),
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    if !from.is_file() {
        let from = from.display();
        return Err(Error::unmet(format!(
            "{from} is missing; `cargo xtask build` makes binaries"
        )));
    }
    files::copy(from, to)
}
