//! What can be wrong with an image.

use std::io;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The union has no `bin/main.wasm`.
    #[error(
        "{place}: no bin/main.wasm in any of its layers ({layers}); an image needs one: put the \
         component there, or add the layer that has it"
    )]
    NoMain {
        /// Which image.
        place: String,
        /// Where it was looked for.
        layers: String,
    },
    /// `bin/main.wasm` is larger than [`MAX_MAIN`](super::MAX_MAIN).
    #[error("{place}: bin/main.wasm has more than {most} bytes")]
    LargeMain {
        /// Which image.
        place: String,
        /// How many bytes it may have.
        most: u64,
    },
    /// Something in the image cannot be read.
    #[error("{place}: {source}")]
    Unreadable {
        /// Which image.
        place: String,
        /// Why; the path is in it.
        source: io::Error,
    },
    /// Something stands where something else is expected.
    #[error("{place}: {path} {reason}")]
    Misplaced {
        /// Which image.
        place: String,
        /// What.
        path: String,
        /// Why it cannot be there.
        reason: String,
    },
    /// A file of `boot/` does not say where a peer is.
    #[error("{place}: boot/{file}:{line}: {reason}")]
    BadAddress {
        /// Which image.
        place: String,
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Services are nested without an end.
    #[error("{place}: services are nested in a circle: this image is the same as {ancestor}")]
    Circle {
        /// The image in which the circle closes.
        place: String,
        /// Where it begins.
        ancestor: String,
    },
    /// There are too many services, or they are nested too deep.
    #[error("{place}: {reason}")]
    TooMany {
        /// Which image.
        place: String,
        /// What there is too much of.
        reason: String,
    },
}

impl ImageError {
    pub(super) fn unreadable(place: &str) -> impl FnOnce(io::Error) -> Self {
        let place = place.to_owned();
        move |source| Self::Unreadable { place, source }
    }
}
