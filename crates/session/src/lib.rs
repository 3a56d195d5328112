//! Authenticated sessions with servers, for guests that know no password.
//!
//! A guest speaks the PostgreSQL protocol to what it takes for a server that
//! asks for nothing. The host dials the real one, does TLS, signs in, and from
//! then on passes bytes:
//!
//! ```no_run
//! # async fn example(guest: tokio::io::DuplexStream) -> Result<(), vesicle_session::Error> {
//! use vesicle_session::{Endpoint, Postgres, Secret};
//!
//! let endpoint = Endpoint {
//!     host: "db.example.com".to_owned(),
//!     port: 5432,
//!     addresses: vec!["192.0.2.7:5432".parse().expect("an address")],
//! };
//! let postgres = Postgres {
//!     password: Some(Secret::from("open sesame".to_owned())),
//!     ..Postgres::new(endpoint, "reader")
//! };
//! let session = postgres.open().await?; // dialled, TLS done
//! let traffic = session.serve(guest).await?; // signed in, used, ended
//! println!("{} bytes came back", traffic.to_guest);
//! # Ok(())
//! # }
//! ```
//!
//! What holds whatever guest and server do:
//!
//! - The guest never gets the password or anything made from it, and is the
//!   user it was granted to be. Databases and settings are its own choice: what
//!   it may touch, the server decides.
//! - No error, `Debug` or log has anything of the password. This crate logs nothing.
//! - Until the guest is signed in, all that either side sends is bounded in
//!   bytes and in time.

#![deny(missing_docs)]

mod authentication;
mod certificate;
mod endpoint;
mod error;
mod gather;
mod message;
mod postgres;
mod relay;
mod secret;
mod session;
mod startup;
mod stream;
mod tls;

pub use endpoint::Endpoint;
pub use error::{Category, Error};
pub use postgres::Postgres;
pub use relay::Traffic;
pub use secret::Secret;
pub use session::Session;
pub use tls::{Tls, UnknownTls};
