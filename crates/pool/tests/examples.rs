//! What the examples print is so.

#![allow(clippy::unwrap_used, clippy::duplicate_mod, dead_code)]

#[path = "../examples/shared_store.rs"]
mod shared_store;
#[path = "../examples/store_each.rs"]
mod store_each;

#[tokio::test]
async fn apps_with_one_store_see_what_the_other_writes() {
    assert_eq!(shared_store::run().await.unwrap(), (5, 5));
}

#[tokio::test]
async fn apps_with_a_store_each_do_not() {
    assert_eq!(store_each::run().await.unwrap(), (5, 0));
}
