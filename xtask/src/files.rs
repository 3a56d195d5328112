//! Copies and removes files.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};

/// Makes a folder and those it lies in.
pub fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::file(path))
}

/// Removes a folder and what it holds, if it is there.
pub fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file, if it is there.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}

/// Writes a file.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, contents).map_err(Error::file(path))
}

/// Copies a file unless it is there as it is. Whoever reads `to` meanwhile
/// sees the old file or the new one.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).map_err(Error::file(from))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let mut beside = to.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    // Copied, not written, so that permissions come along.
    fs::copy(from, beside).map_err(Error::file(from))?;
    fs::rename(beside, to).map_err(Error::file(to))
}

/// Copies what a folder holds, but nothing called `except`.
pub fn copy_folder(from: &Path, to: &Path, except: &[&str]) -> Result<()> {
    make_folder(to)?;
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let entry = entry.map_err(Error::file(from))?;
        let name = entry.file_name();
        if except.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let (from, to) = (entry.path(), to.join(name));
        if from.is_dir() {
            copy_folder(&from, &to, except)?;
        } else {
            copy(&from, &to)?;
        }
    }
    Ok(())
}

/// How many bytes the files in a folder have, hidden ones left out.
pub fn visible_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let entry = entry.map_err(Error::file(folder))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        bytes += if path.is_dir() {
            visible_bytes(&path)?
        } else {
            entry.metadata().map_err(Error::file(&path))?.len()
        };
    }
    Ok(bytes)
}
