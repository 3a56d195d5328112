//! A layer of an OCI image, unpacked over those before it.
//!
//! Invariants: nothing is made, changed or removed outside of the folder; no more
//! than a header of any entry is held; a whiteout removes what earlier layers
//! have, and nothing of its own.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::super::fetch::{Budget, Staging, check_name, check_path, told};

/// Bytes of a header that says more of the entry behind it.
const MAX_EXTENSION: u64 = 64 << 10;
/// What the names of whiteouts begin with.
const WHITEOUT: &str = ".wh.";
/// The name of a whiteout for all that is in its folder.
const OPAQUE: &str = ".wh..wh..opq";

/// How a layer is packed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Packing {
    None,
    Gzip,
}

/// Unpacks a layer.
pub(super) fn unpack(
    mut packed: File,
    packing: Packing,
    staging: &Staging,
    budget: &mut Budget,
    deadline: Instant,
) -> Result<(), String> {
    // Whiteouts come first, wherever they stand, while there is nothing of their
    // own layer to remove. What that reads is bounded as the second reading is.
    let mut first = budget.clone();
    let whiteouts = |item: &Item, _: &mut dyn Read| staging.remove_hidden(&item.path);
    each(&packed, packing, &mut first, deadline, whiteouts)?;
    packed.rewind().map_err(|error| error.to_string())?;
    each(&packed, packing, budget, deadline, |item, contents| {
        if whiteout(&item.path).is_some() {
            return Ok(());
        }
        staging.make(item, contents)
    })
}

/// An entry, with what headers before it say.
struct Item {
    /// The names of folders and the last one.
    path: Vec<String>,
    kind: EntryType,
    link: Vec<u8>,
}

impl Item {
    fn joined(&self) -> String {
        self.path.join("/")
    }
}

/// Hands out each entry of an archive.
fn each(
    packed: &File,
    packing: Packing,
    budget: &mut Budget,
    deadline: Instant,
    mut take: impl FnMut(&Item, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let packed = io::BufReader::new(packed);
    let unpacked: Box<dyn Read + '_> = match packing {
        Packing::None => Box::new(packed),
        Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
    };
    let mut entries = budget.clone();
    let mut archive = Archive::new(Bounded {
        inner: unpacked,
        budget,
        deadline,
    });
    let broken = |error: io::Error| format!("cannot be unpacked: {}", told(&error));
    let (mut long_name, mut long_link) = (None, None);
    // Raw, since the names that other headers hold could be of any length.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => long_name = Some(extension(&mut entry)?),
            EntryType::GNULongLink => long_link = Some(extension(&mut entry)?),
            EntryType::XHeader => read_pax(&mut entry, &mut long_name, &mut long_link)?,
            EntryType::XGlobalHeader => {}
            _ => {
                entries.enter()?;
                let short = || entry.path_bytes().into_owned();
                let name = long_name.take().unwrap_or_else(short);
                let link = || entry.link_name_bytes().unwrap_or_default().into_owned();
                let link = long_link.take().unwrap_or_else(link);
                let path = names(&name)?;
                if path.is_empty() {
                    continue;
                }
                let item = Item { path, kind, link };
                take(&item, &mut entry).map_err(|why| {
                    format!("holds {}, which {why}", item.joined().escape_debug())
                })?;
            }
        }
    }
    drop(archive);
    budget.entries_of(&entries);
    Ok(())
}

/// What a header holds that says more of the entry behind it.
fn extension(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, String> {
    if entry.size() > MAX_EXTENSION {
        return Err(format!("holds a header of more than {MAX_EXTENSION} bytes"));
    }
    let mut bytes = Vec::new();
    let read = entry.read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be unpacked: {}", told(&error)))?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn read_pax(
    entry: &mut Entry<'_, impl Read>,
    name: &mut Option<Vec<u8>>,
    link: &mut Option<Vec<u8>>,
) -> Result<(), String> {
    let bytes = extension(entry)?;
    for record in tar::PaxExtensions::new(&bytes) {
        let record = record.map_err(|error| format!("cannot be unpacked: {error}"))?;
        match record.key_bytes() {
            b"path" => *name = Some(record.value_bytes().to_vec()),
            b"linkpath" => *link = Some(record.value_bytes().to_vec()),
            // The size in the entry's own header would be another.
            b"size" => return Err("holds a file that is larger than any may be".to_owned()),
            key if key.starts_with(b"GNU.sparse") => {
                return Err("holds a sparse file, which is not unpacked".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The names of a path that leads nowhere else.
fn names(path: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(path).map_err(|_| {
        let shown = String::from_utf8_lossy(path);
        format!("holds \"{}\", which is not UTF-8", shown.escape_debug())
    })?;
    let bad = |why: String| format!("holds \"{}\", which {why}", text.escape_debug());
    if text.starts_with('/') {
        return Err(bad("leads out of the image".to_owned()));
    }
    check_path(text).map_err(bad)?;
    let mut names = Vec::new();
    for name in text.split('/').filter(|name| !matches!(*name, "" | ".")) {
        if name == ".." {
            return Err(bad("leads out of the image".to_owned()));
        }
        check_name(name).map_err(bad)?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// The name that a whiteout stands for, if the path is one's; empty for all in
/// its folder.
fn whiteout(path: &[String]) -> Option<&str> {
    match path.last()?.as_str() {
        OPAQUE => Some(""),
        name => name.strip_prefix(WHITEOUT),
    }
}

fn told_io(error: io::Error) -> String {
    format!("cannot be made: {error}")
}

fn unless_missing(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(told_io(error)),
        _ => Ok(()),
    }
}

impl Staging {
    /// Removes what a whiteout hides, if the path is one's.
    fn remove_hidden(&self, path: &[String]) -> Result<(), String> {
        let Some(name) = whiteout(path) else {
            return Ok(());
        };
        let folder = path[..path.len() - 1].join("/");
        if !name.is_empty() {
            check_name(name)?;
            let hidden = match folder.as_str() {
                "" => name.to_owned(),
                folder => format!("{folder}/{name}"),
            };
            return self.remove(&hidden);
        }
        let folder = if folder.is_empty() { "." } else { &folder };
        let entries = match self.root.open_dir(folder) {
            Ok(folder) => folder,
            Err(error) => return unless_missing(Err(error)),
        };
        for entry in entries.entries().map_err(told_io)? {
            let entry = entry.map_err(told_io)?;
            let is_folder = entry.file_type().map_err(told_io)?.is_dir();
            let removed = match is_folder {
                true => entries.remove_dir_all(entry.file_name()),
                false => entries.remove_file(entry.file_name()),
            };
            removed.map_err(told_io)?;
        }
        Ok(())
    }

    /// Removes what is at a path; a link, not what it leads to.
    fn remove(&self, path: &str) -> Result<(), String> {
        match self.root.symlink_metadata(path) {
            Ok(there) if there.is_dir() => unless_missing(self.root.remove_dir_all(path)),
            Ok(_) => unless_missing(self.root.remove_file(path)),
            Err(error) => unless_missing(Err(error)),
        }
    }

    fn make(&self, item: &Item, contents: &mut dyn Read) -> Result<(), String> {
        let path = item.joined();
        let folder = item.path[..item.path.len() - 1].join("/");
        if !folder.is_empty() {
            self.root.create_dir_all(&folder).map_err(told_io)?;
        }
        match item.kind {
            EntryType::Directory => {
                let there = self.root.symlink_metadata(&path);
                if there.is_ok_and(|there| there.is_dir()) {
                    return Ok(());
                }
                self.remove(&path)?;
                self.root.create_dir(&path).map_err(told_io)
            }
            EntryType::Regular | EntryType::Continuous => {
                self.remove(&path)?;
                let mut file = self.create(&path).map_err(told_io)?;
                io::copy(contents, &mut file)
                    .map_err(|error| format!("cannot be unpacked: {}", told(&error)))?;
                file.sync_data().map_err(told_io)
            }
            EntryType::Symlink => {
                let to = std::str::from_utf8(&item.link);
                let to = to.map_err(|_| "is a link to what is not UTF-8".to_owned())?;
                if leads_out(&item.path, to) {
                    return Err("is a link that leads out of the image".to_owned());
                }
                self.remove(&path)?;
                self.root.symlink(to, &path).map_err(told_io)
            }
            EntryType::Link => {
                let to = names(&item.link).map_err(|why| format!("is a link and {why}"))?;
                let to = to.join("/");
                let there = self.root.symlink_metadata(&to);
                if to == path || !there.is_ok_and(|there| there.is_file()) {
                    return Err("is a link to what is no file of the image".to_owned());
                }
                self.remove(&path)?;
                let made = self.root.hard_link(&to, &self.root, &path);
                made.map_err(told_io)
            }
            _ => Err("is neither a file, a folder nor a link".to_owned()),
        }
    }
}

/// Whether a link at a path leads out of what the path is in, by its letters.
fn leads_out(path: &[String], to: &str) -> bool {
    let mut depth = path.len() - 1;
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    to.starts_with('/') || to.is_empty() || to.contains('\0')
}

/// A reader that ends with an error when there is too much, or it takes too long.
struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    budget: &'a mut Budget,
    deadline: Instant,
}

impl Read for Bounded<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.budget.write(read as u64).map_err(io::Error::other)?;
        match Instant::now() > self.deadline {
            true => Err(io::Error::other("takes too long")),
            false => Ok(read),
        }
    }
}
