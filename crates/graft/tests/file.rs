//! A file says which epoch there is: another content is another epoch.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vesicle_graft::{EpochFile, Error};
use vesicle_membrane::{Membrane, Seal};

async fn broken(seal: &Seal) {
    let broken = tokio::time::timeout(Duration::from_secs(30), seal.broken());
    broken.await.expect("the epoch advances");
}

#[tokio::test]
async fn a_file_that_changes_is_put_in_place_or_goes_away_advances_the_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("epoch");
    let membrane = Arc::new(Membrane::new("m"));
    let _watched = EpochFile::watch(&file, Arc::clone(&membrane)).unwrap();
    let other = folder.path().join("other");
    let changes: [&dyn Fn(); 4] = [
        &|| fs::write(&file, "a").unwrap(),
        &|| fs::write(&file, "ab").unwrap(),
        &|| {
            fs::write(&other, "c").unwrap();
            fs::rename(&other, &file).unwrap();
        },
        &|| fs::remove_file(&file).unwrap(),
    ];
    for change in changes {
        let seal = membrane.seal();
        change();
        broken(&seal).await;
    }
}

#[tokio::test]
async fn the_same_content_and_other_files_are_no_other_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("epoch");
    fs::write(&file, "a").unwrap();
    let membrane = Arc::new(Membrane::new("m"));
    let _watched = EpochFile::watch(&file, Arc::clone(&membrane)).unwrap();
    // Put in its place, so that there is no moment without it.
    let again = folder.path().join("again");
    fs::write(&again, "a").unwrap();
    fs::rename(&again, &file).unwrap();
    fs::write(folder.path().join("beside"), "b").unwrap();
    // All of that has been seen when the next change has.
    let seal = membrane.seal();
    fs::write(&again, "b").unwrap();
    fs::rename(&again, &file).unwrap();
    broken(&seal).await;
    assert_eq!(membrane.epoch(), 1);
}

#[test]
fn a_folder_that_is_not_there_cannot_be_watched() {
    let membrane = Arc::new(Membrane::new("m"));
    let file = Path::new("/no/such/folder/epoch");
    let error = EpochFile::watch(file, membrane).err().unwrap();
    assert!(matches!(&error, Error::Watch { file: it, .. } if it == file));
    let says = "the file of the epoch, /no/such/folder/epoch, cannot be watched: ";
    assert!(error.to_string().starts_with(says), "{error}");
}
