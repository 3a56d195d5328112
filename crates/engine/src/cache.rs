//! The folder of compiled code.
//!
//! Invariant: the folder belongs to the user that runs us and nobody else can
//! read or write it. Code from anywhere else is never loaded, because loading
//! compiled code means trusting it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

use crate::{Error, Result};

/// Opens the cache in `folder`, creating it with mode 0700 where it is missing.
///
/// An entry is found by the content of the component and the settings of the
/// engine. Entries are written aside and renamed; one that cannot be read is
/// compiled anew.
pub(crate) fn open(folder: &Path) -> Result<Cache> {
    let unusable = |reason: String| Error::Cache {
        folder: folder.to_owned(),
        reason,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| unusable(format!("it cannot be created: {e}")))?;
    let found = fs::symlink_metadata(folder).map_err(|e| unusable(e.to_string()))?;
    if !found.is_dir() {
        return Err(unusable("it is not a folder".into()));
    }
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        return Err(unusable(format!(
            "it belongs to user {}, and we are user {me}",
            found.uid()
        )));
    }
    if found.mode() & 0o077 != 0 {
        return Err(unusable(format!(
            "others may enter it (mode {:04o}); make it private with chmod 0700, or name another folder",
            found.mode() & 0o7777
        )));
    }
    let folder: PathBuf = fs::canonicalize(folder).map_err(|e| unusable(e.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(&folder);
    Cache::new(config).map_err(|e| unusable(format!("{e:#}")))
}
