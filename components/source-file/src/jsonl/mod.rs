//! JSON Lines files: one object a line.
//!
//! A key that is not there is NULL. Arrays and objects are kept as their JSON
//! text. Numbers are read from their digits, so that none is rounded on the
//! way to text or an exact type.

mod lines;
mod object;
mod reader;
mod sample;

pub use reader::JsonlReader;
pub use sample::sample;
