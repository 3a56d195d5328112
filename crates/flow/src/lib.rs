//! Stages and the queues between them.
//!
//! A flow is a set of [stages](Flow::spawn_thread), each an instance of the pool
//! on a thread of its own, joined by [queues](queue()) that are bounded in bytes. A
//! full queue makes the stage before it wait, up to the source; an empty one
//! makes the stage after it wait. The first stage that fails ends the flow;
//! asked to [stop](Stop), a flow ends at the next commit and not before.
//!
//! ```
//! use vesicle_flow::{Weigh, queue};
//!
//! struct Parcel(Vec<u8>);
//! impl Weigh for Parcel {
//!     fn weight(&self) -> usize {
//!         self.0.len()
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (sender, mut receiver) = queue(1024, Default::default());
//! sender.send(Parcel(vec![0; 700])).await.unwrap();
//! assert!(sender.try_send(Parcel(vec![0; 700])).is_err(), "no room for both");
//! assert_eq!(receiver.receive().await.unwrap().0.len(), 700);
//! assert!(sender.try_send(Parcel(vec![0; 700])).is_ok());
//! # });
//! ```
#![deny(missing_docs)]

mod counters;
mod flow;
mod link;
mod queue;
mod stop;

pub use counters::{Counters, Doing, Figures};
pub use flow::{Failure, Flow};
pub use link::{Intake, Outlet, Pass};
pub use queue::{Closed, Gauge, Receiver, Sender, TrySend, Weigh, queue};
pub use stop::Stop;
