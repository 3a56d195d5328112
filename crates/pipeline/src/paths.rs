//! From a path or a pattern in a document to the files that it names now.
//!
//! Invariant: a file that is granted was there, was a regular file and could be
//! read when the plan was made; links are resolved then, not when a guest opens
//! it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use vesicle_pool::wasi::FileGrant;

use crate::document::Cause;

/// How many names of files an error lists.
const LISTED: usize = 5;

/// Why a path names no files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What has to change.
    pub cause: Cause,
}

impl Refusal {
    fn new(cause: Cause, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: Some(help.into()),
            cause,
        }
    }

    /// What the system says about a file.
    fn of(shown: &str, error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied => Self::new(
                Cause::Denied,
                format!("{shown} cannot be read: permission denied"),
                "allow the user who runs this to read it",
            ),
            _ => Self {
                message: format!("{shown} cannot be read: {error}"),
                help: None,
                cause: Cause::Missing,
            },
        }
    }
}

/// A path as the guest sees it: as written, without needless `./` and `//`.
pub fn tidy(path: &str) -> String {
    let absolute = path.starts_with('/');
    let parts: Vec<_> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".into(),
        (false, false) => parts.join("/"),
    }
}

/// A path below a document's folder, for people: without `./` in it.
pub fn shown(path: &Path) -> String {
    tidy(&path.to_string_lossy())
}

/// A path below a document's folder; without `./` where that is the current one.
pub fn below(base: &Path, path: &str) -> PathBuf {
    let path = base.join(path);
    match path.strip_prefix(".") {
        Ok(below) if !below.as_os_str().is_empty() => below.to_owned(),
        _ => path,
    }
}

/// The files that a path or glob names.
pub fn expand(base: &Path, pattern: &str) -> Result<Vec<FileGrant>, Refusal> {
    if is_glob(pattern) {
        return expand_glob(base, pattern);
    }
    let path = base.join(pattern);
    match std::fs::metadata(&path) {
        Ok(found) if found.is_file() => Ok(vec![grant(&path, tidy(pattern))?]),
        Ok(found) if found.is_dir() => Err(Refusal::new(
            Cause::Document,
            format!("{pattern} is a folder"),
            format!(
                "name the files in it: {}/*.csv",
                pattern.trim_end_matches('/')
            ),
        )),
        Ok(_) => Err(Refusal::new(
            Cause::Document,
            format!("{pattern} is not a regular file"),
            "files are read more than once: copy it into one",
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Refusal::new(
            Cause::Missing,
            format!("no file {pattern}"),
            nearest_file(base, pattern),
        )),
        Err(error) => Err(Refusal::of(pattern, &error)),
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn expand_glob(base: &Path, pattern: &str) -> Result<Vec<FileGrant>, Refusal> {
    let escaped = glob::Pattern::escape(&base.to_string_lossy());
    let full = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("{escaped}/{pattern}")
    };
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        case_sensitive: true,
    };
    let paths = glob::glob_with(&full, options).map_err(|error| {
        Refusal::new(
            Cause::Document,
            format!("{pattern} is not a pattern: {}", error.msg),
            "[*] stands for the character *, [[] for the character [",
        )
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| Refusal::of(pattern, error.error()))?;
        if !path.is_file() {
            continue;
        }
        let shown = path.strip_prefix(base).unwrap_or(&path);
        let Some(shown) = shown.to_str() else {
            return Err(Refusal::new(
                Cause::Document,
                format!("{} has a name that is not UTF-8", path.display()),
                "rename it",
            ));
        };
        files.push(grant(&path, tidy(shown))?);
    }
    if files.is_empty() {
        let literal: PathBuf = Path::new(pattern)
            .components()
            .take_while(|part| !is_glob(&part.as_os_str().to_string_lossy()))
            .collect();
        return Err(Refusal::new(
            Cause::Missing,
            format!("no file matches {pattern}"),
            what_is_in(base, &literal),
        ));
    }
    Ok(files)
}

/// Pins a file.
fn grant(path: &Path, guest: String) -> Result<FileGrant, Refusal> {
    let opened = std::fs::File::open(path).and_then(|_| path.canonicalize());
    match opened {
        Ok(host) => Ok(FileGrant { host, guest }),
        Err(error) => Err(Refusal::of(&guest, &error)),
    }
}

/// The file that was probably meant, or what there is.
fn nearest_file(base: &Path, pattern: &str) -> String {
    let written = Path::new(pattern);
    let folder = written.parent().unwrap_or(Path::new(""));
    let name = written
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let near = files_in(&base.join(folder))
        .into_iter()
        .flatten()
        .map(|other| (strsim::damerau_levenshtein(&name, &other), other))
        .min();
    match near {
        Some((slips, other)) if slips <= 1 + name.len() / 4 => {
            format!("did you mean {}?", shown(&folder.join(other)))
        }
        _ => what_is_in(base, folder),
    }
}

/// The names of the files in a folder, sorted, without hidden ones.
fn files_in(folder: &Path) -> Option<Vec<String>> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            (!name.starts_with('.') && entry.path().is_file()).then_some(name)
        })
        .collect();
    names.sort();
    Some(names)
}

/// What there is in a folder that a document names.
fn what_is_in(base: &Path, folder: &Path) -> String {
    let place = match shown(folder).as_str() {
        "." => "the document's folder".to_owned(),
        folder => format!("the folder {folder}"),
    };
    match files_in(&base.join(folder)) {
        None if base.join(folder).is_dir() => format!("{place} cannot be read"),
        None => format!(
            "there is no folder {}; paths are relative to the document",
            shown(folder)
        ),
        Some(names) if names.is_empty() => format!("{place} has no files"),
        Some(names) => {
            let more = match names.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let listed = names[..names.len().min(LISTED)].join(", ");
            format!("{place} has {listed}{more}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    #[test]
    fn paths_are_shown_as_written_without_needless_parts() {
        assert_eq!(tidy("./a//b"), "a/b");
        assert_eq!(tidy("/a/b/"), "/a/b");
        assert_eq!(tidy("../a"), "../a");
        assert_eq!(tidy("./"), ".");
    }

    #[test]
    fn a_glob_grants_what_it_matches_now_and_hides_dot_files() {
        let folder = folder(&["b.csv", "a.csv", ".hidden.csv", "c.txt"]);
        let files = expand(folder.path(), "*.csv").unwrap();
        let names: Vec<_> = files.iter().map(|file| file.guest.as_str()).collect();
        assert_eq!(names, ["a.csv", "b.csv"]);
    }

    #[test]
    fn a_file_almost_right_is_suggested() {
        let folder = folder(&["flights.csv"]);
        let refusal = expand(folder.path(), "flight.csv").unwrap_err();
        assert_eq!(refusal.message, "no file flight.csv");
        assert_eq!(refusal.help.unwrap(), "did you mean flights.csv?");
        assert_eq!(refusal.cause, Cause::Missing);
    }

    #[test]
    fn where_nothing_is_near_the_files_that_there_are_are_listed() {
        let folder = folder(&["a.csv", "b.csv", "c.csv", "d.csv", "e.csv", "f.csv"]);
        let refusal = expand(folder.path(), "*.parquet").unwrap_err();
        assert_eq!(
            refusal.help.unwrap(),
            "the document's folder has a.csv, b.csv, c.csv, d.csv, e.csv and 1 more"
        );
    }

    #[test]
    fn a_link_is_pinned_to_what_it_leads_to_when_it_is_granted() {
        let folder = folder(&["real.csv"]);
        let real = folder.path().join("real.csv");
        std::os::unix::fs::symlink(&real, folder.path().join("link.csv")).unwrap();
        let files = expand(folder.path(), "link.csv").unwrap();
        assert_eq!(files[0].guest, "link.csv");
        assert_eq!(files[0].host, real.canonicalize().unwrap());
    }
}
