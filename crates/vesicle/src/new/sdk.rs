//! Finds the SDK that a new connector builds on: the one that came with the
//! binary.

use std::path::{Path, PathBuf};

use super::project::NewError;
use super::templates::Kind;

/// Where it lies, seen from the binary's folder: as `dist` ships it, and in
/// the source tree with the binary in `target/debug`.
const PLACES: [&str; 2] = ["sdk/connector", "../../sdk/connector"];

/// The SDK for a project; one that needs none gets an empty path.
pub fn for_kind(kind: Kind, binary: Option<&Path>) -> Result<PathBuf, NewError> {
    if kind.is_connector() {
        find(binary)
    } else {
        Ok(PathBuf::new())
    }
}

/// The SDK that belongs to a binary.
fn find(binary: Option<&Path>) -> Result<PathBuf, NewError> {
    let beside = binary.and_then(Path::parent);
    let places = PLACES.iter().filter_map(|place| Some(beside?.join(place)));
    let places: Vec<_> = places.collect();
    let found = places
        .iter()
        .find(|place| place.join("Cargo.toml").is_file());
    if let Some(found) = found.and_then(|place| place.canonicalize().ok()) {
        return Ok(found);
    }
    let places: Vec<_> = places
        .iter()
        .map(|place| place.display().to_string())
        .collect();
    Err(NewError::NoSdk(format!(
        "the SDK that a connector builds on is not beside this program (looked in {}); use the \
         `vesicle` of a distribution folder or of a source tree",
        places.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn it_is_found_beside_the_binary_and_in_the_source_tree() {
        for binary in ["vesicle", "target/debug/vesicle"] {
            let tree = tree(&[binary, "sdk/connector/Cargo.toml"]);
            let found = find(Some(&tree.path().join(binary))).unwrap();
            assert_eq!(
                found,
                tree.path().canonicalize().unwrap().join("sdk/connector")
            );
        }
    }

    #[test]
    fn where_it_is_missing_the_error_says_where_it_was_looked_for() {
        let tree = tree(&["bin/vesicle"]);
        let error = find(Some(&tree.path().join("bin/vesicle")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("bin/sdk/connector"), "{error}");
    }

    #[test]
    fn a_pipeline_needs_none() {
        assert_eq!(for_kind(Kind::Pipeline, None).unwrap(), PathBuf::new());
        assert!(for_kind(Kind::Source, None).is_err());
    }
}
