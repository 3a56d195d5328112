//! Interfaces, apps, instances and the wiring between them.
//!
//! A [`Pool`] admits a component only if everything it imports has been
//! declared, and makes instances of it from exactly what it is given. WASI is
//! wired like any other interface; there is no ambient state.
//!
//! ```
//! use vesicle_pool::engine::{Config, Engines};
//! use vesicle_pool::{Error, Pool, wasi::Wasi};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::new(Engines::new(Config::default())?);
//! let needy = wat::parse_str(
//!     r#"(component (import "wasi:cli/exit@0.2.0" (instance
//!         (export "exit" (func (param "status" (result)))))))"#,
//! )?;
//!
//! // Nothing is declared, so it is not admitted.
//! let refused = pool.admit("needy", &needy).err().unwrap();
//! assert_eq!(
//!     refused.to_string(),
//!     "needy imports what is not offered here: wasi:cli/exit@0.2.0"
//! );
//!
//! for interface in Wasi::offered() {
//!     pool.declare(interface)?;
//! }
//! let app = pool.admit("needy", &needy)?;
//!
//! // Declared is not given: each instance has what it was wired with.
//! assert!(matches!(pool.wire(&app, &[]), Err(Error::Unwired { .. })));
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

mod account;
mod audit;
mod canonical;
mod entry;
mod error;
mod kinds;
mod link;
pub mod manifest;
pub mod membrane;
mod name;
mod outlive;
mod pool;
mod provider;
mod resident;
mod residents;
mod resource;
mod structure;
mod surface;
pub mod typed;
mod value;
mod waits;
pub mod wasi;
mod wiring;

pub use account::{Account, Grant};
pub use audit::{Access, Audit, Entry};
pub use error::Error;
pub use manifest::Manifest;
pub use name::{BadName, InterfaceName};
pub use pool::{Admission, App, Declared, Instance, Pool, Wired};
pub use provider::{Interface, Provider, Token};
pub use resident::{Function, Resident};
pub use resource::Resource;
pub use structure::{Difference, Structure};
pub use surface::Surface;
pub use typed::Typed;
pub use value::Value;
pub use vesicle_engine as engine;

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;
