//! Where things are.

use std::path::{Path, PathBuf};

use crate::arguments::Profile;
use crate::error::{Error, Result};

/// The source tree and its target folders.
pub struct Tree {
    /// The folder of the workspace.
    pub root: PathBuf,
    /// Where the host is built: `CARGO_TARGET_DIR`, or `target`.
    pub target: PathBuf,
    /// Where this program was started.
    here: PathBuf,
}

impl Tree {
    /// Finds the tree that this program belongs to.
    pub fn find() -> Result<Self> {
        // Cargo sets the variable when it runs this program; by itself, the
        // program knows where it was built.
        let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let own = own.filter(|folder| folder.ends_with("xtask"));
        let own = own.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = own.parent().unwrap_or(&own).to_owned();
        if !root.join("Cargo.toml").is_file() {
            let message = format!("{} is not the source tree of Vesicle", root.display());
            return Err(Error::unmet(message));
        }
        let here = std::env::current_dir().map_err(Error::file("."))?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) if !folder.is_empty() => here.join(folder),
            _ => root.join("target"),
        };
        Ok(Self { root, target, here })
    }

    /// The workspace of the components that ship.
    pub fn components(&self) -> PathBuf {
        self.root.join("components")
    }

    /// Where those are built, and the SDK's tests with them.
    pub fn components_target(&self) -> PathBuf {
        self.components().join("target")
    }

    /// The workspace of the components that only tests run.
    pub fn test_guests(&self) -> PathBuf {
        self.root.join("tests/guests")
    }

    /// Where a profile's binaries are.
    pub fn binaries(&self, profile: Profile) -> PathBuf {
        self.target.join(match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        })
    }

    /// A path as it would be typed where this program was started.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.here)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}
