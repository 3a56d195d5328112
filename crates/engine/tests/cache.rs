//! The folder of compiled code is private, and what is in it is not trusted
//! to be whole.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vesicle_engine::{Config, Engines, Error, Kind};

fn component() -> Vec<u8> {
    wat::parse_str("(component (core module (func (export \"f\"))))").unwrap()
}

fn engines(cache: &Path) -> Result<Engines, Error> {
    Engines::new(Config {
        cache: Some(cache.to_owned()),
        ..Config::default()
    })
}

/// The entries of a cache.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(entries(&path));
        } else if path.extension().is_some_and(|kind| kind == "cwasm") {
            found.push(path);
        }
    }
    found
}

/// Compiles in a new set of engines, and tells hits and misses.
fn compile(cache: &Path) -> (usize, usize) {
    let engines = engines(cache).unwrap();
    engines.compile(Kind::TASK, &component()).unwrap();
    engines.cache_hits_and_misses()
}

#[test]
fn what_was_compiled_once_is_found_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("new");
    assert_eq!(compile(&cache), (0, 1));
    assert_eq!(compile(&cache), (1, 0));
    let mode = fs::metadata(&cache).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn an_entry_that_is_cut_or_foreign_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("new");
    compile(&cache);
    let entry = entries(&cache).pop().expect("an entry");
    let whole = fs::read(&entry).unwrap();
    for damaged in [
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], b"more"].concat(),
        b"not compiled code at all".to_vec(),
    ] {
        // In place of the file, not into it: what is mapped does not change.
        fs::remove_file(&entry).unwrap();
        fs::write(&entry, &damaged).unwrap();
        assert_eq!(compile(&cache), (0, 1), "{} bytes", damaged.len());
        assert_eq!(compile(&cache), (1, 0), "and it is whole again");
    }
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = engines(folder.path()).err().expect("refused").to_string();
    assert!(error.contains("chmod 0700"), "{error}");
}

#[test]
fn a_link_in_the_place_of_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert!(matches!(engines(&link), Err(Error::Cache { .. })));
}
