//! The exported transform.

use std::marker::PhantomData;

use futures::StreamExt;

use crate::config::Config;
use crate::emitter::{Committed, Emitter};
use crate::outlet::Outlet;
use crate::wasm::{Sending, items, types};
use crate::{Transform, drive};

#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/vesicle-connector",
        world: "transform-component",
        pub_export_macro: true,
        export_macro_name: "export_transform_component",
        default_bindings_module: "vesicle_connector::wasm::transform::bindings",
        with: {
            "vesicle:connector/types@0.1.0":
                crate::wasm::source::bindings::vesicle::connector::types,
        },
    });
}

use bindings::exports::vesicle::connector::transform as wit;
use bindings::{wit_future, wit_stream};

/// A transform as the component's exports.
pub struct Exported<T>(PhantomData<T>);

impl<T: Transform> wit::Guest for Exported<T> {
    fn spec() -> wit::ConnectorSpec {
        T::spec().into()
    }

    async fn plan(
        config: String,
        stream_name: String,
        schema: Vec<u8>,
    ) -> Result<Vec<u8>, wit::Error> {
        let input = crate::decode_schema(&schema)?;
        let output = open::<T>(&config)?.plan(&stream_name, &input)?;
        Ok(crate::encode_schema(&output)?)
    }

    async fn transform(
        config: String,
        stream_name: String,
        frames: wit_bindgen::StreamReader<wit::Frame>,
    ) -> Result<
        (
            wit_bindgen::StreamReader<wit::Frame>,
            wit_bindgen::FutureReader<Result<(), wit::Error>>,
        ),
        wit::Error,
    > {
        let transform = open::<T>(&config)?;
        let (writer, output) = wit_stream::new();
        let (outcome, outcome_reader) = wit_future::new(types::unfinished);
        let out = Emitter::new(
            Outlet::new(Sending {
                writer,
                convert: types::frame_out,
            }),
            Committed::none(),
        );
        let input = items(frames, types::frame_in).boxed_local();
        wit_bindgen::spawn_local(async move {
            let driving = drive::transform::transform(transform, stream_name, input, out);
            let result = driving.await.map_err(Into::into);
            // Whoever does not wait for the outcome does not want it.
            let _ = outcome.write(result).await;
        });
        Ok((output, outcome_reader))
    }
}

fn open<T: Transform>(config: &str) -> crate::Result<T> {
    T::open(Config::from_json(config, &T::spec())?)
}
