//! What a cell is started from: folders, stacked, in the form of a file system.
//!
//! | path | what it is |
//! |---|---|
//! | `bin/main.wasm` | the component, required |
//! | `boot/<peer-id>` | that peer's addresses, one a line |
//! | `svc/<name>/` | an image of its own, started beside this one |
//! | anything else | for the component to read |
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use vesicle_cell::image::{Image, Layer};
//!
//! let base = Layer::open(Path::new("images/base"))?;
//! let site = Layer::open(Path::new("images/site"))?;
//! let image = Image::open(vec![base, site])?;
//! println!("{} services", image.services().len());
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: an [`Image`] has a component, services that are images, to an end,
//! and peers whose ids and addresses are well formed.

mod error;
mod layer;
pub mod loader;
mod peers;
mod union;

pub use error::ImageError;
pub use layer::Layer;
pub use peers::Peer;
pub use union::{MAX_DEPTH, MAX_ENTRIES, MAX_PATH, Union};

use std::io::{self, Read as _};
use std::sync::Arc;

use vesicle_pool::wasi::{Tree, TreeKind};

use layer::Identity;

/// The component of an image.
const MAIN: &str = "bin/main.wasm";
/// Bytes of a component.
pub const MAX_MAIN: u64 = 256 << 20;
/// How deep services may be nested.
pub const MAX_NESTING: usize = 16;
/// How many services an image may have, nested ones among them.
pub const MAX_SERVICES: usize = 256;

/// What a cell is started from. Cloning shares the layers.
#[derive(Debug, Clone)]
pub struct Image {
    place: Arc<str>,
    union: Arc<Union>,
    services: Vec<(String, Image)>,
    peers: Vec<Peer>,
}

impl Image {
    /// The image that layers are stacked to; the last one wins.
    ///
    /// # Errors
    ///
    /// Fails if there is no `bin/main.wasm`, if something in `svc/` is no image
    /// for such a reason, services are more than [`MAX_SERVICES`], nested deeper
    /// than [`MAX_NESTING`] or in a circle, or if `boot/` holds anything but peers
    /// with addresses.
    pub fn open(layers: Vec<Layer>) -> Result<Self, ImageError> {
        let mut stock = Stock {
            services: 0,
            ancestors: Vec::new(),
        };
        stock.image(Union::new(layers), "the image".to_owned())
    }

    /// The component, as bytes.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or has more than [`MAX_MAIN`] bytes.
    pub fn main(&self) -> Result<Vec<u8>, ImageError> {
        let opened = self.union.open(MAIN);
        let file = opened.map_err(ImageError::unreadable(&self.place))?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_MAIN + 1).read_to_end(&mut bytes);
        read.map_err(ImageError::unreadable(&self.place))?;
        if bytes.len() as u64 > MAX_MAIN {
            return Err(too_large(&self.place));
        }
        Ok(bytes)
    }

    /// The images of `svc/`, by their names.
    #[must_use]
    pub fn services(&self) -> &[(String, Image)] {
        &self.services
    }

    /// The peers of `boot/`.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// All that is in the image, to be shown to its component.
    #[must_use]
    pub fn tree(&self) -> Arc<dyn Tree> {
        Arc::clone(&self.union) as _
    }

    /// All that is in the image.
    #[must_use]
    pub fn union(&self) -> &Union {
        &self.union
    }
}

/// The images that are being opened.
struct Stock {
    services: usize,
    /// Those that the one at hand is nested in, and what they are stacked from.
    ancestors: Vec<(String, Vec<Identity>)>,
}

impl Stock {
    fn image(&mut self, union: Union, place: String) -> Result<Image, ImageError> {
        let identity = union.identity().map_err(ImageError::unreadable(&place))?;
        if let Some((ancestor, _)) = self.ancestors.iter().find(|(_, of)| *of == identity) {
            let ancestor = ancestor.clone();
            return Err(ImageError::Circle { place, ancestor });
        }
        check_main(&union, &place)?;
        let peers = peers::read(&union, &place)?;
        self.ancestors.push((place.clone(), identity));
        let services = self.services(&union, &place)?;
        self.ancestors.pop();
        Ok(Image {
            place: place.into(),
            union: Arc::new(union),
            services,
            peers,
        })
    }

    fn services(&mut self, union: &Union, place: &str) -> Result<Vec<(String, Image)>, ImageError> {
        let entries = match union.entries("svc") {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ImageError::unreadable(place)(error)),
        };
        let mut services = Vec::new();
        let seen = entries
            .into_iter()
            .filter(|entry| !entry.name.starts_with('.'));
        for entry in seen {
            let path = format!("svc/{}", entry.name);
            if entry.kind != TreeKind::Folder || entry.name.contains(char::is_control) {
                let reason = match union.entries(&path) {
                    Err(error) => format!("is no image: {error}"),
                    Ok(_) => "has a name that cannot be shown".to_owned(),
                };
                return Err(ImageError::Misplaced {
                    place: place.to_owned(),
                    path: path.escape_debug().to_string(),
                    reason,
                });
            }
            self.count(place)?;
            let nested = union.nested(&path).map_err(ImageError::unreadable(place))?;
            let image = self.image(nested, format!("{place}, {path}"))?;
            services.push((entry.name, image));
        }
        Ok(services)
    }

    fn count(&mut self, place: &str) -> Result<(), ImageError> {
        self.services += 1;
        let reason = if self.services > MAX_SERVICES {
            format!("there are more than {MAX_SERVICES} services")
        } else if self.ancestors.len() > MAX_NESTING {
            format!("services are nested deeper than {MAX_NESTING}")
        } else {
            return Ok(());
        };
        let place = place.to_owned();
        Err(ImageError::TooMany { place, reason })
    }
}

fn check_main(union: &Union, place: &str) -> Result<(), ImageError> {
    match union.metadata(MAIN) {
        Ok(main) if main.kind == TreeKind::File && main.bytes <= MAX_MAIN => Ok(()),
        Ok(main) if main.kind == TreeKind::File => Err(too_large(place)),
        // Opening it says why it cannot be opened.
        Ok(_) => match union.open(MAIN) {
            Ok(_) => Ok(()),
            Err(error) => Err(ImageError::unreadable(place)(error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let layers: Vec<_> = union.layers().map(Layer::name).collect();
            Err(ImageError::NoMain {
                place: place.to_owned(),
                layers: match layers.as_slice() {
                    [] => "it has none".to_owned(),
                    layers => layers.join(", "),
                },
            })
        }
        Err(error) => Err(ImageError::unreadable(place)(error)),
    }
}

fn too_large(place: &str) -> ImageError {
    ImageError::LargeMain {
        place: place.to_owned(),
        most: MAX_MAIN,
    }
}
