//! What is left when residents are torn down: nothing.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::Fixture;
use common::den::{Den, MIB, account, resident};
use vesicle_engine::{Budget, State};
use vesicle_pool::membrane::{Membrane, around};
use vesicle_pool::{
    Account, App, Error, Grant, Interface, InterfaceName, Pool, Provider, Resident, Token, Value,
};
use wasmtime::component::Linker;

const WIT: &str = "
package a:b@1.0.0;
interface tally { tick: func(); }
interface shop {
    resource thing;
    make: func() -> thing;
    take: func(x: thing);
    spin: func(n: u32) -> u32;
}
";

/// Counts the stores that it is attached to, and the things that were dropped.
#[derive(Clone, Default)]
struct Tally {
    stores: Arc<()>,
    drops: Arc<AtomicUsize>,
}

/// Lives as long as the store that it is attached to.
struct Mark(#[allow(dead_code, reason = "it is counted")] Arc<()>);

impl Provider for Tally {
    fn name(&self) -> &str {
        "tally"
    }

    fn interfaces(&self) -> Vec<Interface> {
        let all = Interface::from_wit(WIT).unwrap();
        let is_mine = |it: &Interface| it.name.interface() == "tally";
        all.into_iter().filter(is_mine).collect()
    }

    fn link(&self, name: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let drops = Arc::clone(&self.drops);
        let mut slot = linker.instance(&name.to_string())?;
        slot.func_wrap("tick", move |_, (): ()| {
            drops.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn attach(&self, state: &mut State) -> vesicle_pool::Result<()> {
        state.extensions.insert(Mark(Arc::clone(&self.stores)));
        Ok(())
    }
}

/// Makes things, and ticks when one is dropped; fails at 13, takes long for 77.
const SHOP: &str = r#"(component
  (import "a:b/tally@1.0.0" (instance $tally (export "tick" (func))))
  (core func $tick (canon lower (func $tally "tick")))
  (core module $d (import "" "tick" (func $tick)) (func (export "gone") (param i32) (call $tick)))
  (core instance $d (instantiate $d (with "" (instance (export "tick" (func $tick))))))
  (type $r (resource (rep i32) (dtor (core func $d "gone"))))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (memory 16)
    (func (export "make") (result i32)
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576))
      (call $new (i32.const 1)))
    (func (export "take") (param i32) (call $drop (local.get 0)))
    (func (export "spin") (param i32) (result i32) (local i32)
      (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))
      (if (i32.eq (local.get 0) (i32.const 77)) (then
        (local.set 1 (i32.const 600000000))
        (loop $l
          (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
          (br_if $l (local.get 1)))))
      (local.get 0)))
  (core instance $i (instantiate $m (with "" (instance
    (export "new" (func $new)) (export "drop" (func $drop))))))
  (component $c
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (result (own $r))))
    (import "take" (func $take (param "x" (own $r))))
    (import "spin" (func $spin (param "n" u32) (result u32)))
    (export $t "thing" (type $r))
    (export "make" (func $make) (func (result (own $t))))
    (export "take" (func $take) (func (param "x" (own $t))))
    (export "spin" (func $spin)))
  (func $make (result (own $r)) (canon lift (core func $i "make")))
  (func $take (param "x" (own $r)) (canon lift (core func $i "take")))
  (func $spin (param "n" u32) (result u32) (canon lift (core func $i "spin")))
  (instance $out (instantiate $c (with "r" (type $r)) (with "make" (func $make))
    (with "take" (func $take)) (with "spin" (func $spin))))
  (export "a:b/shop@1.0.0" (instance $out)))"#;

/// Makes three things: one is kept, one dropped and one given back.
const VISITOR: &str = r#"(component
  (import "a:b/tally@1.0.0" (instance $tally (export "tick" (func))))
  (import "a:b/shop@1.0.0" (instance $in
    (export "thing" (type $t (sub resource)))
    (export "make" (func (result (own $t))))
    (export "take" (func (param "x" (own $t))))))
  (alias export $in "thing" (type $t))
  (core func $make (canon lower (func $in "make")))
  (core func $take (canon lower (func $in "take")))
  (core func $drop (canon resource.drop $t))
  (core module $m
    (import "" "make" (func $make (result i32)))
    (import "" "take" (func $take (param i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "run") (result i32)
      (drop (call $make))
      (call $drop (call $make))
      (call $take (call $make))
      (i32.const 3)))
  (core instance $i (instantiate $m (with "" (instance
    (export "make" (func $make)) (export "take" (func $take)) (export "drop" (func $drop))))))
  (func $run (result u32) (canon lift (core func $i "run")))
  (instance $out (export "run" (func $run)))
  (export "a:b/app@1.0.0" (instance $out)))"#;

struct Town {
    pool: Pool,
    tally: Tally,
    tokens: Vec<Token>,
    shop: App,
    visitor: App,
}

impl Town {
    fn new() -> Self {
        let pool = Den::new(&[WIT]).pool;
        let admit = |name, text| pool.admit(name, &wat::parse_str(text).unwrap()).unwrap();
        let tally = Tally::default();
        let provider: Arc<dyn Provider> = Arc::new(tally.clone());
        Self {
            shop: admit("shop", SHOP),
            visitor: admit("visitor", VISITOR),
            tokens: Token::all(&provider),
            tally,
            pool,
        }
    }

    async fn keep(&self, app: &App, wired: &[Token]) -> Resident {
        let tokens: Vec<_> = self.tokens.iter().chain(wired).cloned().collect();
        let kept = self.pool.keep(app.name(), app, &tokens, account(4 * MIB));
        kept.await.unwrap()
    }

    async fn call(&self, token: &Token, function: &str, with: &[Value]) -> Result<Value, Error> {
        let grant = Grant::default();
        let mut answer = self.pool.call(token, function, with, grant).await?;
        Ok(answer.remove(0))
    }

    fn stores(&self) -> usize {
        Arc::strong_count(&self.tally.stores) - 1 - self.tokens.len()
    }

    /// Everything that can be done to residents, until none is left. Whoever
    /// gives up leaves some work to be ended.
    async fn round(&self, gives_up: bool) {
        let (shop, other) = tokio::join!(self.keep(&self.shop, &[]), self.keep(&self.shop, &[]));
        let membrane = Membrane::new("visitors");
        let (open, all) = (&shop.tokens()[0], ["make", "take", "spin"]);
        let guarded = around(&membrane, open, &all).unwrap();
        let visitor = self.keep(&self.visitor, &shop.tokens()).await;
        let guest = self
            .keep(&self.visitor, std::slice::from_ref(&guarded))
            .await;
        assert_eq!(self.stores(), 4);
        for of in [&visitor, &guest] {
            let done = self.call(&of.tokens()[0], "run", &[]).await;
            assert_eq!(done.unwrap(), Value::U32(3));
        }
        // The embedder holds some as well: one goes at once, one after the shop.
        let held = self.call(open, "make", &[]).await.unwrap();
        drop(self.call(open, "make", &[]).await.unwrap());
        // One is poisoned, one replaced; with one, calls are in flight.
        let poisoned = self
            .call(&other.tokens()[0], "spin", &[Value::U32(13)])
            .await;
        poisoned.unwrap_err();
        let mut tokens = self.tokens.clone();
        tokens.push(guarded.clone());
        let replaced = self.pool.replace(&guest, &self.visitor, &tokens).await;
        replaced.unwrap();
        membrane.advance();
        let revoked = self.call(&guarded, "make", &[]).await.unwrap_err();
        assert!(matches!(revoked, Error::Revoked(_)), "{revoked}");
        if gives_up {
            let grant = Grant {
                deadline: Duration::from_millis(1),
                ..Grant::default()
            };
            let long = [Value::U32(77)];
            let given_up = self.pool.call(open, "spin", &long, grant);
            given_up.await.unwrap_err();
        }
        for (of, dependants) in [(&guest, 0), (&shop, 1), (&visitor, 0), (&other, 0)] {
            match self.pool.tear_down(of).await {
                Ok(()) => assert_eq!(dependants, 0),
                Err(Error::Needed { dependants: of, .. }) => assert_eq!(of.len(), dependants),
                Err(error) => panic!("{error}"),
            }
        }
        self.pool.tear_down(&shop).await.unwrap();
        assert_eq!((self.stores(), self.pool.resident_count()), (0, 0));
        drop(held);
    }
}

#[tokio::test]
async fn after_a_thousand_rounds_nothing_is_left() {
    let town = Town::new();
    let mut before = 0;
    for round in 0..1_000 {
        town.round(round % 100 == 0).await;
        if round == 99 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * MIB, "the host has grown by {grown} bytes");
    // Of two visitors each round, two things each were dropped before the shop
    // was gone; of one the third was left in the store that was replaced.
    let dropped = town.tally.drops.load(Ordering::Relaxed);
    assert!(dropped >= 4_000, "{dropped}");
}

#[tokio::test]
async fn what_a_visitor_has_dropped_is_in_no_table_any_more() {
    let town = Town::new();
    let shop = town.keep(&town.shop, &[]).await;
    let open = &shop.tokens()[0];
    for _ in 0..10 {
        let thing = [town.call(open, "make", &[]).await.unwrap()];
        let taken = town.pool.call(open, "take", &thing, Grant::default());
        assert_eq!(taken.await.unwrap(), []);
        drop(town.call(open, "make", &[]).await.unwrap());
    }
    town.call(open, "spin", &[Value::U32(1)]).await.unwrap();
    assert_eq!(town.tally.drops.load(Ordering::Relaxed), 20);
    town.pool.tear_down(&shop).await.unwrap();
}

#[tokio::test]
async fn a_call_in_flight_ends_before_its_callee_and_those_behind_it_never_begin() {
    let fixture = Fixture::new();
    let counter = fixture.counter().await;
    let call = |n| fixture.call(&counter, "add", n);
    let (first, second, down) = tokio::join!(call(77), call(1), fixture.pool.tear_down(&counter));
    assert_eq!(first.unwrap(), Value::U32(77));
    let told = second.unwrap_err().to_string();
    assert_eq!(told, "counter has been torn down");
    down.unwrap();
    let error = fixture.call(&counter, "add", 1).await.unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    let again = fixture.pool.replace(&counter, &fixture.counter, &[]).await;
    assert!(matches!(again, Err(Error::Gone { .. })), "{again:?}");
    fixture.pool.tear_down(&counter).await.unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_end_keeps_its_callee_until_its_budget_is_over() {
    let fixture = Fixture::new();
    let limit = Duration::from_millis(200);
    let account = Account {
        budget: Budget::default().with_deadline(Some(limit)),
        ..Account::default()
    };
    let kept = fixture.pool.keep("counter", &fixture.counter, &[], account);
    let counter = kept.await.unwrap();
    let (spinning, down) = tokio::join!(
        fixture.call(&counter, "add", 99),
        fixture.pool.tear_down(&counter)
    );
    let told = spinning.unwrap_err().to_string();
    assert!(told.contains("not finished within 200 ms"), "{told}");
    down.unwrap();
}
