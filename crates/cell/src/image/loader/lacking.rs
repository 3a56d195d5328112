//! What stands in the place of a loader that something is missing for.

use async_trait::async_trait;

use super::{Ipfs, LoadError, Loader, Oci};
use crate::image::Layer;

/// Knows the references of a loader, and says of each what is missing.
pub struct Lacking {
    form: &'static str,
    claims: fn(&str) -> bool,
    reason: String,
}

impl Lacking {
    /// In the place of [`Ipfs`]; the reason says what to do.
    #[must_use]
    pub fn ipfs(reason: impl Into<String>) -> Self {
        Self {
            form: Ipfs::FORM,
            claims: Ipfs::knows,
            reason: reason.into(),
        }
    }

    /// In the place of [`Oci`]; the reason says what to do.
    #[must_use]
    pub fn oci(reason: impl Into<String>) -> Self {
        Self {
            form: Oci::FORM,
            claims: Oci::knows,
            reason: reason.into(),
        }
    }
}

#[async_trait]
impl Loader for Lacking {
    fn form(&self) -> &str {
        self.form
    }

    fn claims(&self, reference: &str) -> bool {
        (self.claims)(reference)
    }

    async fn load(&self, reference: &str) -> Result<Layer, LoadError> {
        Err(LoadError::failed(reference, &self.reason))
    }
}
