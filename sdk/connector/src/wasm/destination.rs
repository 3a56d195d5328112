//! The exported destination.

use std::marker::PhantomData;

use futures::StreamExt;

use crate::config::Config;
use crate::outlet::Outlet;
use crate::wasm::{Sending, items, types};
use crate::{Destination, drive};

#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/vesicle-connector",
        world: "destination-component",
        pub_export_macro: true,
        export_macro_name: "export_destination_component",
        default_bindings_module: "vesicle_connector::wasm::destination::bindings",
        with: {
            "vesicle:connector/types@0.1.0":
                crate::wasm::source::bindings::vesicle::connector::types,
        },
    });
}

use bindings::exports::vesicle::connector::destination as wit;
use bindings::{wit_future, wit_stream};

/// A destination as the component's exports.
pub struct Exported<D>(PhantomData<D>);

impl<D: Destination> wit::Guest for Exported<D> {
    fn spec() -> wit::ConnectorSpec {
        let mut spec = D::spec();
        spec.emits.clear();
        spec.into()
    }

    async fn check(config: String) -> Result<(), wit::Error> {
        open::<D>(&config)?.check().await.map_err(Into::into)
    }

    async fn begin(config: String, request: wit::LoadRequest) -> Result<wit::Load, wit::Error> {
        let request = load_request(request)?;
        Ok(open::<D>(&config)?.begin(&request).await?.into())
    }

    async fn write(
        config: String,
        load: wit::Load,
        partition: String,
        frames: wit_bindgen::StreamReader<wit::Frame>,
    ) -> Result<
        (
            wit_bindgen::StreamReader<wit::Event>,
            wit_bindgen::FutureReader<Result<(), wit::Error>>,
        ),
        wit::Error,
    > {
        let writer = open::<D>(&config)?.writer(&load.into(), &partition).await?;
        let (sender, events) = wit_stream::new();
        let (outcome, outcome_reader) = wit_future::new(types::unfinished);
        let sender = Outlet::new(Sending {
            writer: sender,
            convert: event_out,
        });
        let input = items(frames, types::frame_in).boxed_local();
        wit_bindgen::spawn_local(async move {
            let writing = drive::destination::write(writer, input, sender);
            let result = writing.await.map_err(Into::into);
            // Whoever does not wait for the outcome does not want it.
            let _ = outcome.write(result).await;
        });
        Ok((events, outcome_reader))
    }

    async fn finish(config: String, load: wit::Load) -> Result<wit::Summary, wit::Error> {
        let summary = open::<D>(&config)?.finish(&load.into()).await?;
        Ok(wit::Summary {
            rows: summary.rows,
            bytes: summary.bytes,
            places: summary.places,
        })
    }

    async fn abort(config: String, load: wit::Load) -> Result<(), wit::Error> {
        open::<D>(&config)?
            .abort(&load.into())
            .await
            .map_err(Into::into)
    }
}

fn open<D: Destination>(config: &str) -> crate::Result<D> {
    D::open(Config::from_json(config, &D::spec())?)
}

fn load_request(request: wit::LoadRequest) -> crate::Result<crate::LoadRequest> {
    Ok(crate::LoadRequest {
        pipeline: request.pipeline,
        stream_name: request.stream_name,
        run: request.run,
        write_mode: request.write_mode.into(),
        sync_mode: request.sync_mode.into(),
        primary_key: request.primary_key,
        schema: crate::decode_schema(&request.schema)?,
        snapshot: request.snapshot,
        fresh: request.fresh,
        rejects: request.rejects,
        evolution: crate::Evolution {
            new_column: request.evolution.new_column.into(),
            removed_column: request.evolution.removed_column.into(),
            type_change: request.evolution.type_change.into(),
            nullability: request.evolution.nullability.into(),
        },
        replay: request.replay,
        newer_by: request.newer_by,
    })
}

fn event_out(event: crate::Event) -> wit::Event {
    match event {
        crate::Event::Committed(receipt) => wit::Event::Committed(wit::Receipt {
            cursor: receipt.cursor,
            last: receipt.last,
            rows: receipt.rows,
            bytes: receipt.bytes,
        }),
        crate::Event::Rejects(rejects) => {
            wit::Event::Rejects(rejects.into_iter().map(Into::into).collect())
        }
    }
}

/// Conversions of enums whose cases have the same names.
macro_rules! same_cases {
    ($($name:ident { $($case:ident),* })*) => {
        $(impl From<wit::$name> for crate::$name {
            fn from(value: wit::$name) -> Self {
                match value { $(wit::$name::$case => Self::$case,)* }
            }
        })*
    };
}

same_cases! {
    NewColumn { Add, Ignore, Fail }
    RemovedColumn { Ignore, Fail }
    TypeChange { Coerce, Fail, Null }
    Nullability { Allow, Fail }
}

impl From<crate::Load> for wit::Load {
    fn from(load: crate::Load) -> Self {
        let cursors = load.cursors.into_iter();
        Self {
            run: load.run,
            complete: load.complete,
            snapshot: load.snapshot,
            cursors: cursors
                .map(|cursor| wit::PartitionCursor {
                    partition: cursor.partition,
                    cursor: cursor.cursor,
                    last: cursor.last,
                })
                .collect(),
            detail: load.detail,
        }
    }
}

impl From<wit::Load> for crate::Load {
    fn from(load: wit::Load) -> Self {
        let cursors = load.cursors.into_iter();
        Self {
            run: load.run,
            complete: load.complete,
            snapshot: load.snapshot,
            cursors: cursors
                .map(|cursor| crate::PartitionCursor {
                    partition: cursor.partition,
                    cursor: cursor.cursor,
                    last: cursor.last,
                })
                .collect(),
            detail: load.detail,
        }
    }
}
