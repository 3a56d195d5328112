//! The connector's side of the component boundary: generated bindings, and the
//! conversions between their types and the SDK's.
//!
//! Invariant: payloads are moved, never copied.

pub mod destination;
pub mod source;
pub mod transform;
mod types;

use futures::future::LocalBoxFuture;
use futures::stream::{self, Stream};
use wit_bindgen::rt::async_support::{RawStreamReader, RawStreamWriter, StreamOps};

use crate::outlet::Writable;

/// The items of a component's stream, made into something of ours.
fn items<O: StreamOps + 'static, T>(
    reader: RawStreamReader<O>,
    convert: fn(O::Payload) -> T,
) -> impl Stream<Item = T> {
    stream::unfold(reader, move |mut reader| async move {
        let item = reader.next().await?;
        Some((convert(item), reader))
    })
}

/// A component's stream that takes something of ours.
struct Sending<O: StreamOps + 'static, T> {
    writer: RawStreamWriter<O>,
    convert: fn(T) -> O::Payload,
}

impl<O: StreamOps + 'static, T> Writable<T> for Sending<O, T> {
    fn write(&mut self, item: T) -> LocalBoxFuture<'_, bool> {
        let item = (self.convert)(item);
        Box::pin(async move { self.writer.write_one(item).await.is_none() })
    }
}
