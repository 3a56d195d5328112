//! What is said where there is no room left.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

mod common;

use std::io::{self, ErrorKind};
use std::path::Path;

use common::*;
use dest_file::disk::{self, Disk, Step};
use vesicle_connector::testing::block_on;
use vesicle_connector::{Category, Destination, Error, WriteMode};

const SOURCE: Numbers = Numbers { count: 10, step: 4 };

fn check_full(error: &Error, path: &Path) {
    assert_eq!(
        (error.category, &error.code[..], error.retryable),
        (Category::Exhausted, "disk-full", false)
    );
    let expected = format!(
        "{}: no space left on device; free some and run again, what was committed is kept",
        path.display()
    );
    assert_eq!(error.message, expected);
}

#[test]
fn a_full_disk_a_used_up_quota_and_a_file_too_large_are_said_and_not_retried() {
    let path = Path::new("out/part.csv");
    for kind in [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::FileTooLarge,
    ] {
        check_full(&disk::failed(path, kind.into()), path);
        let wrapped = io::Error::other(io::Error::from(kind));
        check_full(&disk::failed(path, wrapped), path);
    }
}

#[test]
fn another_failure_is_not_told_without_its_reason() {
    let path = Path::new("out/part.csv");
    let bare = disk::failed(path, io::Error::from_raw_os_error(5));
    assert!(bare.retryable);
    assert!(
        bare.message.starts_with("out/part.csv: ")
            && bare
                .message
                .contains("the disk or its connection has failed"),
        "{bare}"
    );
    let other = disk::failed(path, io::Error::other("the cable is out"));
    assert_eq!(other.message, "out/part.csv: the cable is out");
}

#[test]
fn a_load_that_filled_the_disk_keeps_its_commits_and_goes_on_when_there_is_room() {
    let root = tempfile::tempdir().unwrap();
    let config = config(root.path(), "csv");
    let begun = destination(&config);
    let load = block_on(begun.begin(&request("run", WriteMode::Append))).unwrap();
    let full = destination(&config).on(Disk::watched(|step| match step {
        Step::Create(path) if path.to_string_lossy().ends_with("000002.csv") => {
            Err(ErrorKind::StorageFull.into())
        }
        _ => Ok(()),
    }));
    let error = SOURCE.write(&full, &load).unwrap_err();
    assert_eq!(
        (error.category, &error.code[..]),
        (Category::Exhausted, "disk-full")
    );
    assert_eq!(visible(root.path()), (0..4).collect::<Vec<_>>());
    SOURCE
        .load(&destination(&config), &request("run", WriteMode::Append))
        .unwrap();
    assert_eq!(visible(root.path()), (0..10).collect::<Vec<_>>());
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_without_room_is_a_full_disk() {
    use std::io::Write;
    let path = Path::new("/dev/full");
    let mut file = Disk::default().create(path).unwrap();
    let error = file.write_all(b"x").unwrap_err();
    check_full(&disk::failed(path, error), path);
    assert_eq!(file.written(), 0);
}
