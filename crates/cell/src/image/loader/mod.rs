//! From where layers come: each loader makes a folder of the host of a
//! reference.
//!
//! Invariants: what is fetched is shown as a layer only when it is whole and is
//! what its digest says; what it may cost in bytes, files and time is bounded.

mod cache;
mod chain;
mod fetch;
mod ipfs;
mod lacking;
mod oci;
mod path;

pub use cache::Cache;
pub use chain::Chain;
pub use fetch::Bounds;
pub use ipfs::Ipfs;
pub use lacking::Lacking;
pub use oci::Oci;
pub use path::HostPath;

use async_trait::async_trait;

use super::Layer;

/// Makes layers of references of one kind.
#[async_trait]
pub trait Loader: Send + Sync {
    /// What its references look like, for errors.
    fn form(&self) -> &str;

    /// Whether a reference looks like one of its.
    fn claims(&self, reference: &str) -> bool;

    /// The layer of a reference.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or it is not to be had.
    async fn load(&self, reference: &str) -> Result<Layer, LoadError>;
}

/// Why a layer cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A loader has failed.
    #[error("{reference}: {reason}")]
    Failed {
        /// What was to be loaded.
        reference: String,
        /// What happened, and what to do.
        reason: String,
    },
    /// No loader knows what a reference stands for.
    #[error("{reference}: no layer looks like that; one is {forms}")]
    Unknown {
        /// What was to be loaded.
        reference: String,
        /// What references look like.
        forms: String,
    },
    /// All loaders that know the reference have failed.
    #[error("{reference}: {}", reasons(.failures))]
    All {
        /// What was to be loaded.
        reference: String,
        /// Each loader's form, and why it failed.
        failures: Vec<(String, LoadError)>,
    },
}

impl LoadError {
    pub(super) fn failed(reference: &str, reason: impl std::fmt::Display) -> Self {
        Self::Failed {
            reference: reference.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The reason without the reference.
    fn reason(&self) -> String {
        match self {
            Self::Failed { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }
}

fn reasons(failures: &[(String, LoadError)]) -> String {
    let reason = |(form, error): &(String, LoadError)| format!("as {form}: {}", error.reason());
    failures.iter().map(reason).collect::<Vec<_>>().join("; ")
}
