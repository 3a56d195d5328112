//! Processes with no authority but what they are handed.
#![deny(missing_docs)]

pub mod image;
#[cfg(feature = "network")]
pub mod network;
pub mod output;
pub mod pipe;
