//! What the examples wire together: a store that holds a number, and an app that
//! writes to a store and reads from it.

use vesicle_pool::engine::{Config, Engines};
use vesicle_pool::{Account, App, Grant, Interface, Pool, Resident, Result, Token, Value};

/// The interfaces, as anybody would write them down.
const WIT: &str = "
package example:shop@1.0.0;
interface store { put: func(value: u32); get: func() -> u32; }
interface desk { write: func(value: u32); read: func() -> u32; }
";

/// A component that exports `store`: the number is in its own memory.
const STORE: &str = r#"(component
  (core module $m
    (global $value (mut i32) (i32.const 0))
    (func (export "put") (param i32) (global.set $value (local.get 0)))
    (func (export "get") (result i32) (global.get $value)))
  (core instance $i (instantiate $m))
  (func $put (param "value" u32) (canon lift (core func $i "put")))
  (func $get (result u32) (canon lift (core func $i "get")))
  (instance $store (export "put" (func $put)) (export "get" (func $get)))
  (export "example:shop/store@1.0.0" (instance $store)))"#;

/// A component that imports `store`, whichever it is given, and exports `desk`.
const DESK: &str = r#"(component
  (import "example:shop/store@1.0.0" (instance $store
    (export "put" (func (param "value" u32)))
    (export "get" (func (result u32)))))
  (core func $put (canon lower (func $store "put")))
  (core func $get (canon lower (func $store "get")))
  (core module $m
    (import "store" "put" (func $put (param i32)))
    (import "store" "get" (func $get (result i32)))
    (func (export "write") (param i32) (call $put (local.get 0)))
    (func (export "read") (result i32) (call $get)))
  (core instance $i (instantiate $m (with "store" (instance
    (export "put" (func $put)) (export "get" (func $get))))))
  (func $write (param "value" u32) (canon lift (core func $i "write")))
  (func $read (result u32) (canon lift (core func $i "read")))
  (instance $desk (export "write" (func $write)) (export "read" (func $read)))
  (export "example:shop/desk@1.0.0" (instance $desk)))"#;

/// A pool that knows the interfaces, and the two apps. Nothing runs yet.
pub struct Shop {
    pub pool: Pool,
    pub store: App,
    pub desk: App,
}

impl Shop {
    pub fn open() -> Result<Self> {
        let pool = Pool::new(Engines::new(Config::default())?);
        for interface in Interface::from_wit(WIT)? {
            pool.declare(interface)?;
        }
        Ok(Self {
            store: pool.admit("store", &bytes(STORE))?,
            desk: pool.admit("desk", &bytes(DESK))?,
            pool,
        })
    }

    /// Makes an instance of an app, wired to what it is given.
    pub async fn keep(&self, name: &str, app: &App, tokens: &[Token]) -> Result<Resident> {
        self.pool.keep(name, app, tokens, Account::default()).await
    }

    pub async fn write(&self, desk: &Resident, value: u32) -> Result<()> {
        let token = desk.token("example:shop/desk@1.0.0")?;
        let values = [Value::U32(value)];
        let written = self.pool.call(&token, "write", &values, Grant::default());
        written.await?;
        println!("{} writes {value}", desk.name());
        Ok(())
    }

    pub async fn read(&self, desk: &Resident) -> Result<u32> {
        let token = desk.token("example:shop/desk@1.0.0")?;
        let read = self.pool.typed::<(), (u32,)>(&token, "read").await?;
        let (value,) = read.call((), Grant::default()).await?;
        println!("{} reads {value}", desk.name());
        Ok(value)
    }
}

fn bytes(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text above is a component")
}
