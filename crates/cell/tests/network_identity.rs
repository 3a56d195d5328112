//! Who a host is, in a file that is its own.
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use vesicle_cell::network::{Error, Identity};

/// Set for a process of these tests that prints the identity in the file it names.
const FILE: &str = "VESICLE_TEST_IDENTITY";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn refusal(file: &Path) -> String {
    let error = Identity::open(file).unwrap_err();
    assert!(matches!(error, Error::Identity { .. }));
    let place = format!("the identity in {} cannot be used: ", file.display());
    error.to_string().strip_prefix(&place).unwrap().to_owned()
}

#[test]
fn an_identity_is_made_at_first_use_and_stays() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("state/vesicle/identity");
    let made = Identity::open(&file).unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&folder.path().join("state/vesicle")), 0o700);
    assert_eq!(Identity::open(&file).unwrap().id(), made.id());
    let text = made.id().to_string();
    assert!(text.starts_with("12D3KooW"), "{text} is an Ed25519 key's");
    // Nothing is left of how it was made.
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(format!("{made:?}"), format!("Identity({text})"));
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("identity");
    Identity::open(&file).unwrap();
    for open in [0o640, 0o604, 0o620] {
        set_mode(&file, open);
        assert_eq!(
            refusal(&file),
            format!(
                "others can use it (its mode is {open:o}); if nobody has, make it yours alone \
                 with `chmod 600 {}`, or else remove it to become somebody new",
                file.display()
            )
        );
    }
}

#[test]
fn a_file_that_others_can_swap_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("identity");
    Identity::open(&file).unwrap();
    set_mode(folder.path(), 0o770);
    let said = refusal(&file);
    assert!(
        said.starts_with("others can put another in its place"),
        "{said}"
    );
    // Where each may remove only what is their own, nobody else can.
    set_mode(folder.path(), 0o1777);
    Identity::open(&file).unwrap();
}

#[test]
fn a_file_that_holds_no_key_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("identity");
    for content in [b"".as_slice(), b"not a key", &[8; 8 << 10]] {
        fs::write(&file, content).unwrap();
        set_mode(&file, 0o600);
        assert!(refusal(&file).starts_with("it holds no Ed25519 key"));
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    assert!(refusal(folder.path()).starts_with("it is no file"));
    let beside = folder.path().join("identity/within");
    assert!(refusal(&beside).starts_with("it cannot be read"));
}

#[test]
fn processes_that_start_at_once_end_with_the_same_identity() {
    if let Some(file) = std::env::var_os(FILE) {
        println!("is {}", Identity::open(file.as_ref()).unwrap().id());
        return;
    }
    for _ in 0..10 {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("state/identity");
        let start = |_| {
            let mut test = Command::new(std::env::current_exe().unwrap());
            test.args(["--exact", "--nocapture"])
                .arg("processes_that_start_at_once_end_with_the_same_identity")
                .env(FILE, &file)
                .stdout(Stdio::piped());
            test.spawn().unwrap()
        };
        let all: Vec<_> = (0..8).map(start).collect();
        let said = all.into_iter().map(|process| {
            let output = process.wait_with_output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let line = text.lines().find_map(|line| line.split_once("is 12D3"));
            line.unwrap().1.to_owned()
        });
        let mut said: Vec<_> = said.collect();
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
    }
}
