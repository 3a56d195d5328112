//! Processes with no authority but what they are handed.
#![deny(missing_docs)]

pub mod image;
pub mod output;
pub mod pipe;
