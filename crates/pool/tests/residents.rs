//! Instances that others call: shared and apart, in chains and in circles,
//! failing and replaced, and torn down.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{COUNTER, Fixture};
use vesicle_engine::{Budget, Config, Engines, Error as EngineError};
use vesicle_pool::{Account, Error, Grant, Interface, Pool, Value};

#[tokio::test]
async fn what_shares_a_provider_sees_what_the_other_wrote_and_what_does_not_does_not() {
    let fixture = Fixture::new();
    let (shared, own) = (fixture.counter().await, fixture.counter().await);
    let one = fixture.keep("one", &fixture.front, &shared.tokens()).await;
    let two = fixture.keep("two", &fixture.front, &shared.tokens()).await;
    let three = fixture.keep("three", &fixture.front, &own.tokens()).await;
    assert_eq!(fixture.call(&one, "bump", 5).await.unwrap(), Value::U32(5));
    assert_eq!(fixture.call(&two, "bump", 2).await.unwrap(), Value::U32(7));
    assert_eq!(
        fixture.call(&three, "bump", 1).await.unwrap(),
        Value::U32(1)
    );
    assert_eq!(
        fixture.call(&shared, "add", 0).await.unwrap(),
        Value::U32(7)
    );
}

#[tokio::test]
async fn a_trap_in_a_provider_is_an_error_where_there_is_room_for_one() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let front = fixture
        .keep("front", &fixture.front, &counter.tokens())
        .await;
    let answer = fixture.call(&front, "try-bump", 13).await.unwrap();
    let Value::Result(Err(Some(reason))) = answer else {
        panic!("{answer:?}");
    };
    let Value::String(reason) = *reason else {
        panic!("{reason:?}");
    };
    assert!(
        reason.contains("try-add of counter failed: it trapped"),
        "{reason}"
    );
    // The provider is not entered again; the caller lives.
    let again = fixture.call(&front, "try-bump", 1).await.unwrap();
    assert!(
        format!("{again:?}").contains("cannot be called any more"),
        "{again:?}"
    );
    fixture
        .pool
        .replace(&counter, &fixture.counter, &[])
        .await
        .unwrap();
    assert_eq!(
        fixture.call(&front, "bump", 3).await.unwrap(),
        Value::U32(3)
    );
    // Where there is no room the caller fails too, and says whose fault it is.
    let error = fixture.call(&front, "bump", 13).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("bump of front failed: "), "{told}");
    assert!(told.contains("add of counter failed: it trapped"), "{told}");
    let error = fixture.call(&front, "bump", 1).await.unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error}");
}

#[tokio::test]
async fn who_gives_up_waiting_does_not_cut_the_other_off() {
    let fixture = Fixture::new();
    let account = Account {
        budget: Budget::default().with_deadline(Some(Duration::from_millis(300))),
        ..Account::default()
    };
    let counter = fixture
        .pool
        .keep("counter", &fixture.counter, &[], account)
        .await
        .unwrap();
    let token = &counter.tokens()[0];
    let grant = Grant {
        deadline: Duration::from_millis(50),
        ..Grant::default()
    };
    let (spinning, behind) = tokio::join!(
        fixture
            .pool
            .call(token, "add", &[Value::U32(99)], grant.clone()),
        fixture.pool.call(token, "add", &[Value::U32(1)], grant),
    );
    for given_up in [spinning, behind] {
        let error = given_up.unwrap_err();
        let is_late = matches!(error, Error::Engine(EngineError::Deadline { .. }));
        assert!(is_late, "{error}");
    }
    // It goes on until its own deadline, which is the reason that it gives.
    let error = fixture.call(&counter, "add", 1).await.unwrap_err();
    assert!(
        error.to_string().contains("not finished within 300 ms"),
        "{error}"
    );
}

#[tokio::test]
async fn a_circle_of_calls_is_found_and_told_with_everybody_in_it() {
    let fixture = Fixture::new();
    let first = fixture.counter().await;
    let front = fixture.keep("front", &fixture.front, &first.tokens()).await;
    let back = fixture.keep("back", &fixture.back, &front.tokens()).await;
    assert_eq!(fixture.call(&back, "add", 4).await.unwrap(), Value::U32(4));
    // Now what the front calls is the back, which calls the front.
    fixture
        .pool
        .replace(&front, &fixture.front, &back.tokens())
        .await
        .unwrap();
    let error = fixture.call(&back, "add", 1).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("wait for itself: front calls back calls front"),
        "{told}"
    );
}

#[tokio::test]
async fn what_others_are_wired_to_is_not_torn_down_before_them() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let front = fixture
        .keep("front", &fixture.front, &counter.tokens())
        .await;
    let error = fixture.pool.tear_down(&counter).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "counter cannot be torn down before front"
    );
    fixture.pool.tear_down(&front).await.unwrap();
    fixture.pool.tear_down(&counter).await.unwrap();
    let error = fixture.call(&counter, "add", 1).await.unwrap_err();
    assert_eq!(error.to_string(), "counter has been torn down");
    let tokens = counter.tokens();
    let account = Account::default();
    let kept = fixture
        .pool
        .keep("late", &fixture.front, &tokens, account)
        .await;
    assert_eq!(kept.unwrap_err().to_string(), "counter has been torn down");
    assert_eq!(fixture.pool.resident_count(), 0);
}

#[tokio::test]
async fn what_is_being_torn_down_ends_also_if_who_asked_gives_up() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let call = fixture.call(&counter, "add", 77);
    let tear_down = fixture.pool.tear_down(&counter);
    tokio::select! {
        biased;
        answer = call => panic!("that was quick: {answer:?}"),
        done = tear_down => panic!("it did not wait: {done:?}"),
        () = tokio::task::yield_now() => {}
    }
    let error = fixture.call(&counter, "add", 1).await.unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
}

#[tokio::test]
async fn what_was_torn_down_comes_back_by_no_replacement() {
    let fixture = Fixture::new();
    let (gone, counter) = (fixture.counter().await, fixture.counter().await);
    let front = fixture
        .keep("front", &fixture.front, &counter.tokens())
        .await;
    fixture.pool.tear_down(&gone).await.unwrap();
    let replaced = fixture.pool.replace(&gone, &fixture.counter, &[]).await;
    assert!(matches!(replaced, Err(Error::Gone { .. })), "{replaced:?}");
    let error = fixture.call(&gone, "add", 1).await.unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    // Nor is anybody wired to it; the one before is still there.
    let tokens = gone.tokens();
    let replaced = fixture.pool.replace(&front, &fixture.front, &tokens).await;
    assert!(matches!(replaced, Err(Error::Gone { .. })), "{replaced:?}");
    assert_eq!(
        fixture.call(&front, "bump", 5).await.unwrap(),
        Value::U32(5)
    );
}

#[tokio::test]
async fn a_failure_is_told_by_the_instance_and_where_it_began_by_the_error() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let front = fixture
        .keep("front", &fixture.front, &counter.tokens())
        .await;
    assert_eq!(counter.failure(), None);
    let error = fixture.call(&front, "bump", 13).await.unwrap_err();
    let origin = error.origin();
    let is_trap = matches!(origin, Error::Engine(EngineError::Trap(_)));
    assert!(is_trap, "{origin}");
    let failure = counter.failure().unwrap();
    assert!(failure.contains("it trapped"), "{failure}");
    assert!(front.failure().is_some());
    let replaced = fixture.pool.replace(&counter, &fixture.counter, &[]);
    replaced.await.unwrap();
    assert_eq!(counter.failure(), None);
}

#[tokio::test]
async fn a_chain_of_many_stores_is_no_danger_to_the_process() {
    let fixture = Fixture::new();
    let mut last = fixture.counter().await;
    for link in 0..64 {
        let app = match link % 2 {
            0 => &fixture.front,
            _ => &fixture.back,
        };
        last = fixture
            .keep(&format!("link {link}"), app, &last.tokens())
            .await;
    }
    assert_eq!(fixture.call(&last, "add", 6).await.unwrap(), Value::U32(6));
}

#[test]
fn what_stays_in_its_store_is_refused_before_anything_is_made() {
    let pool = Pool::new(Engines::new(Config::default()).unwrap());
    let text = "package a:c@1.0.0; interface files { resource file; open: func() -> file; watch: func() -> stream<u8>; }";
    let interfaces = Interface::from_wit(text).unwrap();
    let structure = interfaces[0].structure.as_ref().unwrap();
    assert_eq!(structure.stuck(), Some(("watch", "stream")));
    pool.declare(interfaces[0].clone()).unwrap();
    let wrong = Interface::from_wit("package a:c; interface x { f: fun(); }").unwrap_err();
    assert!(wrong.to_string().contains("fun"), "{wrong}");
}

#[tokio::test]
async fn what_is_exported_under_a_name_of_the_components_own_is_no_interface() {
    let fixture = Fixture::new();
    let counter = wat::parse_str(COUNTER.replace(
        r#"(export "a:b/counter@1.0.0" (instance $c))"#,
        r#"(export "a:b/counter@1.0.0" (instance $c)) (export "own" (instance $c))"#,
    ));
    let app = fixture.pool.admit("counter", &counter.unwrap()).unwrap();
    let counter = fixture.keep("counter", &app, &[]).await;
    assert_eq!(counter.tokens().len(), 1);
    assert_eq!(
        fixture.call(&counter, "add", 2).await.unwrap(),
        Value::U32(2)
    );
    // So one that has it can be replaced by one that does not.
    let replaced = fixture.pool.replace(&counter, &fixture.counter, &[]).await;
    replaced.unwrap();
    assert_eq!(
        fixture.call(&counter, "add", 3).await.unwrap(),
        Value::U32(3)
    );
}
