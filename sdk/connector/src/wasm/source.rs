//! The exported source.

use std::any::Any;
use std::marker::PhantomData;

use crate::config::Config;
use crate::emitter::{Committed, Emitter};
use crate::outlet::Outlet;
use crate::wasm::{Sending, items, types};
use crate::{Source, drive};

#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/vesicle-connector",
        world: "source-component",
        pub_export_macro: true,
        export_macro_name: "export_source_component",
        default_bindings_module: "vesicle_connector::wasm::source::bindings",
    });
}

use bindings::exports::vesicle::connector::source as wit;
use bindings::{wit_future, wit_stream};

/// A source as the component's exports.
pub struct Exported<S>(PhantomData<S>);

/// What stays open while a plan is read.
pub struct Held {
    _value: Option<Box<dyn Any>>,
}

impl wit::GuestHold for Held {}

impl<S: Source> wit::Guest for Exported<S> {
    type Hold = Held;

    fn spec() -> wit::ConnectorSpec {
        let mut spec = S::spec();
        spec.takes.clear();
        spec.into()
    }

    async fn check(config: String) -> Result<(), wit::Error> {
        open::<S>(&config)?.check().await.map_err(Into::into)
    }

    async fn discover(config: String) -> Result<Vec<wit::StreamInfo>, wit::Error> {
        let streams = open::<S>(&config)?.discover().await?;
        streams.into_iter().map(stream_info).collect()
    }

    async fn plan(
        config: String,
        request: wit::StreamRequest,
    ) -> Result<wit::ReadPlan, wit::Error> {
        let plan = open::<S>(&config)?.plan(&request.into()).await?;
        Ok(wit::ReadPlan {
            schema: crate::encode_schema(&plan.schema)?,
            hold: wit::Hold::new(Held { _value: plan.hold }),
            snapshot: plan.snapshot,
            format: plan.format.into(),
            partitions: plan.partitions.into_iter().map(Into::into).collect(),
        })
    }

    async fn read(
        config: String,
        request: wit::StreamRequest,
        partition: wit::Partition,
        cursor: Option<String>,
        committed: wit_bindgen::StreamReader<String>,
    ) -> Result<
        (
            wit_bindgen::StreamReader<wit::Frame>,
            wit_bindgen::FutureReader<Result<(), wit::Error>>,
        ),
        wit::Error,
    > {
        let source = open::<S>(&config)?;
        let (writer, frames) = wit_stream::new();
        let (outcome, outcome_reader) = wit_future::new(types::unfinished);
        let out = Emitter::new(
            Outlet::new(Sending {
                writer,
                convert: types::frame_out,
            }),
            Committed::new(items(committed, std::convert::identity)),
        );
        wit_bindgen::spawn_local(async move {
            let reading =
                drive::source::read(source, request.into(), partition.into(), cursor, out);
            let result = reading.await.map_err(Into::into);
            // Whoever does not wait for the outcome does not want it.
            let _ = outcome.write(result).await;
        });
        Ok((frames, outcome_reader))
    }
}

fn open<S: Source>(config: &str) -> crate::Result<S> {
    S::open(Config::from_json(config, &S::spec())?)
}

fn stream_info(stream: crate::StreamInfo) -> Result<wit::StreamInfo, wit::Error> {
    Ok(wit::StreamInfo {
        schema: crate::encode_schema(&stream.schema)?,
        name: stream.name,
        key: stream.key,
        sync_modes: stream.sync_modes.into_iter().map(Into::into).collect(),
        estimate: stream.estimate.into(),
    })
}

impl From<wit::StreamRequest> for crate::StreamRequest {
    fn from(request: wit::StreamRequest) -> Self {
        Self {
            pipeline: request.pipeline,
            name: request.name,
            sync_mode: request.sync_mode.into(),
            cursor_field: request.cursor_field,
            tie_breaker_field: request.tie_breaker_field,
            primary_key: request.primary_key,
            columns: request.columns,
            partition_key: request.partition_key,
            parallelism: request.parallelism.max(1),
            accepts: request.accepts.into_iter().map(Into::into).collect(),
            rejects: request.rejects,
        }
    }
}

impl From<wit::Partition> for crate::Partition {
    fn from(partition: wit::Partition) -> Self {
        Self {
            id: partition.id,
            detail: partition.detail,
            estimate: partition.estimate.into(),
        }
    }
}

impl From<crate::Partition> for wit::Partition {
    fn from(partition: crate::Partition) -> Self {
        Self {
            id: partition.id,
            detail: partition.detail,
            estimate: partition.estimate.into(),
        }
    }
}
