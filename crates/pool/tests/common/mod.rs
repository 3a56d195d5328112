//! A pool with apps that count, and apps that pass calls on.

#![allow(dead_code)]

pub mod den;

use vesicle_engine::{Config, Engines};
use vesicle_pool::{
    Account, Admission, App, Error, Grant, Interface, Pool, Resident, Token, Value,
};

pub const WIT: &str = "
package a:b@1.0.0;
interface counter { add: func(n: u32) -> u32; try-add: func(n: u32) -> result<u32, string>; }
interface front { bump: func(n: u32) -> u32; try-bump: func(n: u32) -> result<u32, string>; }
";

/// Counts; fails at 13, takes long for 77, and never ends at 99.
pub const COUNTER: &str = r#"(component
  (core module $m
    (memory (export "memory") 1)
    (global $n (mut i32) (i32.const 0))
    (func $add (export "add") (param i32) (result i32) (local i32)
      (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))
      (if (i32.eq (local.get 0) (i32.const 99)) (then (loop $l (br $l))))
      (if (i32.eq (local.get 0) (i32.const 77)) (then
        (local.set 1 (i32.const 100000000))
        (loop $l
          (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
          (br_if $l (local.get 1)))))
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
pub struct Fixture {
    pub pool: Pool,
    pub counter: App,
    /// Takes a counter and gives a front.
    pub front: App,
    /// Takes a front and gives a counter.
    pub back: App,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(false)
    }

    /// The same with apps that use fuel.
    pub fn metered() -> Self {
        Self::with(true)
    }

    fn with(metered: bool) -> Self {
        let pool = Pool::new(Engines::new(Config::default()).unwrap());
        for interface in Interface::from_wit(WIT).unwrap() {
            pool.declare(interface).unwrap();
        }
        let admit = |name: &str, text: &str| {
            let bytes = wat::parse_str(text).unwrap();
            let admission = Admission {
                metered,
                ..Admission::default()
            };
            pool.admit_as(name, &bytes, admission).unwrap()
        };
        Self {
            counter: admit("counter", COUNTER),
            front: admit("front", &forwarder(("counter", "add"), ("front", "bump"))),
            back: admit("back", &forwarder(("front", "bump"), ("counter", "add"))),
            pool,
        }
    }

    pub async fn counter(&self) -> Resident {
        self.keep("counter", &self.counter, &[]).await
    }

    pub async fn keep(&self, name: &str, app: &App, tokens: &[Token]) -> Resident {
        let account = Account::default();
        self.pool.keep(name, app, tokens, account).await.unwrap()
    }

    pub async fn call(&self, of: &Resident, function: &str, n: u32) -> Result<Value, Error> {
        let token = &of.tokens()[0];
        let arguments = [Value::U32(n)];
        let grant = Grant::default();
        let answer = self.pool.call(token, function, &arguments, grant).await?;
        Ok(answer.into_iter().next().unwrap())
    }
}
