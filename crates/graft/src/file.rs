//! Epochs that advance when a file changes.
//!
//! The file says nothing but which epoch there is, in whatever words: another
//! content is another epoch. It may be put in its place by a rename.
//!
//! Invariant: nothing is read while nobody changes anything in the file's folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use vesicle_membrane::Membrane;

use crate::{Error, Result};

/// Watches a file, for as long as it lives.
pub struct EpochFile {
    _watcher: RecommendedWatcher,
}

impl EpochFile {
    /// Advances the epoch of a membrane whenever the content of a file is another.
    /// A file that is not there has no content.
    ///
    /// # Errors
    ///
    /// [`Error::Watch`].
    pub fn watch(file: &Path, membrane: Arc<Membrane>) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Error::Watch {
            file: file.to_owned(),
            reason: error.to_string(),
        };
        // A rename puts another file in the place of one that is watched itself.
        let path = std::path::absolute(file).map_err(|error| failed(&error))?;
        let folder = path
            .parent()
            .map_or_else(|| PathBuf::from("/"), Path::to_owned);
        let known = Mutex::new(content(&path));
        let read = path.clone();
        let look = move |seen: notify::Result<Event>| {
            // Reading the file is seen too, and would lead to reading it without end.
            if seen.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let now = content(&read);
            if *known != now {
                *known = now;
                membrane.advance();
            }
        };
        let mut watcher = notify::recommended_watcher(look).map_err(|error| failed(&error))?;
        let watched = watcher.watch(&folder, RecursiveMode::NonRecursive);
        watched.map_err(|error| failed(&error))?;
        Ok(Self { _watcher: watcher })
    }
}

fn content(file: &Path) -> Option<Vec<u8>> {
    std::fs::read(file).ok()
}
