#![deny(missing_docs)]
//! Write sources, transforms and destinations for Vesicle.
//!
//! A connector is a crate that implements one trait, [`Source`], [`Transform`]
//! or [`Destination`], and exports it. Compiled for `wasm32-wasip2` it is a
//! component that the host runs in a sandbox; compiled natively it is a library
//! that [`testing`] and [`native`] run as it is. A source, complete, tested:
//!
//! ```
//! use std::sync::Arc;
//! use vesicle_connector::arrow_array::{Int64Array, RecordBatch};
//! use vesicle_connector::arrow_schema::{DataType, Field, Schema, SchemaRef};
//! use vesicle_connector::{
//!     Config, Cursor, Emitter, Error, Estimate, Opt, Partition, Plan, Result, Source, Spec,
//!     StreamInfo, StreamRequest, SyncMode,
//! };
//!
//! /// Counts from 1.
//! struct Counter {
//!     to: i64,
//! }
//!
//! fn schema() -> SchemaRef {
//!     Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
//! }
//!
//! impl Source for Counter {
//!     fn spec() -> Spec {
//!         Spec::new("source-counter", env!("CARGO_PKG_VERSION"), "Counts")
//!             .option(Opt::integer("to").default(10).doc("The last number"))
//!             .sync_modes(&[SyncMode::FullRefresh])
//!     }
//!
//!     fn open(config: Config) -> Result<Self> {
//!         Ok(Self { to: config.required("to")? })
//!     }
//!
//!     async fn discover(&self) -> Result<Vec<StreamInfo>> {
//!         Ok(vec![StreamInfo {
//!             name: "numbers".into(),
//!             schema: schema(),
//!             key: vec!["n".into()],
//!             sync_modes: vec![SyncMode::FullRefresh],
//!             estimate: Estimate { rows: Some(self.to as u64), bytes: None },
//!         }])
//!     }
//!
//!     async fn plan(&self, request: &StreamRequest) -> Result<Plan> {
//!         if request.name != "numbers" {
//!             let message = format!("there is no stream {:?}, only \"numbers\"", request.name);
//!             return Err(Error::not_found("no-such-stream", message));
//!         }
//!         let all = Partition::new("all", self.to.to_string());
//!         Ok(Plan::new(schema(), vec![all]).with_snapshot(format!("to-{}", self.to)))
//!     }
//!
//!     async fn read(
//!         &self,
//!         _request: &StreamRequest,
//!         partition: &Partition,
//!         cursor: Option<Cursor>,
//!         out: &mut Emitter,
//!     ) -> Result<()> {
//!         let bad = |_| Error::internal("bad-cursor", "not a number");
//!         let to: i64 = partition.detail.parse().map_err(bad)?;
//!         let mut done: i64 = cursor.unwrap_or_else(|| "0".into()).parse().map_err(bad)?;
//!         out.schema(&schema()).await?;
//!         while done < to {
//!             let next = (done + 4).min(to);
//!             let numbers = Int64Array::from_iter_values(done + 1..=next);
//!             let batch = RecordBatch::try_new(schema(), vec![Arc::new(numbers)])?;
//!             out.batch(batch, 8 * (next - done) as u64).await?;
//!             done = next;
//!             out.checkpoint(done.to_string()).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! vesicle_connector::export_source!(Counter);
//!
//! use serde_json::json;
//! use vesicle_connector::testing::{assert_resumable, block_on, read};
//!
//! let output = block_on(read::<Counter>(json!({ "to": 6 }), "numbers"))?;
//! assert_eq!(output.rows(), 6);
//! assert_eq!(output.checkpoints(), ["4", "6"]);
//! block_on(assert_resumable::<Counter>(json!({ "to": 6 }), "numbers"))?;
//! # Ok::<(), Error>(())
//! ```
//!
//! Beside `Cargo.toml` lies `manifest.toml`, which the export embeds in the
//! component. It says who the connector is and what it may be allowed to touch;
//! without it, that is nothing:
//!
//! ```toml
//! name = "source-counter"
//! kind = "source"
//! version = "0.1.0"
//! doc = "Counts"
//! [permissions]
//! # What the user writes under these keys is what is granted.
//! read = ["${config.path}"]
//! ```
//!
//! The crate's library is of the types `["cdylib", "rlib"]`, and
//! `cargo build --release --target wasm32-wasip2` makes the component.
//!
//! # Frames, checkpoints and commits
//!
//! What a source emits is a stream of frames: a *schema*, then *batches* of
//! rows (or of changes), *rejects* (rows that cannot be passed on), and
//! *checkpoints*. They keep their order all the way:
//!
//! 1. A source emits rows, then a checkpoint with a cursor. The checkpoint
//!    covers everything emitted before it, rejects included.
//! 2. The host passes rows on, and by its policy (bytes, rows, time) puts a
//!    *commit request* with that cursor in the place of some checkpoints. The
//!    other checkpoints go no further.
//! 3. A transform emits all it has kept back ([`Transform::flush`]) before a
//!    commit request passes it.
//! 4. A destination makes the rows durable together with the cursor, in one
//!    step that a crash cannot split, and answers with a [`Receipt`].
//! 5. Only then the cursor reaches the pipeline's state, and, through
//!    [`Emitter::committed`], the source, which may let go of what the cursor
//!    covers. The source need not listen.
//!
//! A source that waits for its commits, such as one that reads a log, emits
//! [`Emitter::settle`] in the place of a checkpoint, and gets a commit at once.
//!
//! After a crash, each partition is read from its last durable cursor on, or
//! from its start. Rows after that cursor may have been emitted before, and
//! have left no trace. So it is on the source that **from a cursor on it emits
//! exactly the rows that come after it**, as long as the snapshot is the same;
//! [`testing::assert_resumable`] checks that. A cursor says where reading goes
//! on (an offset, a key, a log position), not how many rows have been read.
//! What a source returns `Ok` for without a checkpoint behind the last rows is
//! refused: those rows could not be committed.
//!
//! # Talking to servers
//!
//! With the feature `net`, components have `net::Connection`, `net::spawn` and
//! `net::sleep`. What may be connected to is what the manifest asks for
//! (`connect = ["${config.host}:${config.port}"]`) and the user grants.
//!
//! # Waiting, errors, and the end
//!
//! Every call of the [`Emitter`] waits until the host takes what was emitted.
//! That is all the flow control there is; a connector needs no queue of its
//! own. When the host has hung up, calls answer [`Error::stopped`]: pass it on
//! with `?` and the connector ends quietly.
//!
//! An error ends the partition. Rows emitted before it stand, and go as far as
//! their checkpoints carry them. [`Error`] says what the host is to make of it:
//! the category decides the exit code, `retryable` whether the same call is
//! made again. A panic traps: the instance is gone, the message is on stderr.

// The exported bindings name this crate as connectors do.
#[cfg(target_arch = "wasm32")]
extern crate self as vesicle_connector;

mod config;
mod destination;
mod drive;
mod emitter;
mod error;
mod evolution;
mod export;
mod frame;
mod ipc;
pub mod native;
mod nearest;
#[cfg(all(feature = "net", target_arch = "wasm32"))]
pub mod net;
mod outlet;
mod row;
mod size;
mod source;
mod spec;
pub mod testing;
mod transform;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use arrow_array;
pub use arrow_schema;

pub use config::Config;
pub use destination::{
    Destination, Event, Load, LoadRequest, PartitionCursor, Receipt, Summary, Writer,
};
pub use emitter::{Committed, Emitter};
pub use error::{Category, Error, Result};
pub use evolution::{Evolution, NewColumn, Nullability, RemovedColumn, TypeChange};
pub use frame::{Batch, Change, CommitRequest, Cursor, Estimate, Frame, Operation, Reject};
pub use ipc::{MAX_PAYLOAD, TARGET_PAYLOAD, decode_schema, encode_schema};
pub use nearest::{nearest, nearest_hint};
pub use row::row_to_json;
pub use source::{Partition, Plan, Source, StreamInfo, StreamRequest};
pub use spec::{Format, Opt, OptionKind, Spec, SyncMode, WriteMode};
pub use transform::Transform;
