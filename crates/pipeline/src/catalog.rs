//! Where components are found.
//!
//! A `use` with a slash, or that ends in `.wasm`, is a path, relative to the
//! document. Any other is a name, looked for on the search path: the folders in
//! `VESICLE_COMPONENTS`, then `components/` beside the binary.

use std::path::{Path, PathBuf};

use crate::document::nearest;
use crate::paths::shown;

/// The folders that components are looked for in, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    folders: Vec<PathBuf>,
}

/// A component that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name by which `use` finds it.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Whether an earlier folder has a component of the same name.
    pub hidden: bool,
}

/// A component was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotFound {
    /// What was looked for, and where.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Catalog {
    /// The search path: what `VESICLE_COMPONENTS` says, as a list of folders
    /// separated by colons, then `components` beside the binary.
    #[must_use]
    pub fn new(variable: Option<&str>, binary: Option<&Path>) -> Self {
        let named = variable
            .unwrap_or_default()
            .split(':')
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from);
        let beside = binary
            .and_then(Path::parent)
            .map(|folder| folder.join("components"));
        Self {
            folders: named.chain(beside).collect(),
        }
    }

    /// The folders, in order.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// All components on the search path, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            let mut here: Vec<_> = entries
                .filter_map(|entry| {
                    let path = entry.ok()?.path();
                    let name = path
                        .file_name()?
                        .to_str()?
                        .strip_suffix(".wasm")?
                        .to_owned();
                    Some((name, path))
                })
                .collect();
            here.sort();
            for (name, path) in here {
                let hidden = found.iter().any(|earlier| earlier.name == name);
                found.push(Found { name, path, hidden });
            }
        }
        found
    }

    /// The file that `uses` stands for, in a document in the folder `base`.
    ///
    /// # Errors
    ///
    /// [`NotFound`], which tells where it was looked for.
    pub fn find(&self, uses: &str, base: &Path) -> Result<PathBuf, NotFound> {
        if uses.contains('/') || uses.ends_with(".wasm") {
            let path = base.join(uses);
            return if path.is_file() {
                Ok(path)
            } else {
                Err(NotFound {
                    message: format!("no component at {}", shown(&path)),
                    help: "a path is relative to the document".into(),
                })
            };
        }
        let all = self.list();
        if let Some(found) = all.iter().find(|found| found.name == uses) {
            return Ok(found.path.clone());
        }
        Err(NotFound {
            message: format!("no component {uses:?} on the search path"),
            help: self.advice(uses, &all),
        })
    }

    fn advice(&self, uses: &str, all: &[Found]) -> String {
        let mut names: Vec<_> = all.iter().map(|found| found.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if let Some(name) = names.iter().find(|name| is_near(uses, name)) {
            return format!("did you mean {name:?}?");
        }
        let advice = "set VESICLE_COMPONENTS to the folder that has it, or write a path";
        if !names.is_empty() {
            return format!("there are {}; {advice}", names.join(", "));
        }
        match self.folders.as_slice() {
            [] => advice.to_owned(),
            folders => {
                let folders: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
                format!("there is none in {}; {advice}", folders.join(", "))
            }
        }
    }
}

/// Whether one name was probably meant by another. What both begin with, as in
/// `source-file` and `source-oracle`, does not make them near.
fn is_near(given: &str, name: &str) -> bool {
    let (given, name) = match (given.split_once('-'), name.split_once('-')) {
        (Some((kind, given)), Some((same, name))) if kind == same => (given, name),
        _ => (given, name),
    };
    nearest(given, [name]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(names: &[&str]) -> (tempfile::TempDir, Catalog) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let catalog = Catalog::new(folder.path().to_str(), None);
        (folder, catalog)
    }

    #[test]
    fn a_name_is_looked_for_on_the_search_path() {
        let (folder, catalog) = catalog(&["source-x.wasm", "notes.txt"]);
        let found = catalog.find("source-x", Path::new("/")).unwrap();
        assert_eq!(found, folder.path().join("source-x.wasm"));
        assert_eq!(catalog.list().len(), 1);
    }

    #[test]
    fn a_path_is_relative_to_the_document() {
        let (folder, catalog) = catalog(&["mine.wasm"]);
        let base = folder.path().join("below");
        std::fs::create_dir(&base).unwrap();
        assert!(catalog.find("../mine.wasm", &base).is_ok());
        assert!(catalog.find("./mine.wasm", &base).is_err());
    }

    #[test]
    fn a_name_almost_right_is_suggested() {
        let (_folder, catalog) = catalog(&["source-file.wasm"]);
        let error = catalog.find("source-fil", Path::new("/")).unwrap_err();
        assert_eq!(error.help, "did you mean \"source-file\"?");
        let error = catalog.find("source-oracle", Path::new("/")).unwrap_err();
        assert_eq!(
            error.help,
            "there are source-file; set VESICLE_COMPONENTS to the folder that has it, or write a path"
        );
    }

    #[test]
    fn the_first_folder_wins_and_the_second_is_told_to_be_hidden() {
        let (one, _) = catalog(&["x.wasm"]);
        let (two, _) = catalog(&["x.wasm"]);
        let both = format!("{}:{}", one.path().display(), two.path().display());
        let catalog = Catalog::new(Some(&both), None);
        let hidden: Vec<_> = catalog.list().iter().map(|found| found.hidden).collect();
        assert_eq!(hidden, [false, true]);
        assert!(
            catalog
                .find("x", Path::new("/"))
                .unwrap()
                .starts_with(one.path())
        );
    }
}
