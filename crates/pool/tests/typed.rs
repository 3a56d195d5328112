//! Calls by types: of single functions, and by generated bindings.

#![allow(clippy::unwrap_used)]

mod common;

use common::Fixture;
use vesicle_engine::Error as EngineError;
use vesicle_pool::membrane::{Membrane, around};
use vesicle_pool::{Error, Grant};

mod bindings {
    wasmtime::component::bindgen!({
        inline: "package a:b@1.0.0;
            interface counter {
                add: func(n: u32) -> u32;
                try-add: func(n: u32) -> result<u32, string>;
            }
            world counts { export counter; }",
        exports: { default: async },
    });
}
use bindings::Counts;

#[tokio::test]
async fn a_function_is_called_by_its_types_whatever_instance_is_behind_the_token() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let token = counter.token("a:b/counter@1.0.0").unwrap();
    let add = fixture.pool.typed::<(u32,), (u32,)>(&token, "add");
    let add = add.await.unwrap();
    assert_eq!(add.call((5,), Grant::default()).await.unwrap(), (5,));
    assert_eq!(add.call((2,), Grant::default()).await.unwrap(), (7,));
    let error = add.call((13,), Grant::default()).await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error}");
    let replaced = fixture.pool.replace(&counter, &fixture.counter, &[]);
    replaced.await.unwrap();
    assert_eq!(add.call((1,), Grant::default()).await.unwrap(), (1,));
}

#[tokio::test]
async fn other_types_are_refused_before_anything_is_called() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let token = &counter.tokens()[0];
    let wrong = fixture.pool.typed::<(u64,), (u32,)>(token, "add").await;
    let error = wrong.err().unwrap();
    let is_link = matches!(error, Error::Engine(EngineError::Link(_)));
    assert!(is_link, "{error}");
    assert!(error.to_string().contains("u64"), "{error}");
    let absent = fixture.pool.typed::<(), ()>(token, "sub").await;
    assert!(matches!(absent.err(), Some(Error::NotExported { .. })));
}

#[tokio::test]
async fn generated_bindings_call_whatever_implements_their_world() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let tokens = counter.tokens();
    let front = fixture.keep("front", &fixture.front, &tokens).await;
    let back = fixture.keep("back", &fixture.back, &front.tokens()).await;
    // Both export the counter, one of its own and one of a long way round.
    for (of, sum) in [(&counter, 4), (&back, 8)] {
        let token = &of.tokens()[0];
        let called = fixture.pool.with(
            token,
            Grant::default(),
            |store, instance| Counts::new(store, instance),
            move |store, counts: &Counts| {
                Box::pin(async move {
                    let counter = counts.a_b_counter();
                    counter.call_try_add(store, 4).await
                })
            },
        );
        assert_eq!(called.await.unwrap(), Ok(sum));
    }
}

#[tokio::test]
async fn a_whole_instance_is_not_had_through_a_membrane_and_one_function_is() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let membrane = Membrane::new("visitors");
    let token = around(&membrane, &counter.tokens()[0], &["add"]).unwrap();
    let whole = fixture.pool.with(
        &token,
        Grant::default(),
        |store, instance| Counts::new(store, instance),
        |_, _: &Counts| Box::pin(async { Ok(()) }),
    );
    let error = whole.await.unwrap_err();
    assert!(matches!(error, Error::Guarded { .. }), "{error}");
    let add = fixture.pool.typed::<(u32,), (u32,)>(&token, "add");
    let add = add.await.unwrap();
    assert_eq!(add.call((5,), Grant::default()).await.unwrap(), (5,));
    membrane.advance();
    let error = add.call((5,), Grant::default()).await.unwrap_err();
    assert!(matches!(error, Error::Revoked(_)), "{error}");
}
