//! Late binding from end to end: a system's files, a component that makes
//! values of them, and apps that keep notes in the values.

#![allow(clippy::unwrap_used)]

mod notes;

use notes::{Disk, Room, done, found, nothing};
use vesicle_pool::Value;

#[tokio::test]
async fn writes_are_seen_by_those_that_are_wired_to_the_same_store_and_by_nobody_else() {
    let room = Room::new(&["notebook"]);
    let (disk, other_disk) = (Disk::new(), Disk::new());
    let kv = room.kv("kv", &disk).await;
    let other_kv = room.kv("other kv", &other_disk).await;
    let one = room.notebook("one", "notebook", &kv).await;
    let two = room.notebook("two", "notebook", &kv).await;
    let three = room.notebook("three", "notebook", &other_kv).await;
    assert_eq!((disk.files(), other_disk.files()), (vec![], vec![]));

    // What one writes, two sees, and three does not.
    assert_eq!(room.recall(&two, "tea").await, nothing());
    assert_eq!(room.remember(&one, "tea", "3 minutes").await, done());
    assert_eq!(room.recall(&two, "tea").await, found("3 minutes"));
    assert_eq!(room.recall(&three, "tea").await, nothing());

    // What three writes under the same title is another note.
    assert_eq!(room.remember(&three, "tea", "none left").await, done());
    assert_eq!(room.recall(&three, "tea").await, found("none left"));
    assert_eq!(room.recall(&one, "tea").await, found("3 minutes"));

    // Two writes over it, and one sees that.
    assert_eq!(room.remember(&two, "tea", "5 minutes").await, done());
    assert_eq!(room.recall(&one, "tea").await, found("5 minutes"));

    // All of it is in files of the system's, one disk each.
    let file = |text: &str| vec![("kv/note%2ftea".to_owned(), text.as_bytes().to_vec())];
    assert_eq!(disk.files(), file("5 minutes"));
    assert_eq!(other_disk.files(), file("none left"));

    // The store can be called itself, and its callers see what that did.
    let key: Value = "note/tea".into();
    let deleted = room.call(&kv, "delete", std::slice::from_ref(&key)).await;
    assert_eq!(deleted.unwrap(), Value::ok(Some(true.into())));
    let deleted = room.call(&kv, "delete", &[key]).await;
    assert_eq!(deleted.unwrap(), Value::ok(Some(false.into())));
    assert_eq!(room.recall(&one, "tea").await, nothing());
    assert_eq!(room.recall(&two, "tea").await, nothing());
    assert_eq!(room.recall(&three, "tea").await, found("none left"));

    // A new store over the same files has what the old one had.
    let late_kv = room.kv("late kv", &other_disk).await;
    let four = room.notebook("four", "notebook", &late_kv).await;
    assert_eq!(room.recall(&four, "tea").await, found("none left"));
}
