//! The folder of compiled code.
//!
//! An entry is the code that a component became, as the engine maps it into
//! memory: to load one takes no longer than to touch the pages that are run. It
//! is found by the content of the component and the settings of the engine.
//!
//! Invariants: the folder belongs to the user that runs us and nobody else can
//! read or write it. Code from anywhere else is never loaded, because loading
//! compiled code means trusting it. Entries are written aside, synced and
//! renamed, and end with their own length, so that one that is not whole is
//! compiled anew.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash as _, Hasher};
use std::io::{Error as IoError, ErrorKind, Read as _, Result as IoResult, Seek as _, SeekFrom};
use std::io::{Write as _, copy};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::{Error, Result};

/// How much the folder may hold, in bytes, before what was not used for longest
/// goes: 1 GiB.
const ROOM: u64 = 1 << 30;

/// How often the use of an entry is noted.
const NOTED: Duration = Duration::from_secs(24 * 3600);

/// After how long what was written aside has been left behind.
const LEFT: Duration = Duration::from_secs(3600);

/// What an entry ends with, before its length.
const MARK: &[u8; 8] = b"vesicle1";

/// An open cache.
pub(crate) struct Cache {
    folder: PathBuf,
    hits: AtomicUsize,
    misses: AtomicUsize,
}

/// Opens the cache in `folder`, creating it with mode 0700 where it is missing.
pub(crate) fn open(folder: &Path) -> Result<Cache> {
    let unusable = |reason: String| Error::Cache {
        folder: folder.to_owned(),
        reason,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| unusable(format!("it cannot be created: {e}")))?;
    let found = fs::symlink_metadata(folder).map_err(|e| unusable(e.to_string()))?;
    if !found.is_dir() {
        return Err(unusable("it is not a folder".into()));
    }
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        return Err(unusable(format!(
            "it belongs to user {}, and we are user {me}",
            found.uid()
        )));
    }
    if found.mode() & 0o077 != 0 {
        return Err(unusable(format!(
            "others may enter it (mode {:04o}); make it private with chmod 0700, or name another folder",
            found.mode() & 0o7777
        )));
    }
    let folder = fs::canonicalize(folder).map_err(|e| unusable(e.to_string()))?;
    Ok(Cache {
        folder,
        hits: AtomicUsize::new(0),
        misses: AtomicUsize::new(0),
    })
}

impl Cache {
    /// How often an entry was found, and how often not.
    pub fn hits_and_misses(&self) -> (usize, usize) {
        (self.hits.load(Relaxed), self.misses.load(Relaxed))
    }

    /// The component of these bytes: from its entry, or compiled, which makes
    /// one. A folder that cannot be written to costs time and no more.
    pub fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        compile: impl FnOnce() -> wasmtime::Result<Component>,
    ) -> wasmtime::Result<Component> {
        let entry = self.folder.join(format!("{}.cwasm", key(engine, bytes)));
        if let Ok(component) = load(engine, &entry) {
            self.hits.fetch_add(1, Relaxed);
            return Ok(component);
        }
        self.misses.fetch_add(1, Relaxed);
        let component = compile()?;
        if let Ok(code) = component.serialize()
            && let Err(error) = self.store(&entry, &code)
        {
            tracing::debug!("{}: {error}", entry.display());
        }
        Ok(component)
    }

    fn store(&self, entry: &Path, code: &[u8]) -> IoResult<()> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let aside = self.folder.join(format!(
            "{}-{}.aside",
            std::process::id(),
            WRITTEN.fetch_add(1, Relaxed)
        ));
        let written = (|| {
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&aside)?;
            copy(&mut &*code, &mut file)?;
            file.write_all(MARK)?;
            file.write_all(&(code.len() as u64).to_le_bytes())?;
            file.sync_all()?;
            fs::rename(&aside, entry)
        })();
        if written.is_err() {
            // It may not be there.
            let _ = fs::remove_file(&aside);
        }
        self.make_room();
        written
    }

    /// Removes what was not used for longest while there is too much, and what
    /// was left behind. What is in use stays mapped.
    fn make_room(&self) {
        let now = SystemTime::now();
        let age = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let about = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((age(about.modified().ok()?), about.len(), entry.path()))
            })
            .collect();
        found.sort();
        let mut held = 0;
        for (age, size, path) in found {
            let is_aside = path.extension().is_some_and(|kind| kind == "aside");
            held += size;
            if held > ROOM || (is_aside && age > LEFT) {
                // Somebody else may have removed it.
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// What an entry is found by.
fn key(engine: &Engine, bytes: &[u8]) -> String {
    struct Digest(Sha256);
    impl Hasher for Digest {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut digest = Digest(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut digest);
    digest.0.update(bytes);
    let digest = digest.0.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Maps an entry, or reads it where files of its file system may not be run.
fn load(engine: &Engine, entry: &Path) -> wasmtime::Result<Component> {
    let length = check_whole(entry)?;
    // SAFETY: the file is compiled code: its folder is closed to everybody but
    // the user that runs us (checked when the cache was opened), its name is
    // made from the hash of its source and of this engine's settings, it was
    // put there by a rename, whole, and nothing of ours writes to it again.
    let mapped = unsafe { Component::deserialize_file(engine, entry) };
    mapped.or_else(|_| {
        let code = fs::read(entry)?;
        let code = code
            .get(..length)
            .ok_or(IoError::from(ErrorKind::UnexpectedEof))?;
        // SAFETY: as above.
        unsafe { Component::deserialize(engine, code) }
    })
}

/// The length of the code in an entry that ends as it was written; notes its
/// use.
fn check_whole(entry: &Path) -> IoResult<usize> {
    const TAIL: u64 = 16;
    let mut file = File::open(entry)?;
    let about = file.metadata()?;
    let length = about.len().checked_sub(TAIL);
    let length = length.ok_or_else(|| IoError::from(ErrorKind::UnexpectedEof))?;
    let mut tail = [0; TAIL as usize];
    file.seek(SeekFrom::Start(length))?;
    file.read_exact(&mut tail)?;
    if tail[..8] != *MARK || tail[8..] != length.to_le_bytes() {
        return Err(ErrorKind::InvalidData.into());
    }
    let used = about.modified()?;
    if used.elapsed().is_ok_and(|ago| ago > NOTED) {
        // Only what is removed first depends on it.
        let _ = file.set_modified(SystemTime::now());
    }
    usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge.into())
}
