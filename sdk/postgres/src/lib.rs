#![deny(missing_docs)]
//! PostgreSQL's binary COPY to Arrow record batches, and back.
//!
//! Bytes in, bytes out: whoever speaks to the server asks the catalog for a
//! table's columns ([`catalog::COLUMNS`]), hands the rows to
//! [`catalog::columns`] and the stream of `COPY … TO STDOUT (FORMAT binary)`,
//! in pieces of any size, to a [`Decoder`]. An [`Encoder`] makes of record
//! batches what `COPY … FROM STDIN (FORMAT binary)` takes.
//!
//! ```
//! use vesicle_postgres::{Column, Decoder, Encoder, Options, Type, wire};
//!
//! let price = Type::parse("numeric(10,2)", None)?;
//! let id = Type::parse("bigint", None)?;
//! let columns = [Column::new("id", id), Column::new("price", price)];
//!
//! // One tuple of two fields: 7, and 12.50.
//! let mut stream = wire::HEADER.to_vec();
//! stream.extend(b"\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x07");
//! stream.extend(b"\0\0\0\x0c\0\x02\0\0\0\0\0\x02\0\x0c\x13\x88");
//! stream.extend(wire::TRAILER);
//!
//! let mut decoder = Decoder::new(&columns, Options::default());
//! for piece in stream.chunks(5) {
//!     decoder.push(piece)?;
//! }
//! decoder.finish()?;
//! let batch = decoder.next_batch().expect("one batch");
//! assert_eq!(batch.num_rows(), 1);
//!
//! let encoder = Encoder::new(&batch.schema(), &columns)?;
//! let mut tuples = Vec::new();
//! encoder.encode(&batch, None, &mut tuples)?.whole()?;
//! assert_eq!([&wire::HEADER[..], &tuples, wire::TRAILER].concat(), stream);
//! # Ok::<(), vesicle_connector::Error>(())
//! ```
//!
//! Nothing here reads or writes a socket, waits, or keeps time.

pub mod arrow;
pub mod catalog;
pub mod chunk;
pub mod coerce;
pub mod ddl;
mod decode;
mod encode;
mod types;
mod value;
pub mod wire;

pub use arrow::{Numeric, Options};
pub use catalog::Column;
pub use decode::{Decoder, MAX_BATCH, TARGET_BATCH};
pub use encode::{Encoded, Encoder, Fault};
pub use types::{Enum, Scalar, Span, Type};
pub use vesicle_connector::{Error, Result};
