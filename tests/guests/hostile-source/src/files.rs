//! Reaching for files: by what the standard library does, and by the calls of
//! WASI themselves, which no library keeps from asking for anything.

use vesicle_connector::{Error, Result};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

fn denied(what: impl std::fmt::Display) -> Error {
    Error::permission("denied", what.to_string())
}

/// Tries something on each folder that there is. Gets hold of something, or
/// tells what each attempt was answered.
fn on_each(
    what: &str,
    attempt: impl Fn(&Descriptor) -> Result<String, ErrorCode>,
) -> Result<String> {
    let mut answers = Vec::new();
    for (folder, name) in get_directories() {
        match attempt(&folder) {
            Ok(loot) => return Ok(loot),
            Err(code) => answers.push(format!("{name}: {}", code.name())),
        }
    }
    Err(denied(format!(
        "{what} in {} folders: {}",
        answers.len(),
        answers.join(", ")
    )))
}

fn read_all(file: &Descriptor) -> Result<String, ErrorCode> {
    let (bytes, _) = file.read(1 << 20, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a file as anybody would.
pub fn read(target: &str) -> Result<String> {
    std::fs::read_to_string(target).map_err(|error| denied(format!("{target}: {error}")))
}

/// Opens a path below each folder, whatever the path, links followed.
pub fn open(target: &str) -> Result<String> {
    on_each("open", |folder| {
        let links = PathFlags::SYMLINK_FOLLOW;
        let file = folder.open_at(links, target, OpenFlags::empty(), DescriptorFlags::READ)?;
        read_all(&file)
    })
}

/// Makes a link out of each folder and reads through it.
pub fn link(target: &str) -> Result<String> {
    on_each("link", |folder| {
        folder.symlink_at(target, "escape")?;
        let links = PathFlags::SYMLINK_FOLLOW;
        let file = folder.open_at(links, "escape", OpenFlags::empty(), DescriptorFlags::READ)?;
        read_all(&file)
    })
}

/// Gives a file outside a second name inside.
pub fn link_hard(target: &str) -> Result<String> {
    on_each("hard link", |folder| {
        folder.link_at(PathFlags::empty(), target, folder, "escape")?;
        Ok("linked".into())
    })
}

/// Moves a file of its own out, and one from outside in.
pub fn rename(target: &str) -> Result<String> {
    on_each("rename", |folder| {
        let how = OpenFlags::CREATE;
        folder.open_at(PathFlags::empty(), "mine", how, DescriptorFlags::WRITE)?;
        let out = folder.rename_at("mine", folder, target);
        let in_ = folder.rename_at(target, folder, "yours");
        out.or(in_)?;
        Ok("renamed".into())
    })
}

/// Looks at what there is at a path, without opening it.
pub fn look(target: &str) -> Result<String> {
    on_each("look", |folder| {
        let stat = folder.stat_at(PathFlags::SYMLINK_FOLLOW, target);
        let hash = folder.metadata_hash_at(PathFlags::SYMLINK_FOLLOW, target);
        let link = folder.readlink_at(target);
        match (stat, hash, link) {
            (Err(code), Err(_), Err(_)) => Err(code),
            seen => Ok(format!("{seen:?}")),
        }
    })
}

/// Lists each folder.
pub fn list() -> Result<String> {
    on_each("list", |folder| {
        let entries = folder.read_directory()?;
        let first = entries.read_directory_entry()?;
        Ok(format!("{first:?}"))
    })
}
