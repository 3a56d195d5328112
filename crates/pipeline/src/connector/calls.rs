//! Calls that answer at once: spec, check, discover, plan, begin, finish, abort.
//!
//! Each has the connector's idle timeout as its deadline; streams are the
//! business of [`super::stages`].

use std::time::Duration;

use vesicle_engine::{Budget, State};
use vesicle_pool::{Instance, Wired};
use wasmtime::component::Accessor;

use super::bindings::destination::DestinationComponent;
use super::bindings::source::SourceComponent;
use super::bindings::transform::TransformComponent;
use super::bindings::types::{Error as GuestError, Spec};
use super::bindings::{Load, LoadRequest, ReadPlan, StreamInfo, StreamRequest, Summary};
use super::limits::sound_plan;
use super::{Connector, Failure, Role};

/// How long a component may take to say what it is, which needs no work.
const SPEC_DEADLINE: Duration = Duration::from_secs(10);

type Answer<T> = wasmtime::Result<Result<T, GuestError>>;

/// Runs one call in an instance.
async fn call<B: Send + Sync, T: Send>(
    connector: &Connector,
    instance: &mut Instance,
    bind: fn(&mut wasmtime::Store<State>, &wasmtime::component::Instance) -> wasmtime::Result<B>,
    call: impl AsyncFnOnce(&Accessor<State>, B) -> Answer<T>,
) -> Result<T, Failure> {
    let exports = instance.exports;
    instance
        .store
        .run(async |store| {
            let bindings = bind(store, &exports)?;
            store
                .run_concurrent(async |accessor| call(accessor, bindings).await)
                .await?
        })
        .await
        .map_err(|error| connector.failure(&error))?
        .map_err(Failure::from)
}

async fn instance(connector: &Connector) -> Result<Instance, Failure> {
    connector
        .wired
        .instantiate(connector.budget.with_deadline(Some(connector.idle_timeout)))
        .await
        .map_err(|error| connector.pool_failure(&error))
}

/// Asks a component what it is.
///
/// # Errors
///
/// Whatever stopped it; the caller has no [`Connector`] yet.
pub async fn spec_of(wired: &Wired, role: Role, budget: Budget) -> vesicle_pool::Result<Spec> {
    let budget = budget.with_deadline(Some(SPEC_DEADLINE));
    let mut instance = wired.instantiate(budget).await?;
    let exports = instance.exports;
    let spec = instance
        .store
        .run(async |store| match role {
            Role::Source => {
                let bindings = SourceComponent::new(&mut *store, &exports)?;
                store
                    .run_concurrent(async |accessor| {
                        bindings
                            .vesicle_connector_source()
                            .call_spec(accessor)
                            .await
                    })
                    .await?
            }
            Role::Transform => {
                let bindings = TransformComponent::new(&mut *store, &exports)?;
                store
                    .run_concurrent(async |accessor| {
                        bindings
                            .vesicle_connector_transform()
                            .call_spec(accessor)
                            .await
                    })
                    .await?
            }
            Role::Destination => {
                let bindings = DestinationComponent::new(&mut *store, &exports)?;
                store
                    .run_concurrent(async |accessor| {
                        bindings
                            .vesicle_connector_destination()
                            .call_spec(accessor)
                            .await
                    })
                    .await?
            }
        })
        .await?;
    Ok(spec)
}

/// The calls of a source.
pub struct SourceCalls<'a>(pub &'a Connector);

/// A plan, and the instance that holds what must stay open while it is read.
pub struct HeldPlan {
    /// The plan.
    pub plan: ReadPlan,
    _instance: Instance,
}

fn bind_source(
    store: &mut wasmtime::Store<State>,
    exports: &wasmtime::component::Instance,
) -> wasmtime::Result<SourceComponent> {
    SourceComponent::new(store, exports)
}

impl SourceCalls<'_> {
    /// Whether the configuration works.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn check(&self) -> Result<(), Failure> {
        let mut instance = instance(self.0).await?;
        call(self.0, &mut instance, bind_source, async |accessor, b| {
            b.vesicle_connector_source()
                .call_check(accessor, self.0.config.clone())
                .await
        })
        .await
    }

    /// What can be read.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn discover(&self) -> Result<Vec<StreamInfo>, Failure> {
        let mut instance = instance(self.0).await?;
        call(self.0, &mut instance, bind_source, async |accessor, b| {
            b.vesicle_connector_source()
                .call_discover(accessor, self.0.config.clone())
                .await
        })
        .await
    }

    /// How a stream is read.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn plan(&self, request: &StreamRequest) -> Result<HeldPlan, Failure> {
        let mut instance = instance(self.0).await?;
        let plan = call(self.0, &mut instance, bind_source, async |accessor, b| {
            b.vesicle_connector_source()
                .call_plan(accessor, self.0.config.clone(), request.clone())
                .await
        })
        .await?;
        Ok(HeldPlan {
            plan: sound_plan(plan, &request.accepts)?,
            _instance: instance,
        })
    }
}

/// The calls of a transform.
pub struct TransformCalls<'a>(pub &'a Connector);

fn bind_transform(
    store: &mut wasmtime::Store<State>,
    exports: &wasmtime::component::Instance,
) -> wasmtime::Result<TransformComponent> {
    TransformComponent::new(store, exports)
}

impl TransformCalls<'_> {
    /// The schema that comes out for the one that goes in.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn plan(&self, stream: &str, schema: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut instance = instance(self.0).await?;
        call(
            self.0,
            &mut instance,
            bind_transform,
            async |accessor, b| {
                b.vesicle_connector_transform()
                    .call_plan(
                        accessor,
                        self.0.config.clone(),
                        stream.to_owned(),
                        schema.to_vec(),
                    )
                    .await
            },
        )
        .await
    }
}

/// The calls of a destination.
pub struct DestinationCalls<'a>(pub &'a Connector);

fn bind_destination(
    store: &mut wasmtime::Store<State>,
    exports: &wasmtime::component::Instance,
) -> wasmtime::Result<DestinationComponent> {
    DestinationComponent::new(store, exports)
}

impl DestinationCalls<'_> {
    /// Whether the configuration works.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn check(&self) -> Result<(), Failure> {
        let mut instance = instance(self.0).await?;
        call(
            self.0,
            &mut instance,
            bind_destination,
            async |accessor, b| {
                b.vesicle_connector_destination()
                    .call_check(accessor, self.0.config.clone())
                    .await
            },
        )
        .await
    }

    /// Begins a load, or goes on with one.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn begin(&self, request: &LoadRequest) -> Result<Load, Failure> {
        let mut instance = instance(self.0).await?;
        call(
            self.0,
            &mut instance,
            bind_destination,
            async |accessor, b| {
                b.vesicle_connector_destination()
                    .call_begin(accessor, self.0.config.clone(), request.clone())
                    .await
            },
        )
        .await
    }

    /// Publishes a load.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn finish(&self, load: &Load) -> Result<Summary, Failure> {
        let mut instance = instance(self.0).await?;
        call(
            self.0,
            &mut instance,
            bind_destination,
            async |accessor, b| {
                b.vesicle_connector_destination()
                    .call_finish(accessor, self.0.config.clone(), load.clone())
                    .await
            },
        )
        .await
    }

    /// Discards a load.
    ///
    /// # Errors
    ///
    /// The connector's.
    pub async fn abort(&self, load: &Load) -> Result<(), Failure> {
        let mut instance = instance(self.0).await?;
        call(
            self.0,
            &mut instance,
            bind_destination,
            async |accessor, b| {
                b.vesicle_connector_destination()
                    .call_abort(accessor, self.0.config.clone(), load.clone())
                    .await
            },
        )
        .await
    }
}
