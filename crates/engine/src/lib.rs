//! A component, a store, a budget.
//!
//! This crate is the only one that configures wasmtime. It compiles components
//! for one of two [profiles](Profile), keeps the compiled code in a cache on
//! disk, and makes [stores](Store) whose guests hold nothing: a WASI context
//! without grants, a limit on memory, and a deadline that counts waiting.
//!
//! ```
//! use vesicle_engine::{Budget, Engines, Kind, Store};
//!
//! # fn main() -> Result<(), vesicle_engine::Error> {
//! let engines = Engines::new(vesicle_engine::Config::default())?;
//! let compiled = engines.compile(Kind::CALL, b"(component)")?;
//! let store = Store::new(&compiled, Budget::default());
//! assert_eq!(store.memory_in_use(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - Compiled code is loaded from the cache folder and nowhere else, and the
//!   folder belongs to this user alone.
//! - A guest cannot hold more bytes, over all its memories and tables, than
//!   its budget says.
//! - A guest that computes gives way at every tick of the epoch; the thread
//!   that ticks sleeps while no guest runs.
#![deny(missing_docs)]

mod budget;
mod cache;
mod compilers;
mod deadline;
mod engines;
mod error;
mod limiter;
mod meter;
mod profile;
mod purse;
mod store;
mod ticker;

pub use budget::Budget;
pub use deadline::within;
pub use engines::{Compiled, Config, Engines};
pub use error::{Error, Malformed, Raised, Trap};
pub use meter::{Fuel, WhenEmpty};
pub use profile::{Allocation, Kind, Profile};
pub use purse::{Amounts, Purse};
pub use store::{Extensions, State, Store};
pub use wasmtime;
pub use wasmtime_wasi;

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;
