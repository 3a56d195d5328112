//! Servers that layers come from.

#![allow(dead_code)]

pub mod blocks;
pub mod http;
pub mod registry;
