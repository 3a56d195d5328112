//! What is fetched from servers that may mean harm, and may cost only so much.

use std::io;
use std::sync::Once;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use reqwest::redirect::Policy;
use tempfile::TempDir;

use crate::image::{MAX_DEPTH, MAX_PATH};

/// What fetching one layer may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes, as they come and as they are unpacked, each for itself.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
    /// Answers of a server.
    pub answers: u64,
    /// The time for all of it.
    pub time: Duration,
}

impl Default for Bounds {
    /// 1 GiB, 100,000 entries and answers, 10 minutes.
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            entries: 100_000,
            answers: 100_000,
            time: Duration::from_secs(600),
        }
    }
}

/// What has been spent of bounds.
#[derive(Clone)]
pub(super) struct Budget {
    bounds: Bounds,
    fetched: u64,
    written: u64,
    entries: u64,
    answers: u64,
}

impl Budget {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            fetched: 0,
            written: 0,
            entries: 0,
            answers: 0,
        }
    }

    pub fn fetch(&mut self, bytes: u64) -> Result<(), String> {
        spend(&mut self.fetched, bytes, self.bounds.bytes, "bytes")
    }

    pub fn write(&mut self, bytes: u64) -> Result<(), String> {
        spend(&mut self.written, bytes, self.bounds.bytes, "bytes")
    }

    pub fn enter(&mut self) -> Result<(), String> {
        let most = self.bounds.entries;
        spend(&mut self.entries, 1, most, "files and folders")
    }

    /// Takes over how many entries another has counted.
    pub fn entries_of(&mut self, other: &Self) {
        self.entries = other.entries;
    }

    pub fn answer(&mut self) -> Result<(), String> {
        let most = self.bounds.answers;
        spend(&mut self.answers, 1, most, "answers of the server")
    }
}

fn spend(spent: &mut u64, more: u64, most: u64, of: &str) -> Result<(), String> {
    *spent = spent.saturating_add(more);
    match *spent > most {
        true => Err(format!("comes to more than {most} {of}, which is the most")),
        false => Ok(()),
    }
}

/// A folder that is being filled. Links in it lead nobody out.
pub(super) struct Staging {
    pub folder: TempDir,
    pub root: Dir,
}

impl Staging {
    pub fn new(folder: TempDir) -> io::Result<Self> {
        let root = Dir::open_ambient_dir(folder.path(), ambient_authority())?;
        Ok(Self { folder, root })
    }

    /// Makes a file that is not there.
    pub fn create(&self, path: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        self.root
            .open_with(path, options.write(true).create_new(true))
    }
}

/// Looks whether a name can stand in a folder; the error ends a sentence.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let shown = name.escape_debug();
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(format!("has the name \"{shown}\", which is none"));
    }
    if name.len() > 255 {
        return Err("has a name of more than 255 bytes".to_owned());
    }
    Ok(())
}

/// Looks whether a path can be shown by an image.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > MAX_PATH || path.split('/').count() > MAX_DEPTH {
        return Err(format!(
            "has a path of more than {MAX_PATH} bytes or {MAX_DEPTH} parts"
        ));
    }
    Ok(())
}

/// A client that waits for nothing for ever.
pub(super) fn client(redirections: Policy) -> reqwest::Result<reqwest::Client> {
    provide_tls();
    reqwest::Client::builder()
        .redirect(redirections)
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(30))
        .user_agent(concat!("vesicle/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Makes ring what TLS of this process is done with, unless there is another.
pub(super) fn provide_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// An error with what it comes from.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}
