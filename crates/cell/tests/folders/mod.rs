//! Folders that tests stack to images.

#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vesicle_cell::image::{Image, ImageError, Layer};

/// A folder that goes away with its value.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with a component, of which only the first bytes are one's.
    pub fn of_image() -> Self {
        Self::new().with("bin/main.wasm", "\0asm")
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn with(self, path: &str, contents: &str) -> Self {
        self.write(path, contents);
        self
    }

    pub fn write(&self, path: &str, contents: &str) {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
    }

    /// The same with a link that says `to`.
    pub fn linked(self, path: &str, to: impl AsRef<Path>) -> Self {
        let link = self.at(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(to, link).unwrap();
        self
    }

    pub fn layer(&self) -> Layer {
        Layer::open(self.path()).unwrap()
    }

    pub fn image(&self) -> Result<Image, ImageError> {
        Image::open(vec![self.layer()])
    }
}
