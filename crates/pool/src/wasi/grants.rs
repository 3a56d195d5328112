//! What an instance may reach through WASI: nothing, until it is named here.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::TreeGrant;

/// The grants of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Single files to read.
    pub files: Vec<FileGrant>,
    /// Folders, with all that is in them.
    pub folders: Vec<FolderGrant>,
    /// What the guest sees as its root, to read. Files and folders are seen in
    /// its place where they have the same path; none of them is listed in it. With
    /// a tree no folder can be granted as the root.
    pub tree: Option<TreeGrant>,
    /// Environment variables and their values.
    pub env: Vec<(String, String)>,
    /// Endpoints to connect to.
    pub connect: Vec<Endpoint>,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileGrant {
    /// The file, with links resolved when it was granted.
    pub host: PathBuf,
    /// The path under which the guest opens it, as the user wrote it.
    pub guest: String,
}

/// A folder with all that is in it: to read and write, or only to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderGrant {
    /// The folder.
    pub host: PathBuf,
    /// The path under which the guest sees it, as the user wrote it.
    pub guest: String,
    /// Whether nothing in it may be changed.
    pub is_read_only: bool,
}

/// A host and port, with the addresses it had when it was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The host as the user wrote it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The addresses it is pinned to.
    pub addresses: Vec<SocketAddr>,
}
