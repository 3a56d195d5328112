//! Where fetched layers are kept, each under what it is the only one of.
//!
//! Invariants: a folder by its final name is whole; what is being fetched has
//! another name, and is removed unless it is kept; nobody but its user enters
//! the cache.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::image::Layer;

/// What names of folders begin with that are being filled.
const STAGED: &str = ".fetching-";
/// How old such a folder is that nobody fills any more.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder of fetched layers.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in a folder, which is made when something is fetched.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The user's cache: `vesicle/images` in `$XDG_CACHE_HOME`, or in `.cache` of
    /// the home; none if neither is set.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let absolute = |path: PathBuf| path.is_absolute().then_some(path);
        let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let caches = named.and_then(absolute).or(home.and_then(absolute))?;
        Some(Self::at(&caches.join("vesicle/images")))
    }

    /// The layer that is kept under a name.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<Layer>> {
        match Layer::open(&self.folder.join(name)) {
            Ok(layer) => Ok(Some(layer)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new folder to fill.
    pub(super) fn stage(&self) -> io::Result<TempDir> {
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700).create(&self.folder)?;
        self.sweep()?;
        tempfile::Builder::new()
            .prefix(STAGED)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&self.folder)
    }

    /// Removes what was left by processes that were killed.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let is_staged = entry.file_name().to_string_lossy().starts_with(STAGED);
            let age = entry.metadata().and_then(|metadata| metadata.modified());
            let age = age.ok().and_then(|changed| changed.elapsed().ok());
            if is_staged && age.is_some_and(|age| age > ABANDONED) {
                // Another may do the same.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Keeps what was fetched under a name. If another has fetched the same
    /// meanwhile, that is kept.
    pub(super) fn keep(&self, staged: TempDir, name: &str) -> io::Result<Layer> {
        let kept = self.folder.join(name);
        match fs::rename(staged.path(), &kept) {
            Ok(()) => drop(staged.keep()),
            Err(_) if kept.is_dir() => staged.close()?,
            Err(error) => return Err(error),
        }
        Layer::open(&kept)
    }
}
