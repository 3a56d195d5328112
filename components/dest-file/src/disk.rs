//! The file system, as far as exactly once rests on it.
//!
//! Everything that changes what a crash would leave goes through a [`Disk`],
//! one [`Step`] at a time, so that a test can stop after any of them and can
//! see their order. Invariants: a file written whole is there whole or not at
//! all; what a folder holds is durable only after the folder is synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use vesicle_connector::{Error, Result};

use crate::output::Output;

/// Something that changes the file system, or makes a change durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes a folder in one that exists.
    MakeFolder(PathBuf),
    /// Makes an empty file.
    Create(PathBuf),
    /// Makes the contents of a file durable.
    SyncFile(PathBuf),
    /// Makes durable what a folder holds.
    SyncFolder(PathBuf),
    /// Renames a file or folder.
    Rename(PathBuf, PathBuf),
    /// Removes a file.
    RemoveFile(PathBuf),
    /// Removes an empty folder.
    RemoveFolder(PathBuf),
}

/// Sees each step before it is taken, and may prevent it.
type Watch = Rc<dyn Fn(&Step) -> io::Result<()>>;

/// The file system.
#[derive(Clone, Default)]
pub struct Disk {
    watch: Option<Watch>,
}

impl Disk {
    /// A file system whose every step is shown to `watch` first.
    pub fn watched(watch: impl Fn(&Step) -> io::Result<()> + 'static) -> Self {
        Self {
            watch: Some(Rc::new(watch)),
        }
    }

    /// Makes a folder and those it lies in, durably.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn make_folder(&self, path: &Path) -> Result<()> {
        if path.is_dir() || path.as_os_str().is_empty() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_folder(parent)?;
        }
        self.take(
            Step::MakeFolder(path.to_owned()),
            || fs::create_dir(path),
            path,
        )?;
        match path.parent() {
            Some(parent) => self.sync_folder(parent),
            None => Ok(()),
        }
    }

    /// Makes an empty file, in the place of one that may be there.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn create(&self, path: &Path) -> Result<Output> {
        let create = || File::create(path).map(Output::new);
        self.take(Step::Create(path.to_owned()), create, path)
    }

    /// Makes the contents of an open file durable.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn sync_file(&self, file: &Output, path: &Path) -> Result<()> {
        self.take(Step::SyncFile(path.to_owned()), || file.sync(), path)
    }

    /// Makes durable what a folder holds.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn sync_folder(&self, path: &Path) -> Result<()> {
        let folder = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let sync = || File::open(folder)?.sync_all();
        self.take(Step::SyncFolder(path.to_owned()), sync, path)
    }

    /// Renames a file or folder. Durable once both folders are synced.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let step = Step::Rename(from.to_owned(), to.to_owned());
        self.take(step, || fs::rename(from, to), from)
    }

    /// Writes a file so that it is there whole or not at all, durably.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn write_whole(&self, path: &Path, contents: &[u8]) -> Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".tmp");
        let beside = PathBuf::from(beside);
        let mut file = self.create(&beside)?;
        file.write_all(contents)
            .map_err(|error| failed(&beside, error))?;
        self.sync_file(&file, &beside)?;
        drop(file);
        self.rename(&beside, path)?;
        self.sync_folder(path.parent().unwrap_or(Path::new("")))
    }

    /// The contents of a file, if it is there.
    ///
    /// # Errors
    ///
    /// What the file system says, unless it is that there is none.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(contents) => Ok(Some(contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// The names of what a folder holds, sorted; none if there is no folder.
    ///
    /// # Errors
    ///
    /// What the file system says, unless it is that there is none.
    pub fn list(&self, path: &Path) -> Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(path, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(path, error))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        let remove = || unless_missing(fs::remove_file(path));
        self.take(Step::RemoveFile(path.to_owned()), remove, path)
    }

    /// Removes an empty folder, if it is there.
    ///
    /// # Errors
    ///
    /// What the file system says, also that it is not empty.
    pub fn remove_folder(&self, path: &Path) -> Result<()> {
        let remove = || unless_missing(fs::remove_dir(path));
        self.take(Step::RemoveFolder(path.to_owned()), remove, path)
    }

    /// Removes a folder and what it holds.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn remove_tree(&self, path: &Path) -> Result<()> {
        for name in self.list(path)? {
            let inside = path.join(name);
            // A link to a folder is not a folder.
            if inside
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_dir())
            {
                self.remove_tree(&inside)?;
            } else {
                self.remove_file(&inside)?;
            }
        }
        self.remove_folder(path)
    }

    fn take<T>(&self, step: Step, act: impl FnOnce() -> io::Result<T>, path: &Path) -> Result<T> {
        let allowed = self.watch.as_ref().map_or(Ok(()), |watch| watch(&step));
        allowed
            .and_then(|()| act())
            .map_err(|error| failed(path, error))
    }
}

/// What the file system said about a path.
pub fn failed(path: &Path, error: io::Error) -> Error {
    let place = path.display();
    if is_full(&error) {
        let message = format!(
            "{place}: no space left on device; free some and run again, what was committed is kept"
        );
        return Error::exhausted("disk-full", message);
    }
    let is_bare = error.raw_os_error() == Some(IO_FAILED);
    let error = Error::from(error).context(place);
    if is_bare {
        let message = format!(
            "{}: the disk or its connection has failed; the log of the system says more",
            error.message
        );
        return Error { message, ..error };
    }
    error
}

/// Whether there is no room left to write: on the disk, in the quota, in the
/// largest file there may be.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let number = error.raw_os_error().filter(|_| IN_SANDBOX);
    // Compressors may wrap the error of the file.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
        || number.is_some_and(|number| WASI_FULL.contains(&number))
        || inner.is_some_and(is_full)
}

/// Whether errors are numbered as WASI does.
const IN_SANDBOX: bool = cfg!(target_os = "wasi");

/// `EDQUOT`, `EFBIG` and `ENOSPC` of WASI, which the standard library has no
/// kinds for.
const WASI_FULL: [i32; 3] = [19, 22, 51];

/// `EIO`: the file system has no reason to tell.
const IO_FAILED: i32 = if IN_SANDBOX { 29 } else { 5 };

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
