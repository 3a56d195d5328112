//! What cells and their host say to each other.
//!
//! The schemas are `outcome.capnp`, `membrane.capnp` and `cell.capnp` beside this
//! crate's manifest, with what each call means; the code here is generated from
//! them and kept in the tree, so that nobody needs a schema compiler to build
//! it. `tests/current.rs` renews it.
//!
//! Invariant: a call of these interfaces that fails for a reason that a program
//! may want to know answers with an [`outcome_capnp::error`]; an exception of
//! Cap'n Proto means that the link is gone, or a capability that stood behind it.
#![deny(missing_docs)]

/// Answers, and errors that programs can tell apart.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated")]
pub mod outcome_capnp {
    include!("generated/outcome_capnp.rs");
}

/// Sessions that are handed out for an epoch.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated")]
pub mod membrane_capnp {
    include!("generated/membrane_capnp.rs");
}

/// What a cell is given.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated")]
pub mod cell_capnp {
    include!("generated/cell_capnp.rs");
}
