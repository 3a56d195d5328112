//! What can go wrong in the pool.

use crate::structure::Difference;

/// An error of the pool.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not a component.
    #[error("not a component: {reason}")]
    NotAComponent {
        /// What they are instead.
        reason: String,
    },
    /// The manifest of a component cannot be read.
    #[error("the component's manifest cannot be read: {reason}")]
    Manifest {
        /// Why not.
        reason: String,
    },
    /// The component imports what nobody has declared.
    #[error("{app} imports what is not offered here: {}", imports.join(", "))]
    Undeclared {
        /// The component's name.
        app: String,
        /// Each missing import.
        imports: Vec<String>,
    },
    /// An import was given nothing.
    #[error("{app} needs {}, and was given nothing for it", imports.join(", "))]
    Unwired {
        /// The component's name.
        app: String,
        /// Each import without a provider.
        imports: Vec<String>,
    },
    /// An interface is declared under this name with another structure.
    #[error("{interface} is declared with another shape: {difference}")]
    Conflict {
        /// The interface.
        interface: String,
        /// Where they differ.
        difference: Box<Difference>,
    },
    /// What is imported and what is provided have different types.
    #[error("{app} and the provider of {interface} disagree: {difference}")]
    Mismatch {
        /// The component's name.
        app: String,
        /// The interface.
        interface: String,
        /// Where they differ.
        difference: Box<Difference>,
    },
    /// A provider could not prepare an instance.
    #[error("{provider} cannot be provided: {reason}")]
    Provider {
        /// What the provider is called.
        provider: String,
        /// Why not.
        reason: String,
    },
    /// Something is not the name of an interface.
    #[error(transparent)]
    Name(#[from] crate::name::BadName),
    /// The engine's own error.
    #[error(transparent)]
    Engine(#[from] vesicle_engine::Error),
}
