//! Layers as one tree: against a model, and against links that mean harm.

#![allow(clippy::unwrap_used)]

mod folders;

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use folders::Folder;
use proptest::prelude::*;
use vesicle_cell::image::{Layer, MAX_DEPTH, MAX_ENTRIES, MAX_PATH, Union};
use vesicle_pool::wasi::TreeKind;

/// What a tree is, without any layers.
#[derive(Debug, Clone, PartialEq)]
enum Model {
    File(u8),
    Folder(BTreeMap<String, Model>),
}

impl Model {
    fn make(&self, at: &Path) {
        match self {
            Self::File(contents) => fs::write(at, [*contents]).unwrap(),
            Self::Folder(entries) => {
                fs::create_dir_all(at).unwrap();
                for (name, entry) in entries {
                    entry.make(&at.join(name));
                }
            }
        }
    }

    fn under(self, later: &Self) -> Self {
        match (self, later) {
            (Self::Folder(mut entries), Self::Folder(later)) => {
                for (name, entry) in later {
                    let merged = match entries.remove(name) {
                        Some(earlier) => earlier.under(entry),
                        None => entry.clone(),
                    };
                    entries.insert(name.clone(), merged);
                }
                Self::Folder(entries)
            }
            (_, later) => later.clone(),
        }
    }

    fn seen(union: &Union, path: &str) -> Self {
        let stat = union.metadata(path).unwrap();
        if stat.kind == TreeKind::File {
            assert_eq!(stat.bytes, 1);
            assert_eq!(
                union.entries(path).unwrap_err().kind(),
                ErrorKind::NotADirectory
            );
            return Self::File(read(union, path).unwrap().as_bytes()[0]);
        }
        assert_eq!(
            union.open(path).unwrap_err().kind(),
            ErrorKind::IsADirectory
        );
        let entries = union.entries(path).unwrap().into_iter().map(|entry| {
            let below = Self::seen(union, &format!("{path}/{}", entry.name));
            assert_eq!(entry.kind == TreeKind::File, matches!(below, Self::File(_)));
            (entry.name, below)
        });
        Self::Folder(entries.collect())
    }

    fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |model, part| match model {
            Self::File(_) => None,
            Self::Folder(entries) => entries.get(part),
        })
    }
}

fn read(union: &Union, path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    union.open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

fn folder_of(entry: impl Strategy<Value = Model>) -> impl Strategy<Value = Model> {
    prop::collection::btree_map("[a-c]", entry, 0..4).prop_map(Model::Folder)
}

fn layer() -> impl Strategy<Value = Model> {
    let file = (0..128_u8).prop_map(Model::File);
    folder_of(file.prop_recursive(3, 24, 4, folder_of))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_are_the_tree_that_copying_them_over_each_other_would_give(
        layers in prop::collection::vec(layer(), 0..5),
        path in "[a-c](/[a-c]){0,3}",
    ) {
        let folders: Vec<_> = layers.iter().map(|layer| {
            let folder = Folder::new();
            layer.make(folder.path());
            folder
        }).collect();
        let union = Union::new(folders.iter().map(Folder::layer).collect());
        let empty = Model::Folder(BTreeMap::new());
        let model = layers.iter().fold(empty, Model::under);
        prop_assert_eq!(&Model::seen(&union, ""), &model);
        match model.at(&path) {
            None => {
                prop_assert!(union.metadata(&path).is_err());
                prop_assert!(union.open(&path).is_err());
                prop_assert!(union.nested(&path).is_err());
            }
            Some(there) => prop_assert_eq!(&Model::seen(&union, &path), there),
        }
        if let Some(there @ Model::Folder(_)) = model.at(&path) {
            prop_assert_eq!(&Model::seen(&union.nested(&path).unwrap(), ""), there);
        }
        // What the layers hold is as it was.
        for (folder, layer) in folders.iter().zip(&layers) {
            let alone = Union::new(vec![folder.layer()]);
            prop_assert_eq!(&Model::seen(&alone, ""), layer);
        }
    }

    #[test]
    fn no_path_leads_out_or_panics(path in ".{0,40}|(\\.\\./|a/|\\./|/){0,12}") {
        let outside = Folder::new().with("secret", "s").with("in/a/b", "inside");
        let layer = Layer::open(&outside.at("in")).unwrap();
        let union = Union::new(vec![layer]);
        if let Ok(text) = read(&union, &path) {
            prop_assert_eq!(text, "inside");
        }
        for seen in [union.entries(&path), union.nested(&path).and_then(|nested| nested.entries(""))] {
            let names: Vec<_> = seen.into_iter().flatten().map(|entry| entry.name).collect();
            prop_assert!(names.iter().all(|name| name == "a" || name == "b"), "{names:?}");
        }
    }
}

#[test]
fn a_link_is_followed_in_its_own_layer() {
    let lower = Folder::new().with("etc/name", "lower");
    let upper = Folder::new()
        .with("usr/lib/x", "x")
        .linked("lib", "usr/lib")
        .linked("etc/alias", "../usr/lib/x");
    let union = Union::new(vec![lower.layer(), upper.layer()]);
    assert_eq!(read(&union, "lib/x").unwrap(), "x");
    assert_eq!(read(&union, "etc/alias").unwrap(), "x");
    assert_eq!(read(&union, "etc/name").unwrap(), "lower");
    let kinds: Vec<_> = union
        .entries("")
        .unwrap()
        .into_iter()
        .map(|e| (e.name, e.kind))
        .collect();
    let folder = |name: &str| (name.to_owned(), TreeKind::Folder);
    assert_eq!(kinds, [folder("etc"), folder("lib"), folder("usr")]);
}

#[test]
fn a_link_that_leads_out_opens_nothing_and_says_so() {
    let outside = Folder::new().with("secret", "s");
    let lower = Folder::new()
        .with("escape", "earlier")
        .with("b", "in another layer");
    let upper = Folder::new()
        .linked("escape", outside.at("secret"))
        .linked("folder", outside.path())
        .linked("climb", "../../../../../../../../etc/passwd")
        .linked("self", "/proc/self/root/etc/passwd")
        .linked("other", "b")
        .linked("round", "round");
    let union = Union::new(vec![lower.layer(), upper.layer()]);
    for (path, why) in [
        ("escape", "leads out of its layer"),
        ("folder", "leads out of its layer"),
        ("folder/secret", "leads out of its layer"),
        ("climb", "leads out of its layer"),
        ("self", "leads out of its layer"),
        ("other", "leads nowhere in its layer"),
        ("round", "cannot be followed in its layer"),
    ] {
        let error = union.open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{path}: {error}");
        let error = error.to_string();
        assert!(error.contains(why), "{path}: {error}");
        assert!(error.contains(&*upper.path().to_string_lossy()), "{error}");
        assert!(union.entries(path).is_err() && union.nested(path).is_err());
    }
    let listed = union.entries("").unwrap();
    let other: Vec<_> = listed
        .iter()
        .filter(|e| e.kind == TreeKind::Other)
        .collect();
    assert_eq!(other.len(), 6, "{listed:?}");
}

#[test]
fn links_of_a_nested_tree_stay_in_its_folder() {
    let layer = Folder::new()
        .with("etc/secret", "s")
        .with("svc/x/a", "a")
        .linked("svc/x/up", "../../etc/secret")
        .linked("svc/x/same", "a");
    let union = Union::new(vec![layer.layer()]);
    assert_eq!(read(&union, "svc/x/up").unwrap(), "s");
    let nested = union.nested("svc/x").unwrap();
    assert_eq!(read(&nested, "same").unwrap(), "a");
    let error = nested.open("up").unwrap_err().to_string();
    assert!(error.contains("leads out of its layer"), "{error}");
}

#[test]
fn what_is_neither_file_nor_folder_makes_nobody_wait() {
    let layer = Folder::new();
    let _listener = UnixListener::bind(layer.at("socket")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(layer.at("pipe"))
        .status();
    assert!(made.unwrap().success());
    let union = Union::new(vec![layer.layer()]);
    for path in ["socket", "pipe"] {
        let error = union.open(path).unwrap_err().to_string();
        assert!(error.contains("is neither a file nor a folder"), "{error}");
        assert_eq!(union.metadata(path).unwrap().kind, TreeKind::Other);
    }
}

#[test]
fn a_path_of_no_sensible_length_is_refused() {
    let layer = Folder::new();
    let union = Union::new(vec![layer.layer()]);
    for path in [
        "a".repeat(MAX_PATH + 1),
        "a/".repeat(MAX_DEPTH + 1),
        "a".repeat(300),
    ] {
        assert_eq!(
            union.open(&path).unwrap_err().kind(),
            ErrorKind::InvalidFilename
        );
    }
    assert_eq!(
        union.open("a\0b").unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    for path in ["..", "a/../..", "/../x"] {
        let error = union.open(path).unwrap_err().to_string();
        assert!(error.contains("leads out of the image"), "{error}");
    }
}

#[test]
fn a_huge_folder_is_an_error_and_its_files_are_there() {
    let layer = Folder::new();
    for n in 0..=MAX_ENTRIES {
        fs::write(layer.at(&n.to_string()), "").unwrap();
    }
    let union = Union::new(vec![layer.layer()]);
    let error = union.entries("").unwrap_err();
    assert_eq!(error.to_string(), "the root holds more than 16384 names");
    assert_eq!(read(&union, "77").unwrap(), "");
    fs::remove_file(layer.at("0")).unwrap();
    assert_eq!(union.entries("").unwrap().len(), MAX_ENTRIES);
}
