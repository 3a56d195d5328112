//! What can go wrong in the pool.

use crate::structure::Difference;

/// An error of the pool. Names that come in fives are boxed, so that it stays
/// small enough for every result.
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
    /// A text is not WIT.
    #[error("this is not WIT: {reason}")]
    Wit {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A function cannot be called in another store.
    #[error(
        "{app} cannot be wired to {provider}: {function} of {interface} takes or gives {what}, \
         which stays in the store it is made in"
    )]
    Stuck {
        /// The component's name.
        app: Box<str>,
        /// What the provider is called.
        provider: Box<str>,
        /// The interface.
        interface: Box<str>,
        /// The function.
        function: Box<str>,
        /// What cannot cross.
        what: Box<str>,
    },
    /// A metered app would have others work for it that are not metered.
    #[error(
        "{app} is metered and {provider} is not, so what it calls there would cost nothing; \
         admit the app of {provider} as metered"
    )]
    Unmetered {
        /// The app.
        app: String,
        /// The instance that it was to be wired to.
        provider: String,
    },
    /// An instance does not export what is asked of it.
    #[error(
        "{instance} does not export {what}; it exports {}",
        or_nothing(exports)
    )]
    NotExported {
        /// The instance, or the app.
        instance: String,
        /// An interface, or a function.
        what: String,
        /// The functions that it does export.
        exports: Vec<String>,
    },
    /// What a function is called with is not what it takes.
    #[error("{instance} is called with what it does not take: {difference}")]
    Arguments {
        /// The instance.
        instance: String,
        /// Where an argument differs.
        difference: Box<Difference>,
    },
    /// A token's provider is no instance, so there is nothing to call.
    #[error("{provider} is a part of the host; only instances can be called")]
    NotCallable {
        /// What the provider is called.
        provider: String,
    },
    /// A membrane shows only a part of the instance.
    #[error("{instance} is behind a membrane; call its functions one by one")]
    Guarded {
        /// The instance.
        instance: String,
    },
    /// Calls go round in a circle, which would never end.
    #[error("a call that would wait for itself: {}", chain.join(" calls "))]
    Cycle {
        /// The instances, from the caller over the one that it calls to itself.
        chain: Vec<String>,
    },
    /// A call did not return.
    #[error("{function} of {instance} failed: {error}")]
    Failed {
        /// The instance.
        instance: String,
        /// The interface and the function.
        function: String,
        /// Why.
        error: Box<Error>,
    },
    /// A call before did not return, and the instance has not been replaced.
    #[error("{instance} cannot be called any more, since a call before has failed: {reason}")]
    Poisoned {
        /// The instance.
        instance: String,
        /// Why that call failed.
        reason: String,
    },
    /// The instance was torn down.
    #[error("{instance} has been torn down")]
    Gone {
        /// The instance.
        instance: String,
    },
    /// A resource was handed over, and is used by whoever had it before.
    #[error("a resource of {home} was handed over, and cannot be used any more by who had it")]
    HandedOver {
        /// The instance that it is of.
        home: String,
    },
    /// A resource is of an instance that has been replaced.
    #[error("a resource of {home} went with the instance that it was of, which has been replaced")]
    Left {
        /// The resident that it is of.
        home: String,
    },
    /// A resource that belongs to no call.
    #[error("a resource is not where it should be; please report this")]
    Astray,
    /// Interfaces that share a resource are given from different instances.
    #[error(
        "{app} needs {resource} from one instance, and would have it from {one} and from {other}; \
         wire all that use it to the same"
    )]
    Split {
        /// The component's name.
        app: Box<str>,
        /// The resource, and the interface that defines it.
        resource: Box<str>,
        /// Where it would be from.
        one: Box<str>,
        /// Where else.
        other: Box<str>,
    },
    /// Others are wired to the instance.
    #[error("{instance} cannot be torn down before {}", dependants.join(", "))]
    Needed {
        /// The instance.
        instance: String,
        /// Those that are wired to it.
        dependants: Vec<String>,
    },
    /// A provider could not prepare an instance.
    #[error("{provider} cannot be provided: {reason}")]
    Provider {
        /// What the provider is called.
        provider: String,
        /// Why not.
        reason: String,
    },
    /// What was called has been taken back.
    #[error(transparent)]
    Revoked(#[from] vesicle_membrane::Revoked),
    /// Something is not the name of an interface.
    #[error(transparent)]
    Name(#[from] crate::name::BadName),
    /// The engine's own error.
    #[error(transparent)]
    Engine(#[from] vesicle_engine::Error),
}

impl Error {
    /// Where it began: of a call that failed since another failed, and so on
    /// through all instances on its way, the error of the last one.
    ///
    /// ```
    /// # use vesicle_pool::{Error, engine};
    /// # fn answer(error: &Error) -> u16 {
    /// match error.origin() {
    ///     Error::Engine(engine::Error::Fuel | engine::Error::Deadline { .. }) => 503,
    ///     _ => 502,
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn origin(&self) -> &Self {
        let within = match self {
            Self::Failed { error, .. } => Some(&**error),
            Self::Engine(vesicle_engine::Error::Raised(raised)) => raised.get::<Self>(),
            _ => None,
        };
        within.map_or(self, Self::origin)
    }
}

fn or_nothing(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}
