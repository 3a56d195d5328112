//! Folders of the host: any, or those below one that is named beforehand.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{LoadError, Loader};
use crate::image::Layer;

/// Loads folders of the host. With a root, those that are below it, wherever links
/// lead.
pub struct HostPath {
    root: Option<PathBuf>,
}

impl HostPath {
    /// Loads any folder, by a path as the system takes it: for references of whoever
    /// may open all that this process may.
    #[must_use]
    pub fn anywhere() -> Self {
        Self { root: None }
    }

    /// Loads what is below `root`, by paths that are relative to it or begin with
    /// it.
    ///
    /// # Errors
    ///
    /// Fails if there is no such folder.
    pub fn below(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        Ok(Self { root: Some(root) })
    }

    fn open(&self, reference: &str) -> Result<Layer, String> {
        match &self.root {
            Some(root) => Self::open_below(root, reference),
            None => Layer::open(Path::new(reference)).map_err(|error| error.to_string()),
        }
    }

    fn open_below(folder: &Path, reference: &str) -> Result<Layer, String> {
        let root = folder.display();
        // Links may lead from one place below the root to another.
        let path = match folder.join(reference).canonicalize() {
            Ok(path) => path,
            Err(error) => return Err(format!("no such folder below {root}: {error}")),
        };
        let Ok(below) = path.strip_prefix(folder) else {
            return Err(format!("is outside of {root}, where layers are looked for"));
        };
        // What was looked at may be another by now: the root is not left either way.
        let here = Path::new(".").join(below);
        let opened =
            Dir::open_ambient_dir(folder, ambient_authority()).and_then(|root| root.open_dir(here));
        match opened {
            Ok(folder) => Ok(Layer::of(folder, &path.display().to_string())),
            Err(error) => Err(format!("cannot be opened below {root}: {error}")),
        }
    }
}

#[async_trait]
impl Loader for HostPath {
    fn form(&self) -> &str {
        "the path of a folder"
    }

    fn claims(&self, reference: &str) -> bool {
        !reference.contains("://")
    }

    async fn load(&self, reference: &str) -> Result<Layer, LoadError> {
        let opened = self.open(reference);
        opened.map_err(|reason| LoadError::failed(reference, reason))
    }
}
