//! Who a host is to others: an Ed25519 key in a file of its owner's.
//!
//! The file holds the key as libp2p writes it, so that tools which read such
//! files read this one.
//!
//! Invariants: a file that others can read, or swap for another, is never used;
//! the file is there in whole or not at all, so that of two who make it at once
//! both end with the same key.

use std::fmt;
use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use libp2p::PeerId;
use libp2p::identity::{KeyType, Keypair};

use super::error::Error;

/// No file of a key is longer, in bytes.
const LONGEST: u64 = 4 << 10;
/// What others may not do with the file: anything.
const OTHERS: u32 = 0o077;
/// What others may not do with its folder: write.
const WRITE: u32 = 0o022;
/// In such a folder only its owner may rename or remove a file.
const STICKY: u32 = 0o1000;

/// The key that a host is known by.
#[derive(Clone)]
pub struct Identity(Keypair);

impl Identity {
    /// Where the identity is if nobody says otherwise: `vesicle/identity` in
    /// `$XDG_STATE_HOME`, or else in `~/.local/state`. None without a home.
    #[must_use]
    pub fn default_file() -> Option<PathBuf> {
        let folder = |name| std::env::var_os(name).map(PathBuf::from);
        let state = folder("XDG_STATE_HOME")
            .filter(|state| state.is_absolute())
            .or_else(|| folder("HOME").map(|home| home.join(".local/state")))?;
        Some(state.join("vesicle/identity"))
    }

    /// Reads the identity in a file, which is made with a new one if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Identity`] if the file or its folder cannot be read or made, if
    /// others can read the file or swap it, and if it holds no Ed25519 key.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let trouble = |reason| Error::Identity {
            file: file.to_owned(),
            reason,
        };
        match read(file) {
            Err(Trouble::Missing) => {}
            Err(Trouble::Told(reason)) => return Err(trouble(reason)),
            Ok(identity) => return Ok(identity),
        }
        create(file).map_err(trouble)?;
        // What is there by now, whoever made it.
        read(file).map_err(|error| match error {
            Trouble::Missing => trouble("somebody removed it while it was made".into()),
            Trouble::Told(reason) => trouble(reason),
        })
    }

    /// A new identity that is in no file.
    #[must_use]
    pub fn passing() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// What others call it.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    /// The key itself.
    pub(super) fn keypair(&self) -> &Keypair {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Identity({})", self.id())
    }
}

/// Why there is no identity in a file.
enum Trouble {
    Missing,
    Told(String),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Told(reason)
    }
}

fn read(file: &Path) -> Result<Identity, Trouble> {
    let opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Trouble::Missing),
        opened => opened.map_err(|error| format!("it cannot be read: {error}"))?,
    };
    let metadata = opened
        .metadata()
        .map_err(|error| format!("it cannot be read: {error}"))?;
    look_at(file, &metadata)?;
    let folder = folder_of(file);
    let metadata = folder
        .metadata()
        .map_err(|error| format!("its folder {} cannot be read: {error}", folder.display()))?;
    look_at_folder(folder, &metadata)?;
    let mut bytes = Vec::new();
    opened
        .take(LONGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    Keypair::from_protobuf_encoding(&bytes)
        .ok()
        .filter(|key| key.key_type() == KeyType::Ed25519)
        .map(Identity)
        .ok_or_else(|| {
            "it holds no Ed25519 key; put the right file there, or remove it to become somebody \
             whom no peer knows yet"
                .to_owned()
                .into()
        })
}

/// Nobody else may read or write it.
fn look_at(file: &Path, metadata: &Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is no file; name one, or a place where there is none yet".into());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(format!(
            "others can use it (its mode is {mode:o}); if nobody has, make it yours alone with \
             `chmod 600 {}`, or else remove it to become somebody new",
            file.display()
        ));
    }
    owned(metadata).map_err(|owner| format!("it belongs to the user {owner}; name one of yours"))
}

/// Nobody else may put another file in its place.
fn look_at_folder(folder: &Path, metadata: &Metadata) -> Result<(), String> {
    let mode = metadata.mode() & 0o7777;
    if mode & WRITE != 0 && mode & STICKY == 0 {
        let folder = folder.display();
        return Err(format!(
            "others can put another in its place (the mode of {folder} is {mode:o}); make the \
             folder yours alone with `chmod 700 {folder}`"
        ));
    }
    Ok(())
}

/// The owner, if it is neither who runs this nor root.
fn owned(metadata: &Metadata) -> Result<(), u32> {
    let owner = metadata.uid();
    match owner == 0 || owner == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(owner),
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the file, unless somebody else has by then.
fn create(file: &Path) -> Result<(), String> {
    let folder = folder_of(file);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| format!("its folder {} cannot be made: {error}", folder.display()))?;
    let identity = Identity::passing();
    let key = identity
        .0
        .to_protobuf_encoding()
        .map_err(|error| format!("no key can be made: {error}"))?;
    let written = || -> io::Result<()> {
        // Its mode is 0600 from the start.
        let mut made = tempfile::Builder::new()
            .prefix(".identity-")
            .tempfile_in(folder)?;
        made.write_all(&key)?;
        made.as_file().sync_all()?;
        match made.persist_noclobber(file) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error.error);
            }
            _ => {}
        }
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| format!("it cannot be made: {error}"))
}
