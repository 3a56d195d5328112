//! Folders of the host, below one that is named beforehand.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{LoadError, Loader};
use crate::image::Layer;

/// Loads folders of the host that are below a root, wherever links lead.
pub struct HostPath {
    root: PathBuf,
}

impl HostPath {
    /// Loads what is below `root`, by paths that are relative to it or begin with
    /// it.
    ///
    /// # Errors
    ///
    /// Fails if there is no such folder.
    pub fn below(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        Ok(Self { root })
    }

    fn open(&self, reference: &str) -> Result<Layer, String> {
        let root = self.root.display();
        // Links may lead from one place below the root to another.
        let path = match self.root.join(reference).canonicalize() {
            Ok(path) => path,
            Err(error) => return Err(format!("no such folder below {root}: {error}")),
        };
        let Ok(below) = path.strip_prefix(&self.root) else {
            return Err(format!("is outside of {root}, where layers are looked for"));
        };
        // What was looked at may be another by now: the root is not left either way.
        let here = Path::new(".").join(below);
        let opened = Dir::open_ambient_dir(&self.root, ambient_authority())
            .and_then(|root| root.open_dir(here));
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
