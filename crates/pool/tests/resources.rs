//! Resources away from home: handed over, lent, handed back, dropped, revoked.

#![allow(clippy::unwrap_used)]

mod guests;

use vesicle_pool::membrane::{Membrane, around};
use vesicle_pool::wasi::Wasi;
use vesicle_pool::{Account, App, Error, Grant, Pool, Resident, Resource, Token, Value};

const WIT: &str = include_str!("../../../tests/guests/wit/example.wit");

/// Imports a resource twice: from where it is made, and from who takes it.
const BOTH: &str = r#"(component
  (import "vesicle:example/files@0.1.0" (instance $files
    (export "file" (type $file (sub resource)))
    (export "open" (func (param "name" string)
      (result (result (own $file) (error string)))))))
  (alias export $files "file" (type $file))
  (import "vesicle:example/catalog@0.1.0" (instance $catalog
    (alias outer 1 $file (type $there))
    (export "file" (type $here (eq $there)))
    (export "archive" (func (param "f" (own $here)) (result u64))))))"#;

/// A pool with the guests that open files, keep them, and pass them on.
struct Room {
    pool: Pool,
    files: App,
    shelf: App,
    librarian: App,
}

fn guest(pool: &Pool, name: &str) -> App {
    pool.admit(name, &guests::component(name)).unwrap()
}

impl Room {
    fn new() -> Self {
        let pool = guests::pool(WIT);
        Self {
            files: guest(&pool, "files"),
            shelf: guest(&pool, "shelf"),
            librarian: guest(&pool, "librarian"),
            pool,
        }
    }

    async fn keep(&self, app: &App, tokens: Vec<Token>) -> Resident {
        let tokens = guests::with_wasi(Wasi::deny_all(app.name()), tokens);
        let account = Account::default();
        let kept = self.pool.keep(app.name(), app, &tokens, account).await;
        kept.unwrap()
    }

    async fn ask<const N: usize>(
        &self,
        token: &Token,
        function: &str,
        arguments: [Value; N],
    ) -> Result<Value, Error> {
        let answer = self
            .pool
            .call(token, function, &arguments, Grant::default());
        Ok(answer.await?.pop().unwrap_or(Value::none()))
    }

    async fn call<const N: usize>(
        &self,
        of: &Resident,
        function: &str,
        arguments: [Value; N],
    ) -> Value {
        self.ask(&of.tokens()[0], function, arguments)
            .await
            .unwrap()
    }

    async fn open(&self, token: &Token, name: &str) -> Resource {
        own(self.ask(token, "open", [name.into()]).await.unwrap())
    }

    async fn open_count(&self, files: &Resident) -> Value {
        self.call(files, "open-count", []).await
    }
}

/// The resource in a result.
fn own(value: Value) -> Resource {
    let Value::Result(Ok(Some(value))) = value else {
        panic!("{value:?}");
    };
    let Value::Own(resource) = *value else {
        panic!("{value:?}");
    };
    resource
}

fn bytes(text: &str) -> Value {
    text.as_bytes().into()
}

#[tokio::test]
async fn what_a_guest_holds_of_another_is_used_through_it_and_dropped_with_it() {
    let room = Room::new();
    let files = room.keep(&room.files, vec![]).await;
    let shelf = room.keep(&room.shelf, files.tokens()).await;
    for (text, size) in [("one", 3_u64), (" and two", 11)] {
        let put = room.call(&shelf, "put", ["a".into(), bytes(text)]).await;
        assert_eq!(put, Value::ok(Some(size.into())));
    }
    room.call(&shelf, "put", ["b".into(), bytes("other")]).await;
    assert_eq!(room.open_count(&files).await, Value::U32(2));
    let taken = room.call(&shelf, "take", ["a".into()]).await;
    assert_eq!(taken, Value::ok(Some(bytes("one and two"))));
    // Dropped at home before the call that dropped it has returned.
    assert_eq!(room.open_count(&files).await, Value::U32(1));
    room.call(&shelf, "drop-all", []).await;
    assert_eq!(room.open_count(&files).await, Value::U32(0));
    // Errors of the callee's own come as they are.
    let refused = room.call(&shelf, "put", ["".into(), bytes("x")]).await;
    assert!(
        matches!(refused, Value::Result(Err(Some(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_embedder_holds_resources_and_one_that_it_lets_go_is_dropped() {
    let room = Room::new();
    let files = room.keep(&room.files, vec![]).await;
    let token = &files.tokens()[0];
    let file = room.open(token, "a").await;
    let append = [Value::Borrow(file.clone()), bytes("four")];
    let size = room.call(&files, "[method]file.append", append).await;
    assert_eq!(size, Value::U64(4));
    assert_eq!(room.open_count(&files).await, Value::U32(1));
    drop(file);
    assert_eq!(room.open_count(&files).await, Value::U32(0));
}

#[tokio::test]
async fn one_that_comes_home_is_itself_again() {
    let room = Room::new();
    let files = room.keep(&room.files, vec![]).await;
    let librarian = room.keep(&room.librarian, files.tokens()).await;
    // Made by one, passed through another, used where it was made.
    let lent = room.call(&librarian, "lend", ["a".into()]).await;
    let (lent, other) = (own(lent), room.open(&files.tokens()[0], "b").await);
    let append = [Value::Borrow(other.clone()), bytes(" and b")];
    room.call(&files, "[method]file.append", append).await;
    let merge = [Value::Own(lent.clone()), Value::Borrow(other.clone())];
    let merged = room.call(&files, "[static]file.merge", merge).await;
    let Value::Own(merged) = merged else {
        panic!("{merged:?}");
    };
    let all = room.call(
        &files,
        "[method]file.contents",
        [Value::Borrow(merged.clone())],
    );
    assert_eq!(all.await, bytes("a and b"));
    // What was handed over is not there any more for who had it.
    let token = &files.tokens()[0];
    let again = room.ask(token, "[method]file.size", [Value::Borrow(lent)]);
    let error = again.await.unwrap_err();
    assert!(matches!(error, Error::HandedOver { .. }), "{error}");
    // To the librarian it is a proxy: lent, and then handed over.
    let label = room.call(&librarian, "label", [Value::Borrow(merged.clone())]);
    assert_eq!(label.await, "7 bytes".into());
    assert_eq!(room.open_count(&files).await, Value::U32(2));
    let archived = room.call(&librarian, "archive", [Value::Own(merged)]).await;
    assert_eq!(archived, Value::U64(7));
    assert_eq!(room.open_count(&files).await, Value::U32(1));
}

#[tokio::test]
async fn a_resource_is_wired_from_one_instance_or_not_at_all() {
    let room = Room::new();
    let both = wat::parse_str(BOTH).unwrap();
    let both = room.pool.admit("both", &both).unwrap();
    let (one, other) = (
        room.keep(&room.files, vec![]).await,
        room.keep(&room.files, vec![]).await,
    );
    let librarian = room.keep(&room.librarian, one.tokens()).await;
    let with = |files: &Resident| [files.tokens(), librarian.tokens()].concat();
    room.pool.wire(&both, &with(&one)).unwrap();
    let split = room.pool.wire(&both, &with(&other)).err().unwrap();
    assert!(matches!(split, Error::Split { .. }), "{split}");
    assert!(
        split
            .to_string()
            .contains("both needs file of vesicle:example/files@0.1 from one"),
        "{split}"
    );
}

#[tokio::test]
async fn what_came_through_a_membrane_is_taken_back_with_it() {
    let room = Room::new();
    let files = room.keep(&room.files, vec![]).await;
    let membrane = Membrane::new("readers");
    let allowed = ["open", "[method]file.size"];
    let token = around(&membrane, &files.tokens()[0], &allowed).unwrap();
    let file = room.open(&token, "a").await;
    let size = || room.ask(&token, "[method]file.size", [Value::Borrow(file.clone())]);
    assert_eq!(size().await.unwrap(), Value::U64(0));
    let append = || [Value::Borrow(file.clone()), bytes("x")];
    let refused = room.ask(&token, "[method]file.append", append()).await;
    assert!(matches!(refused, Err(Error::NotExported { .. })));
    membrane.advance();
    assert!(matches!(size().await, Err(Error::Revoked(_))));
    // Nor by a way that is not behind the membrane.
    let append = room
        .ask(&files.tokens()[0], "[method]file.append", append())
        .await;
    assert!(matches!(append, Err(Error::Revoked(_))), "{append:?}");
}

#[tokio::test]
async fn what_is_of_an_instance_that_was_replaced_is_said_to_be_gone() {
    let room = Room::new();
    let files = room.keep(&room.files, vec![]).await;
    let token = &files.tokens()[0];
    let file = room.open(token, "a").await;
    let tokens = guests::with_wasi(Wasi::deny_all("files"), vec![]);
    let replaced = room.pool.replace(&files, &room.files, &tokens).await;
    replaced.unwrap();
    let size = room
        .ask(token, "[method]file.size", [Value::Borrow(file.clone())])
        .await;
    assert!(matches!(size, Err(Error::Left { .. })), "{size:?}");
    drop(file);
    assert_eq!(room.open_count(&files).await, Value::U32(0));
}
