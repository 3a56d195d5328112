//! The steps of a load that may be cut short, each of which can be taken
//! again: making parts visible, swapping folders, undoing, cleaning up.
//!
//! Invariant: taking a step twice is as taking it once, whatever a crash left
//! of the first time.

use std::path::Path;

use vesicle_connector::{Error, Result};

use crate::disk::Disk;
use crate::layout::StreamFolders;
use crate::names;
use crate::record::{Manifest, Mode, Unfinished};

/// The manifests of a load, in the order of their partitions' names.
///
/// # Errors
///
/// `data` for one that is damaged; what reading says.
pub fn manifests(disk: &Disk, folders: &StreamFolders, run: &str) -> Result<Vec<Manifest>> {
    let folder = folders.load(run);
    let names = disk.list(&folder)?;
    let names = names.iter().filter(|name| StreamFolders::is_manifest(name));
    names
        .filter_map(|name| Manifest::read(disk, &folder.join(name)).transpose())
        .collect()
}

/// Makes a part that is durable visible.
///
/// # Errors
///
/// What the file system says.
pub fn publish(disk: &Disk, folders: &StreamFolders, run: &str, name: &str) -> Result<()> {
    let staging = folders.staging(run);
    disk.rename(&staging.join(name), &folders.visible.join(name))?;
    disk.sync_folder(&folders.visible)?;
    disk.sync_folder(&staging)
}

/// Brings an open load to its last commits: parts that are committed become
/// visible where they should be, others go.
///
/// # Errors
///
/// `data` if a committed part is gone; what the file system says.
pub fn roll_forward(disk: &Disk, folders: &StreamFolders, load: &Unfinished) -> Result<()> {
    let staging = folders.staging(&load.run);
    disk.make_folder(&staging)?;
    let manifests = manifests(disk, folders, &load.run)?;
    let staged = disk.list(&staging)?;
    let committed = |name: &str| {
        manifests
            .iter()
            .any(|manifest| manifest.parts.iter().any(|part| part.name == name))
    };
    if load.mode == Mode::Append {
        disk.make_folder(&folders.visible)?;
        for name in staged.iter().filter(|name| committed(name)) {
            publish(disk, folders, &load.run, name)?;
        }
    } else {
        let parts = manifests.iter().flat_map(|manifest| &manifest.parts);
        if let Some(part) = parts.into_iter().find(|part| !staged.contains(&part.name)) {
            let message = format!(
                "{}: {} is gone, though it was committed; run with --fresh to discard the load",
                staging.display(),
                part.name
            );
            return Err(Error::data("part-gone", message));
        }
    }
    for name in staged.iter().filter(|name| !committed(name)) {
        disk.remove_file(&staging.join(name))?;
    }
    Ok(())
}

/// Puts the folder of a load in the place of the visible one, which becomes
/// hidden.
///
/// # Errors
///
/// `conflict` if somebody else has made a folder of that name; what the file
/// system says.
pub fn swap(disk: &Disk, folders: &StreamFolders, run: &str) -> Result<()> {
    let staging = folders.staging(run);
    if !staging.is_dir() {
        return Ok(());
    }
    let old = folders.old(run);
    if folders.visible.exists() {
        check_foreign(disk, folders)?;
        if old.exists() {
            let message = format!(
                "{}: the folder was made by somebody else while it was being replaced; move it \
                 away and run again",
                folders.visible.display()
            );
            return Err(Error::conflict("folder-in-the-way", message).without_retry());
        }
        disk.rename(&folders.visible, &old)?;
        disk.sync_folder(&folders.hidden)?;
        disk.sync_folder(&folders.root)?;
    }
    disk.rename(&staging, &folders.visible)?;
    disk.sync_folder(&folders.root)?;
    disk.sync_folder(&folders.load(run))
}

/// Undoes a load that is not being published: what it has made visible goes,
/// and what it has staged.
///
/// # Errors
///
/// What the file system says.
pub fn discard(disk: &Disk, folders: &StreamFolders, load: &Unfinished) -> Result<()> {
    if load.mode == Mode::Append {
        let prefix = names::run_prefix(&load.run);
        let there = disk.list(&folders.visible)?;
        for name in there
            .iter()
            .filter(|name| name.starts_with(&prefix) && names::is_part(name))
        {
            disk.remove_file(&folders.visible.join(name))?;
        }
        disk.sync_folder(&folders.visible)?;
    }
    disk.remove_tree(&folders.load(&load.run))
}

/// Removes what no load under way needs.
///
/// # Errors
///
/// What the file system says.
pub fn clean(disk: &Disk, folders: &StreamFolders, load: Option<&Unfinished>) -> Result<()> {
    let needed = load.map(|load| [folders.load(&load.run), folders.old(&load.run)]);
    for name in disk.list(&folders.hidden)? {
        let path = folders.hidden.join(&name);
        if needed.as_ref().is_some_and(|needed| needed.contains(&path)) {
            continue;
        }
        if name.starts_with("load-") {
            disk.remove_tree(&path)?;
        } else if name.starts_with("old-") {
            remove_old(disk, &path)?;
        } else if name.ends_with(".tmp") {
            disk.remove_file(&path)?;
        }
    }
    Ok(())
}

/// Removes a replaced folder, but no file that somebody else has put there.
fn remove_old(disk: &Disk, path: &Path) -> Result<()> {
    let names = disk.list(path)?;
    for name in names.iter().filter(|name| names::is_part(name)) {
        disk.remove_file(&path.join(name))?;
    }
    match names.iter().any(|name| !names::is_part(name)) {
        true => Ok(()),
        false => disk.remove_folder(path),
    }
}

/// Makes sure that the visible folder holds nothing but parts.
///
/// # Errors
///
/// `conflict` (`foreign-files`), with the file's name.
pub fn check_foreign(disk: &Disk, folders: &StreamFolders) -> Result<()> {
    let visible = &folders.visible;
    if visible.exists() && !visible.is_dir() {
        let message = format!(
            "{}: there is a file of that name; move it away or choose another path",
            visible.display()
        );
        return Err(Error::conflict("foreign-files", message).without_retry());
    }
    let names = disk.list(visible)?;
    if let Some(name) = names.iter().find(|name| !names::is_part(name)) {
        let message = format!(
            "{}: {name} was not written by Vesicle, and replacing the folder would remove it; \
             move it away or choose another path",
            visible.display()
        );
        return Err(Error::conflict("foreign-files", message).without_retry());
    }
    Ok(())
}
