//! A small HTTP server to which anybody uploads apps: the pool, embedded.
//!
//! An app is a component that implements `isoserver:app/handler`
//! (`wit/app.wit`). The server admits it to a [pool](vesicle_pool::Pool), wires
//! it to a store and a clock, or to apps that are there already, and calls it
//! once for each request, with fuel and a deadline. The pool knows nothing of
//! HTTP; this crate knows nothing of WebAssembly.
//!
//! | module | what it holds |
//! |---|---|
//! | `bindings` | what is generated from the WIT, for apps and for what they import |
//! | `store`, `clock` | what the host implements: providers of the pool |
//! | `apps`, `hosted` | the apps that there are, and what is done with one |
//! | `routes`, `exchange`, `error` | HTTP on this side of all that |
//!
//! # Invariants
//!
//! - An app reaches nothing but what its upload named: its store, the clock,
//!   WASI that lets nothing through, and the apps that it was wired to.
//! - Whatever an app does, a request ends within its deadline, and what it takes
//!   of the server, in memory and in stores, is bounded.
//! - An app that has failed is a fresh instance at its next request.
#![deny(missing_docs)]

mod apps;
mod bindings;
mod clock;
mod error;
mod exchange;
mod hosted;
mod limits;
mod routes;
mod store;

use std::sync::Arc;

use tokio::net::TcpListener;

pub use apps::{Apps, Uploaded, Wiring};
pub use bindings::{Request, Response};
pub use error::Error;
pub use hosted::{Answer, Listed};
pub use limits::Limits;
pub use routes::router;

/// The result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Serves until the listener fails, which it does not.
///
/// # Errors
///
/// What the listener says.
pub async fn serve(listener: TcpListener, apps: Arc<Apps>) -> std::io::Result<()> {
    axum::serve(listener, router(apps)).await
}
