//! Instances that others call: shared and apart, in chains and in circles,
//! failing and replaced, and torn down.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use vesicle_engine::{Budget, Config, Engines, Error as EngineError};
use vesicle_pool::{App, Error, Grant, Interface, Pool, Resident, Token};
use wasmtime::component::Val;

const WIT: &str = "
package a:b@1.0.0;
interface counter { add: func(n: u32) -> u32; try-add: func(n: u32) -> result<u32, string>; }
interface front { bump: func(n: u32) -> u32; try-bump: func(n: u32) -> result<u32, string>; }
";

/// Counts; fails at 13, and never ends at 99.
const COUNTER: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (global $n (mut i32) (i32.const 0))
    (func $add (export "add") (param i32) (result i32)
      (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))
      (if (i32.eq (local.get 0) (i32.const 99)) (then (loop $l (br $l))))
      (global.set $n (i32.add (global.get $n) (local.get 0)))
      (global.get $n))
    (func (export "try-add") (param i32) (result i32)
      (i32.store8 (i32.const 64) (i32.const 0))
      (i32.store (i32.const 68) (call $add (local.get 0)))
      (i32.const 64)))
  (core instance $i (instantiate $m))
  (func $add (param "n" u32) (result u32) (canon lift (core func $i "add")))
  (func $try (param "n" u32) (result (result u32 (error string)))
    (canon lift (core func $i "try-add") (memory (core memory $i "memory"))))
  (instance $c (export "add" (func $add)) (export "try-add" (func $try)))
  (export "a:b/counter@1.0.0" (instance $c)))"#;

/// Exports one interface by calling what it imports.
fn forwarder(import: (&str, &str), export: (&str, &str)) -> String {
    let (from, call) = import;
    let (to, bump) = export;
    format!(
        r#"(component
  (import "a:b/{from}@1.0.0" (instance $in
    (export "{call}" (func (param "n" u32) (result u32)))
    (export "try-{call}" (func (param "n" u32) (result (result u32 (error string)))))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (core func $call (canon lower (func $in "{call}")))
  (core func $try (canon lower (func $in "try-{call}")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $m
    (import "in" "call" (func $call (param i32) (result i32)))
    (import "in" "try" (func $try (param i32 i32)))
    (func (export "bump") (param i32) (result i32) (call $call (local.get 0)))
    (func (export "try-bump") (param i32) (result i32)
      (call $try (local.get 0) (i32.const 64))
      (i32.const 64)))
  (core instance $i (instantiate $m (with "in" (instance
    (export "call" (func $call)) (export "try" (func $try))))))
  (func $bump (param "n" u32) (result u32) (canon lift (core func $i "bump")))
  (func $try-bump (param "n" u32) (result (result u32 (error string)))
    (canon lift (core func $i "try-bump") (memory (core memory $libc "memory"))))
  (instance $out (export "{bump}" (func $bump)) (export "try-{bump}" (func $try-bump)))
  (export "a:b/{to}@1.0.0" (instance $out)))"#
    )
}

/// A pool with the interfaces, and its apps.
struct Fixture {
    pool: Pool,
    counter: App,
    front: App,
    /// Takes a front and gives a counter.
    back: App,
}

impl Fixture {
    fn new() -> Self {
        let pool = Pool::new(Engines::new(Config::default()).unwrap());
        for interface in Interface::from_wit(WIT).unwrap() {
            pool.declare(interface).unwrap();
        }
        let admit = |name: &str, text: &str| {
            let bytes = wat::parse_str(text).unwrap();
            pool.admit(name, &bytes).unwrap()
        };
        Self {
            counter: admit("counter", COUNTER),
            front: admit("front", &forwarder(("counter", "add"), ("front", "bump"))),
            back: admit("back", &forwarder(("front", "bump"), ("counter", "add"))),
            pool,
        }
    }

    async fn counter(&self) -> Resident {
        self.keep("counter", &self.counter, &[]).await
    }

    async fn keep(&self, name: &str, app: &App, tokens: &[Token]) -> Resident {
        let budget = Budget::default();
        self.pool.keep(name, app, tokens, budget).await.unwrap()
    }

    async fn call(&self, of: &Resident, function: &str, n: u32) -> Result<Val, Error> {
        let token = &of.tokens()[0];
        let arguments = [Val::U32(n)];
        let grant = Grant::default();
        let answer = self.pool.call(token, function, &arguments, grant).await?;
        Ok(answer.into_iter().next().unwrap())
    }
}

#[tokio::test]
async fn what_shares_a_provider_sees_what_the_other_wrote_and_what_does_not_does_not() {
    let fixture = Fixture::new();
    let (shared, own) = (fixture.counter().await, fixture.counter().await);
    let one = fixture.keep("one", &fixture.front, &shared.tokens()).await;
    let two = fixture.keep("two", &fixture.front, &shared.tokens()).await;
    let three = fixture.keep("three", &fixture.front, &own.tokens()).await;
    assert_eq!(fixture.call(&one, "bump", 5).await.unwrap(), Val::U32(5));
    assert_eq!(fixture.call(&two, "bump", 2).await.unwrap(), Val::U32(7));
    assert_eq!(fixture.call(&three, "bump", 1).await.unwrap(), Val::U32(1));
    assert_eq!(fixture.call(&shared, "add", 0).await.unwrap(), Val::U32(7));
}

#[tokio::test]
async fn a_trap_in_a_provider_is_an_error_where_there_is_room_for_one() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let front = fixture
        .keep("front", &fixture.front, &counter.tokens())
        .await;
    let answer = fixture.call(&front, "try-bump", 13).await.unwrap();
    let Val::Result(Err(Some(reason))) = answer else {
        panic!("{answer:?}");
    };
    let Val::String(reason) = *reason else {
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
    assert_eq!(fixture.call(&front, "bump", 3).await.unwrap(), Val::U32(3));
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
    let budget = Budget::default().with_deadline(Some(Duration::from_millis(300)));
    let counter = fixture
        .pool
        .keep("counter", &fixture.counter, &[], budget)
        .await
        .unwrap();
    let token = &counter.tokens()[0];
    let grant = Grant {
        deadline: Duration::from_millis(50),
    };
    let (spinning, behind) = tokio::join!(
        fixture.pool.call(token, "add", &[Val::U32(99)], grant),
        fixture.pool.call(token, "add", &[Val::U32(1)], grant),
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
    assert_eq!(fixture.call(&back, "add", 4).await.unwrap(), Val::U32(4));
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
    let budget = Budget::default();
    let kept = fixture
        .pool
        .keep("late", &fixture.front, &tokens, budget)
        .await;
    assert_eq!(kept.unwrap_err().to_string(), "counter has been torn down");
    assert_eq!(fixture.pool.resident_count(), 0);
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
    assert_eq!(fixture.call(&last, "add", 6).await.unwrap(), Val::U32(6));
}

#[test]
fn what_stays_in_its_store_is_refused_before_anything_is_made() {
    let pool = Pool::new(Engines::new(Config::default()).unwrap());
    let text = "package a:c@1.0.0; interface files { resource file; open: func() -> file; }";
    let interfaces = Interface::from_wit(text).unwrap();
    let structure = interfaces[0].structure.as_ref().unwrap();
    assert_eq!(structure.stuck(), Some(("open", "own<file>")));
    pool.declare(interfaces[0].clone()).unwrap();
    let wrong = Interface::from_wit("package a:c; interface x { f: fun(); }").unwrap_err();
    assert!(wrong.to_string().contains("fun"), "{wrong}");
}
