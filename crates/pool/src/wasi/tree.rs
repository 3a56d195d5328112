//! Trees of files that are not one folder of the host: what a guest may be
//! shown as its root, to read.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// Files and folders to read, by path.
///
/// A path has `/` between its parts and no part that is empty, `.` or `..`; the
/// root is the empty one. Each operation takes about as long as one on a file
/// of the host, and runs where the guest runs.
///
/// Errors are told to the guest by their kind; their text stays here.
pub trait Tree: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// Fails if there is no such file, or it is not to be read.
    fn open(&self, path: &str) -> io::Result<File>;

    /// What is in a folder. A tree bounds how much that may be.
    ///
    /// # Errors
    ///
    /// Fails if there is no such folder, or there is too much in it.
    fn entries(&self, path: &str) -> io::Result<Vec<TreeEntry>>;

    /// What is at a path.
    ///
    /// # Errors
    ///
    /// Fails with [`io::ErrorKind::NotFound`] if there is nothing.
    fn look(&self, path: &str) -> io::Result<TreeStat>;
}

/// What something in a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeKind {
    /// A file that can be opened.
    File,
    /// A folder.
    Folder,
    /// Anything that cannot be opened.
    Other,
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name in the folder.
    pub name: String,
    /// What it is.
    pub kind: TreeKind,
}

/// What is known of something without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeStat {
    /// What it is.
    pub kind: TreeKind,
    /// How many bytes a file holds; 0 for anything else.
    pub bytes: u64,
    /// When it was last changed, where that is known.
    pub changed: Option<SystemTime>,
}

/// A tree to read, as the guest's `/`.
#[derive(Clone)]
pub struct TreeGrant(pub Arc<dyn Tree>);

impl fmt::Debug for TreeGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TreeGrant")
    }
}

impl PartialEq for TreeGrant {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TreeGrant {}
