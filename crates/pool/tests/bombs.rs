//! Apps that use all they can get: each ends with a typed error within its
//! budget, and the host lives.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::den::{Den, Ended, Growth, MIB, account, runner};
use common::{COUNTER, Fixture};
use vesicle_engine::{Error as EngineError, Purse};
use vesicle_pool::{Account, Grant, Provider, Token, Value, wasi::Wasi};

const SPIN: &str = r#"(func (export "run") (result i32) (loop (br 0)) unreachable)"#;

#[tokio::test]
async fn a_guest_that_computes_without_end_ends_with_its_fuel() {
    let den = Den::new(&[]).metered();
    let account = account(MIB);
    let ended = den.ends(&runner(SPIN), &[], account.clone()).await;
    assert!(matches!(*ended, EngineError::Fuel), "{ended}");
    let amounts = account.fuel.amounts();
    assert_eq!((amounts.left, amounts.spent), (0, 50_000_000));
}

#[tokio::test]
async fn a_guest_that_computes_without_end_ends_with_its_deadline() {
    let begun = Instant::now();
    let ended = Den::new(&[]).ends(&runner(SPIN), &[], account(MIB)).await;
    assert!(matches!(*ended, EngineError::Deadline { .. }), "{ended}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_bomb_that_goes_off_at_a_provider_takes_no_more_than_its_caller_was_granted() {
    let fixture = Fixture::metered();
    let counter = fixture.counter().await;
    let front = fixture
        .keep("front", &fixture.front, &counter.tokens())
        .await;
    let tenant = Purse::new(10_000_000);
    let grant = Grant {
        fuel: Some(tenant.grant(1_000_000)),
        ..Grant::default()
    };
    let token = &front.tokens()[0];
    let call = fixture.pool.call(token, "bump", &[Value::U32(99)], grant);
    let told = call.await.unwrap_err().to_string();
    assert!(told.ends_with("out of fuel"), "{told}");
    // What it left behind ends too, and gives back all else.
    fixture.pool.tear_down(&front).await.unwrap();
    fixture.pool.tear_down(&counter).await.unwrap();
    let amounts = tenant.amounts();
    assert!(amounts.spent <= 1_000_000, "{amounts:?}");
    assert_eq!(
        (amounts.left + amounts.spent, amounts.drawn),
        (10_000_000, 0)
    );
}

#[tokio::test]
async fn memory_and_tables_end_at_the_budget_however_they_are_asked_for() {
    let grows = r#"(memory 1) (func (export "run") (result i32)
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (i32.const 7))"#;
    let tables = r#"(table 1 funcref) (func (export "run") (result i32)
        (loop (br_if 0 (i32.ne (table.grow (ref.null func) (i32.const 9999)) (i32.const -1))))
        (i32.const 7))"#;
    let starts = r#"(memory 1) (func $s (drop (memory.grow (i32.const 60000)))) (start $s)
        (func (export "run") (result i32) (i32.const 7))"#;
    let many = format!(
        r#"{} (func (export "run") (result i32) (i32.const 7))"#,
        "(memory 100)".repeat(100)
    );
    let filled = r#"(memory 1000) (func (export "run") (result i32)
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536000))
        (memory.grow (i32.const 1000)))"#;
    let growth = Growth::begin().await;
    for text in [grows, tables, starts, &many, filled] {
        let ended = Den::new(&[])
            .ends(&runner(text), &[], account(100 * MIB))
            .await;
        let EngineError::Memory { limit, wanted } = *ended else {
            panic!("{text}: {ended}");
        };
        assert!(limit == 100 * MIB && wanted > limit, "{text}");
    }
    let grown = growth.end();
    assert!(grown < 200 * MIB, "the host has grown by {grown} bytes");
}

#[tokio::test]
async fn one_component_cannot_take_the_memories_of_all_others() {
    let den = Den::new(&[]).dense();
    let many = format!(
        r#"{} (func (export "run") (result i32) (i32.const 7))"#,
        "(memory 1)".repeat(100)
    );
    let ended = den.ends(&runner(&many), &[], account(100 * MIB)).await;
    assert!(matches!(*ended, EngineError::Compile(_)), "{ended:?}");
    let instances = "(core instance (instantiate $n))".repeat(900);
    let many = format!("(component (core module $n (memory 1)) {instances})");
    let ended = den.keep(&many, &[], account(100 * MIB)).await;
    let ended = Ended(ended.unwrap_err());
    assert!(matches!(*ended, EngineError::Compile(_)), "{ended:?}");
}

#[tokio::test]
async fn recursion_without_end_is_a_trap() {
    let deep = r#"(func $f (export "run") (result i32) (i32.add (call $f) (i32.const 1)))"#;
    let ended = Den::new(&[]).ends(&runner(deep), &[], account(MIB)).await;
    let EngineError::Trap(trap) = &*ended else {
        panic!("{ended}");
    };
    assert!(trap.reason.contains("stack exhausted"), "{trap}");
}

/// Recurses some thousand times before it passes a call on.
fn deep(from: &str, to: &str) -> String {
    let (call, bump) = match from {
        "counter" => ("add", "bump"),
        _ => ("bump", "add"),
    };
    format!(
        r#"(component
  (import "a:b/{from}@1.0.0" (instance $in (export "{call}" (func (param "n" u32) (result u32)))))
  (core func $call (canon lower (func $in "{call}")))
  (core module $m
    (import "in" "call" (func $call (param i32) (result i32)))
    (func $down (param i32 i32) (result i32)
      (if (result i32) (local.get 1)
        (then (i32.add (i32.const 0) (call $down (local.get 0) (i32.sub (local.get 1) (i32.const 1)))))
        (else (call $call (local.get 0)))))
    (func (export "bump") (param i32) (result i32)
      (call $down (local.get 0) (i32.const 5000))))
  (core instance $i (instantiate $m (with "in" (instance (export "call" (func $call))))))
  (func $bump (param "n" u32) (result u32) (canon lift (core func $i "bump")))
  (instance $out (export "{bump}" (func $bump)))
  (export "a:b/{to}@1.0.0" (instance $out)))"#
    )
}

#[tokio::test]
async fn a_chain_of_stores_that_recurse_is_no_danger_to_the_process() {
    let den = Den::new(&[common::WIT]);
    let mut last = den.app(COUNTER, &[]).await;
    for link in 0..64 {
        let text = match link % 2 {
            0 => deep("counter", "front"),
            _ => deep("front", "counter"),
        };
        last = den.app(&text, &last.tokens()).await;
    }
    let token = &last.tokens()[0];
    for (n, ends) in [(5, true), (13, false)] {
        let arguments = [Value::U32(n)];
        let call = den.pool.call(token, "add", &arguments, Grant::default());
        assert_eq!(call.await.is_ok(), ends);
    }
}

/// Makes resources of its own in a loop.
const OWN: &str = r#"(component
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core module $m (import "" "new" (func $new (param i32) (result i32)))
    (func (export "run") (result i32)
      (loop (drop (call $new (i32.const 1))) (br 0)) unreachable))
  (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
  (func $run (result u32) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#;

/// Takes resources of another in a loop.
fn taker(interface: &str, function: &str, resource: &str, extra: &str) -> String {
    let (param, core, argument) = match extra {
        "" => ("", "", ""),
        _ => ("(param \"when\" u64)", "(param i64)", "(i64.const 1)"),
    };
    format!(
        r#"(component
  {extra}
  (import "{interface}" (instance $in
    {resource}
    (export "{function}" (func {param} (result (own $t))))))
  (core func $make (canon lower (func $in "{function}")))
  (core module $m (import "" "make" (func $make {core} (result i32)))
    (func (export "run") (result i32)
      (loop (drop (call $make {argument})) (br 0)) unreachable))
  (core instance $i (instantiate $m (with "" (instance (export "make" (func $make))))))
  (func $run (result u32) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#
    )
}

/// Makes a thing whenever it is asked.
const MAKER: &str = r#"(component
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core module $m (import "" "new" (func $new (param i32) (result i32)))
    (func (export "make") (result i32) (call $new (i32.const 1))))
  (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
  (component $c
    (import "r" (type $r (sub resource)))
    (import "make" (func $f (result (own $r))))
    (export $t "thing" (type $r))
    (export "make" (func $f) (func (result (own $t)))))
  (func $make (result (own $r)) (canon lift (core func $i "make")))
  (instance $out (instantiate $c (with "r" (type $r)) (with "make" (func $make))))
  (export "a:b/maker@1.0.0" (instance $out)))"#;

const MAKER_WIT: &str =
    "package a:b@1.0.0; interface maker { resource thing; make: func() -> thing; }";

fn few_handles() -> Account {
    let mut account = account(MIB);
    let budget = account.budget.with_handles(1_000);
    account.budget = budget.with_deadline(Some(Duration::from_secs(60)));
    account
}

#[tokio::test]
async fn handles_end_at_the_budget_whose_ever_they_are() {
    let den = Den::new(&[MAKER_WIT]);
    let ended = den.ends(OWN, &[], account(MIB)).await;
    assert!(matches!(*ended, EngineError::Handles), "{ended}");
    // Of another instance, which is none the worse for it.
    let maker = den.app(MAKER, &[]).await;
    let thing = r#"(export "thing" (type $t (sub resource)))"#;
    let text = taker("a:b/maker@1.0.0", "make", thing, "");
    let ended = den.ends(&text, &maker.tokens(), few_handles()).await;
    assert!(matches!(*ended, EngineError::Handles), "{ended}");
    let token = &maker.tokens()[0];
    let made = den.pool.call(token, "make", &[], Grant::default()).await;
    assert!(matches!(made.as_deref(), Ok([Value::Own(_)])), "{made:?}");
    // Of the host.
    let poll = r#"(import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type (sub resource)))))
      (alias export $poll "pollable" (type $pollable))"#;
    let pollable = r#"(alias outer 1 $pollable (type $p)) (export "pollable" (type $t (eq $p)))"#;
    let clock = "wasi:clocks/monotonic-clock@0.2.0";
    let text = taker(clock, "subscribe-duration", pollable, poll);
    let wasi: Arc<dyn Provider> = Arc::new(Wasi::deny_all("app"));
    let ended = den.ends(&text, &Token::all(&wasi), few_handles()).await;
    assert!(matches!(*ended, EngineError::Handles), "{ended}");
}

/// Looks at the things that it is lent, and drops them.
const LOOKER: &str = r#"(component
  (import "a:b/maker@1.0.0" (instance $in (export "thing" (type (sub resource)))))
  (alias export $in "thing" (type $t))
  (core func $drop (canon resource.drop $t))
  (core module $m
    (import "" "drop" (func $drop (param i32)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "run") (param i32 i32)
      (loop
        (if (local.get 1) (then
          (call $drop (i32.load (local.get 0)))
          (local.set 0 (i32.add (local.get 0) (i32.const 4)))
          (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
          (br 1))))))
  (core instance $i (instantiate $m (with "" (instance (export "drop" (func $drop))))))
  (func $run (param "x" (list (borrow $t))) (canon lift (core func $i "run")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance $out (export "run" (func $run)))
  (export "a:b/looker@1.0.0" (instance $out)))"#;

#[tokio::test]
async fn who_is_lent_too_many_handles_at_once_is_none_the_worse_for_it() {
    let den = Den::new(&[MAKER_WIT]);
    let maker = den.app(MAKER, &[]).await;
    let tokens = maker.tokens();
    let looker = den.keep(LOOKER, &tokens, few_handles()).await.unwrap();
    let call = den.pool.call(&tokens[0], "make", &[], Grant::default());
    let Value::Own(thing) = call.await.unwrap().remove(0) else {
        panic!("no thing");
    };
    let lend = |count| {
        let things = vec![Value::Borrow(thing.clone()); count];
        [Value::List(things)]
    };
    for _ in 0..3 {
        den.run(&looker, &lend(900)).await.unwrap();
        let ended = Ended(den.run(&looker, &lend(1_001)).await.unwrap_err());
        assert!(matches!(*ended, EngineError::Handles), "{ended}");
    }
}

#[tokio::test]
async fn a_start_that_does_not_end_is_ended() {
    let spins = r#"(func $s (loop (br 0))) (start $s)
        (func (export "run") (result i32) (i32.const 7))"#;
    let ended = Den::new(&[]).ends(&runner(spins), &[], account(MIB)).await;
    assert!(matches!(*ended, EngineError::Deadline { .. }), "{ended}");
    let den = Den::new(&[]).metered();
    let ended = den.ends(&runner(spins), &[], account(MIB)).await;
    assert!(matches!(*ended, EngineError::Fuel), "{ended}");
}

#[tokio::test]
async fn who_waits_for_ever_in_an_import_ends_with_its_deadline() {
    let text = r#"(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p)) (export "pollable" (type $t (eq $p)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $t))))))
  (core func $wait (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core module $m
    (import "" "wait" (func $wait (param i64) (result i32)))
    (import "" "block" (func $block (param i32)))
    (func (export "run") (result i32)
      (call $block (call $wait (i64.const 3600000000000))) (i32.const 1)))
  (core instance $i (instantiate $m (with "" (instance
    (export "wait" (func $wait)) (export "block" (func $block))))))
  (func $run (result u32) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#;
    let wasi: Arc<dyn Provider> = Arc::new(Wasi::deny_all("app"));
    let den = Den::new(&[]);
    let ended = den.ends(text, &Token::all(&wasi), account(MIB)).await;
    assert!(matches!(*ended, EngineError::Deadline { .. }), "{ended}");
}
