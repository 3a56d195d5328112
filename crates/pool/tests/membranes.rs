//! Tokens that show a part of an interface, and that are taken back.

#![allow(clippy::unwrap_used)]

mod common;

use common::Fixture;
use vesicle_pool::membrane::{Membrane, around};
use vesicle_pool::{Error, Grant, Value};

#[tokio::test]
async fn what_is_not_allowed_cannot_be_wired_and_cannot_be_called() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let membrane = Membrane::new("visitors");
    let token = around(&membrane, &counter.tokens()[0], &["add"]).unwrap();
    let arguments = [Value::U32(1)];
    let call = |function| {
        fixture
            .pool
            .call(&token, function, &arguments, Grant::default())
    };
    assert_eq!(call("add").await.unwrap(), [Value::U32(1)]);
    let error = call("try-add").await.unwrap_err();
    assert!(
        error.to_string().contains("counter behind its membrane"),
        "{error}"
    );
    let error = fixture.pool.wire(&fixture.front, &[token]).err().unwrap();
    assert!(
        error.to_string().contains("try-add: wants the function"),
        "{error}"
    );
    let unknown = around(&membrane, &counter.tokens()[0], &["subtract"]);
    assert!(matches!(unknown, Err(Error::NotExported { .. })));
}

#[tokio::test]
async fn advancing_the_epoch_revokes_every_call_through_it_and_no_other() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let membrane = Membrane::new("visitors");
    let all = ["add", "try-add"];
    let token = around(&membrane, &counter.tokens()[0], &all).unwrap();
    let front = fixture
        .keep("front", &fixture.front, std::slice::from_ref(&token))
        .await;
    assert_eq!(
        fixture.call(&front, "bump", 2).await.unwrap(),
        Value::U32(2)
    );
    // One is in flight, one waits for its turn; both fail at once.
    let arguments = [Value::U32(77)];
    let call = || {
        fixture
            .pool
            .call(&token, "add", &arguments, Grant::default())
    };
    let (first, second, ()) = tokio::join!(call(), call(), async { membrane.advance() });
    for revoked in [first, second] {
        assert!(matches!(revoked, Err(Error::Revoked(_))), "{revoked:?}");
    }
    let told = fixture.call(&front, "try-bump", 1).await.unwrap();
    assert!(format!("{told:?}").contains("was taken back"), "{told:?}");
    // The shared store lives: it finishes the one, and the other never began.
    let answer = fixture.call(&counter, "add", 0).await.unwrap();
    assert_eq!(answer, Value::U32(79));
    let again = around(&membrane, &counter.tokens()[0], &all).unwrap();
    fixture
        .pool
        .replace(&front, &fixture.front, &[again])
        .await
        .unwrap();
    fixture.call(&front, "bump", 1).await.unwrap();
}
