//! One folder of the host, as a layer of an image.
//!
//! Invariants: nothing outside the folder is opened or looked at, whatever its
//! links say; a link that leads out, or nowhere, is seen as what it is and never
//! followed.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _, ReadDir};

/// A folder that an image is stacked from. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Layer {
    folder: Arc<Dir>,
    name: Arc<str>,
}

/// What a layer shows at a path.
#[derive(Debug)]
pub(super) enum Sight {
    File(Metadata),
    Folder(Metadata),
    /// Neither: a link that is not followed, a device, a socket. The text ends a
    /// sentence that begins with the path.
    Closed(String),
}

/// A folder, whatever its path.
pub(super) type Identity = (u64, u64);

impl Layer {
    /// The layer of a folder of the host. Links in `path` are followed; those
    /// below are confined.
    ///
    /// # Errors
    ///
    /// Fails if there is no such folder, or it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let folder = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self::of(folder, &path.display().to_string()))
    }

    /// The layer of an open folder, which errors call by that name.
    pub(super) fn of(folder: Dir, name: &str) -> Self {
        Self {
            folder: Arc::new(folder),
            name: name.into(),
        }
    }

    /// What errors call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What there is at a path below the layer; nothing if there is nothing. The
    /// folder that the path's last part is in has to be there.
    pub(super) fn look(&self, path: &str) -> io::Result<Option<Sight>> {
        let error = match self.folder.metadata(here(path)) {
            Ok(metadata) if metadata.is_file() => return Ok(Some(Sight::File(metadata))),
            Ok(metadata) if metadata.is_dir() => return Ok(Some(Sight::Folder(metadata))),
            Ok(_) => {
                let name = &self.name;
                let why = format!("is neither a file nor a folder in {name}");
                return Ok(Some(Sight::Closed(why)));
            }
            Err(error) => error,
        };
        // What can be seen without following its last link is that link.
        match self.folder.symlink_metadata(here(path)) {
            Ok(link) if link.is_symlink() => {
                let (name, ends) = (&self.name, Self::end_of_link(&error));
                Ok(Some(Sight::Closed(format!(
                    "is a link that {ends}: {name}"
                ))))
            }
            Ok(_) => Err(self.failed(path, &error)),
            Err(unseen) if unseen.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(unseen) => Err(self.failed(path, &unseen)),
        }
    }

    fn end_of_link(error: &io::Error) -> &'static str {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "leads nowhere in its layer",
            // The confinement's own error is none of the system's.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
                "leads out of its layer"
            }
            _ => "cannot be followed in its layer",
        }
    }

    /// Opens a file to read.
    pub(super) fn open_file(&self, path: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        // So that what became a pipe meanwhile makes nobody wait.
        let at_once = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        options.read(true).custom_flags(at_once);
        let opened = self.folder.open_with(here(path), &options);
        let file = opened.map_err(|error| self.failed(path, &error))?;
        let file = file.into_std();
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        let why = format!("{path} is not a file any more in {}", self.name);
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }

    /// What is in a folder, links not followed.
    pub(super) fn list(&self, path: &str) -> io::Result<ReadDir> {
        let listed = self.folder.read_dir(here(path));
        listed.map_err(|error| self.failed(path, &error))
    }

    /// The layer of a folder in this one. Links in it are confined to it.
    pub(super) fn nested(&self, path: &str) -> io::Result<Self> {
        let opened = self.folder.open_dir(here(path));
        let folder = opened.map_err(|error| self.failed(path, &error))?;
        Ok(Self::of(folder, &format!("{}/{path}", self.name)))
    }

    pub(super) fn identity(&self) -> io::Result<Identity> {
        let metadata = self.folder.dir_metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }

    pub(super) fn failed(&self, path: &str, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{path} in {}: {error}", self.name))
    }
}

fn here(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}
