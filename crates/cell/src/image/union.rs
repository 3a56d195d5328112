//! Layers, seen as one tree.
//!
//! Later layers win, file by file; folders merge. What is a file in one layer and
//! a folder in another is what the later one says, wholly.
//!
//! Invariants: nothing is copied, changed or kept of what a layer holds; a path
//! means what its letters say, so that `a/..` is where `a` is in, whatever `a`
//! links to; a link is followed in its own layer or not at all, and hides what
//! earlier layers have in its place either way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use cap_std::fs::Metadata;
use vesicle_pool::wasi::{Tree, TreeEntry, TreeKind, TreeStat};

use super::layer::{Identity, Layer, Sight};

/// Bytes of a path.
pub const MAX_PATH: usize = 4096;
/// Parts of a path.
pub const MAX_DEPTH: usize = 128;
/// What one folder may hold over all layers to be listed.
pub const MAX_ENTRIES: usize = 16_384;

/// A tree of files that layers are stacked to.
#[derive(Debug, Clone)]
pub struct Union {
    /// The last one first.
    layers: Vec<Layer>,
}

/// What is at a path, after what later layers hide is gone.
enum Found<'a> {
    Nothing,
    File(&'a Layer, Metadata),
    /// The layers that show the folder, the last one first.
    Folder(Vec<&'a Layer>, Option<Metadata>),
    Closed(String),
}

impl Union {
    /// Stacks layers; the last one wins.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self {
            layers: layers.into_iter().rev().collect(),
        }
    }

    /// The layers, the first one first.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().rev()
    }

    /// Opens a file to read.
    ///
    /// # Errors
    ///
    /// Fails if there is no such file, a link leads out of its layer, or the path
    /// is longer than [`MAX_PATH`], deeper than [`MAX_DEPTH`] or leads out.
    pub fn open(&self, path: &str) -> io::Result<File> {
        let path = plain(path)?;
        match self.find(&path)? {
            Found::File(layer, _) => layer.open_file(&path),
            Found::Folder(..) => Err(failed(io::ErrorKind::IsADirectory, &path, "is a folder")),
            Found::Closed(why) => Err(failed(io::ErrorKind::PermissionDenied, &path, &why)),
            Found::Nothing => Err(nothing(&path)),
        }
    }

    /// What is in a folder, by name. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// Fails as [`open`](Self::open) does, and if the layers hold more than
    /// [`MAX_ENTRIES`] there together.
    pub fn entries(&self, path: &str) -> io::Result<Vec<TreeEntry>> {
        let path = plain(path)?;
        let mut entries = BTreeMap::new();
        let mut count = 0;
        for layer in self.folder(&path)? {
            for entry in layer.list(&path)? {
                let entry = entry.map_err(|error| layer.failed(&path, &error))?;
                count += 1;
                if count > MAX_ENTRIES {
                    let why = format!("holds more than {MAX_ENTRIES} names");
                    return Err(failed(io::ErrorKind::FileTooLarge, &path, &why));
                }
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                if entries.contains_key(&name) {
                    continue;
                }
                let kind = entry.file_type()?;
                let kind = if kind.is_file() {
                    TreeKind::File
                } else if kind.is_dir() {
                    TreeKind::Folder
                } else if kind.is_symlink() {
                    match layer.look(&join(&path, &name))? {
                        Some(Sight::File(_)) => TreeKind::File,
                        Some(Sight::Folder(_)) => TreeKind::Folder,
                        _ => TreeKind::Other,
                    }
                } else {
                    TreeKind::Other
                };
                entries.insert(name, kind);
            }
        }
        let entry = |(name, kind)| TreeEntry { name, kind };
        Ok(entries.into_iter().map(entry).collect())
    }

    /// What is at a path.
    ///
    /// # Errors
    ///
    /// Fails as [`open`](Self::open) does, but not for what cannot be opened.
    pub fn metadata(&self, path: &str) -> io::Result<TreeStat> {
        let path = plain(path)?;
        let (kind, metadata) = match self.find(&path)? {
            Found::File(_, metadata) => (TreeKind::File, Some(metadata)),
            Found::Folder(_, metadata) => (TreeKind::Folder, metadata),
            Found::Closed(_) => (TreeKind::Other, None),
            Found::Nothing => return Err(nothing(&path)),
        };
        let changed = metadata.as_ref().and_then(|known| known.modified().ok());
        Ok(TreeStat {
            kind,
            bytes: match (kind, &metadata) {
                (TreeKind::File, Some(metadata)) => metadata.len(),
                _ => 0,
            },
            changed: changed.map(cap_std::time::SystemTime::into_std),
        })
    }

    /// The tree of a folder. Links in it are confined to that folder of their
    /// layer.
    ///
    /// # Errors
    ///
    /// Fails as [`open`](Self::open) does.
    pub fn nested(&self, path: &str) -> io::Result<Self> {
        let path = plain(path)?;
        let layers = self.folder(&path)?;
        let nested = layers.into_iter().map(|layer| layer.nested(&path));
        Ok(Self {
            layers: nested.collect::<io::Result<_>>()?,
        })
    }

    /// Which folders it is stacked from, in their order.
    pub(super) fn identity(&self) -> io::Result<Vec<Identity>> {
        self.layers.iter().map(Layer::identity).collect()
    }

    fn folder(&self, path: &str) -> io::Result<Vec<&Layer>> {
        match self.find(path)? {
            Found::Folder(layers, _) => Ok(layers),
            Found::File(..) => Err(failed(io::ErrorKind::NotADirectory, path, "is a file")),
            Found::Closed(why) => Err(failed(io::ErrorKind::PermissionDenied, path, &why)),
            Found::Nothing => Err(nothing(path)),
        }
    }

    fn find(&self, path: &str) -> io::Result<Found<'_>> {
        let mut layers: Vec<_> = self.layers.iter().collect();
        let mut end = 0;
        while end < path.len() {
            let next = path[end..].find('/');
            let stop = next.map_or(path.len(), |length| end + length);
            match (find_in(&layers, &path[..stop])?, next) {
                (found, None) => return Ok(found),
                (Found::Folder(of, _), Some(_)) => layers = of,
                (Found::File(..), Some(_)) => {
                    let kind = io::ErrorKind::NotADirectory;
                    return Err(failed(kind, &path[..stop], "is a file"));
                }
                (other, Some(_)) => return Ok(other),
            }
            end = stop + 1;
        }
        Ok(Found::Folder(layers, None))
    }
}

/// What these layers, all of which show the folder that the path's last part is
/// in, have there.
fn find_in<'a>(layers: &[&'a Layer], path: &str) -> io::Result<Found<'a>> {
    let mut folders = Vec::new();
    let mut of_first = None;
    for layer in layers {
        match layer.look(path)? {
            None => {}
            Some(Sight::Folder(metadata)) => {
                folders.push(*layer);
                of_first.get_or_insert(metadata);
            }
            // It hides what is below, and is hidden by what is above.
            Some(_) if !folders.is_empty() => break,
            Some(Sight::File(metadata)) => return Ok(Found::File(layer, metadata)),
            Some(Sight::Closed(why)) => return Ok(Found::Closed(why)),
        }
    }
    if folders.is_empty() {
        return Ok(Found::Nothing);
    }
    Ok(Found::Folder(folders, of_first))
}

/// The path without parts that lead nowhere or back.
fn plain(path: &str) -> io::Result<String> {
    if path.len() > MAX_PATH {
        let why = format!("a path of more than {MAX_PATH} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
    }
    if path.contains('\0') {
        let kind = io::ErrorKind::InvalidInput;
        return Err(failed(kind, &path.escape_debug().to_string(), "has a NUL"));
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                let kind = io::ErrorKind::PermissionDenied;
                return Err(failed(kind, path, "leads out of the image"));
            }
            ".." => {}
            part if parts.len() < MAX_DEPTH => parts.push(part),
            _ => {
                let why = format!("has more than {MAX_DEPTH} parts");
                return Err(failed(io::ErrorKind::InvalidFilename, path, &why));
            }
        }
    }
    Ok(parts.join("/"))
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

fn failed(kind: io::ErrorKind, path: &str, why: &str) -> io::Error {
    let path = if path.is_empty() { "the root" } else { path };
    io::Error::new(kind, format!("{path} {why}"))
}

fn nothing(path: &str) -> io::Error {
    failed(io::ErrorKind::NotFound, path, "is in no layer")
}

impl Tree for Union {
    fn open(&self, path: &str) -> io::Result<File> {
        self.open(path)
    }

    fn entries(&self, path: &str) -> io::Result<Vec<TreeEntry>> {
        self.entries(path)
    }

    fn look(&self, path: &str) -> io::Result<TreeStat> {
        self.metadata(path)
    }
}
