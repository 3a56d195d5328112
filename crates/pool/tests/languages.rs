//! Components that were made with other people's tools, in other languages,
//! linked with those of Rust: `tests/foreign`.

#![allow(clippy::unwrap_used)]

mod notes;

use std::sync::LazyLock;

use notes::{Disk, Room, done, found, nothing, refused};
use vesicle_pool::{Error, Value};

/// Notebooks in Rust, Python and JavaScript.
const NOTEBOOKS: [&str; 3] = ["notebook", "notebook-python", "notebook-javascript"];

/// Those that do not catch what their language raises where a value is no text,
/// and what they say of it as they trap.
const CARELESS: [(&str, &str); 2] = [
    ("notebook-python", "UnicodeDecodeError"),
    (
        "notebook-javascript",
        "expected a string, received [object]",
    ),
];

/// One room for all tests, since a whole Python takes seconds to compile.
static ROOM: LazyLock<Room> = LazyLock::new(|| Room::new(&NOTEBOOKS));

#[tokio::test]
async fn notebooks_in_three_languages_on_one_store_see_what_the_others_write() {
    let room = &*ROOM;
    let (disk, other_disk) = (Disk::new(), Disk::new());
    let kv = room.kv("kv", &disk).await;
    let other_kv = room.kv("other kv", &other_disk).await;
    let mut shared = Vec::new();
    let mut apart = Vec::new();
    for app in NOTEBOOKS {
        shared.push(room.notebook(app, app, &kv).await);
        apart.push(room.notebook(app, app, &other_kv).await);
    }
    for (writer, app) in shared.iter().zip(NOTEBOOKS) {
        let text = format!("größer, by {app}");
        assert_eq!(room.recall(writer, app).await, nothing(), "{app}");
        assert_eq!(room.remember(writer, app, &text).await, done(), "{app}");
        for reader in &shared {
            let seen = room.recall(reader, app).await;
            assert_eq!(seen, found(&text), "{}", reader.name());
        }
        for reader in &apart {
            let seen = room.recall(reader, app).await;
            assert_eq!(seen, nothing(), "{}", reader.name());
        }
    }
    assert_eq!((disk.files().len(), other_disk.files().len()), (3, 0));
}

#[tokio::test]
async fn an_error_that_a_function_may_return_is_returned_in_every_language() {
    let room = &*ROOM;
    let kv = room.kv("kv", &Disk::with_files_up_to(5)).await;
    for app in NOTEBOOKS {
        let notebook = room.notebook(app, app, &kv).await;
        // Its own.
        let untitled = room.remember(&notebook, "", "x").await;
        assert_eq!(untitled, refused("a note needs a title"), "{app}");
        let untitled = room.recall(&notebook, "").await;
        assert_eq!(untitled, refused("a note needs a title"), "{app}");
        // The system's, through the store.
        let long = room.remember(&notebook, app, "too long").await;
        assert_eq!(long, refused("the disk takes no more than 5 B"), "{app}");
        assert_eq!(room.remember(&notebook, app, "short").await, done());
        assert_eq!(room.recall(&notebook, app).await, found("short"), "{app}");
    }
}

#[tokio::test]
async fn an_exception_that_nobody_catches_ends_its_instance_and_harms_nobody_else() {
    let room = &*ROOM;
    let kv = room.kv("kv", &Disk::new()).await;
    let rust = room.notebook("rust", "notebook", &kv).await;
    let no_text = [Value::from("note/broken"), Value::Bytes(vec![0xff])];
    assert_eq!(room.call(&kv, "set", &no_text).await.unwrap(), done());
    for (app, said) in CARELESS {
        let (failing, stderr) = room.notebook_and_stderr(app, &kv).await;
        let beside = room.notebook("beside", app, &kv).await;
        let broken = [Value::from("broken")];
        let error = room.call(&failing, "recall", &broken).await.unwrap_err();
        let told = error.to_string();
        let place = format!("recall of {app} failed: it trapped");
        assert!(told.contains(&place), "{app}: {told}");
        assert!(stderr.text().contains(said), "{}", stderr.text());
        let error = room.call(&failing, "recall", &broken).await.unwrap_err();
        assert!(matches!(error, Error::Poisoned { .. }), "{app}: {error}");

        // The store answers, and so do all others that use it.
        assert_eq!(room.remember(&beside, app, "here").await, done(), "{app}");
        assert_eq!(room.recall(&rust, app).await, found("here"), "{app}");
        let told = room.recall(&rust, "broken").await;
        assert_eq!(told, refused("what is kept as broken is no text"));

        room.replace(&failing, app, &kv).await;
        assert_eq!(room.recall(&failing, app).await, found("here"), "{app}");
    }
}
