//! Loaders, tried one after another.

use async_trait::async_trait;

use super::{LoadError, Loader};
use crate::image::Layer;

/// Loaders, of which the first that has a layer gives it.
#[derive(Default)]
pub struct Chain {
    loaders: Vec<Box<dyn Loader>>,
    form: String,
}

impl Chain {
    /// A chain without any loader.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a loader at its end.
    #[must_use]
    pub fn with(mut self, loader: impl Loader + 'static) -> Self {
        if !self.form.is_empty() {
            self.form.push_str(", or ");
        }
        self.form.push_str(loader.form());
        self.loaders.push(Box::new(loader));
        self
    }
}

#[async_trait]
impl Loader for Chain {
    fn form(&self) -> &str {
        &self.form
    }

    fn claims(&self, reference: &str) -> bool {
        self.loaders.iter().any(|loader| loader.claims(reference))
    }

    async fn load(&self, reference: &str) -> Result<Layer, LoadError> {
        let mut failures = Vec::new();
        for loader in self
            .loaders
            .iter()
            .filter(|loader| loader.claims(reference))
        {
            match loader.load(reference).await {
                Ok(layer) => return Ok(layer),
                Err(error) => failures.push((loader.form().to_owned(), error)),
            }
        }
        let reference = reference.to_owned();
        if failures.is_empty() {
            let forms = match self.form.as_str() {
                "" => "loaded by nothing here".to_owned(),
                form => form.to_owned(),
            };
            return Err(LoadError::Unknown { reference, forms });
        }
        Err(LoadError::All {
            reference,
            failures,
        })
    }
}
