//! Archives and images, and a registry that they are pushed to.

#![allow(dead_code)]

use std::fs;
use std::io::{Read as _, Write as _};

use flate2::write::GzEncoder;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::IMAGE_LAYER_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tar::{Builder, EntryType, Header};
use vesicle_cell::image::loader::{Bounds, Cache, Loader as _, Oci};
use vesicle_cell::image::{Layer, Union};

use crate::folders::Folder;
use crate::servers::registry::Registry;

/// An archive that need not be a good one.
pub struct Tar(pub Builder<Vec<u8>>);

impl Tar {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// An entry whose name and link stand in its header as they are.
    pub fn raw(mut self, kind: EntryType, name: &str, link: &str, contents: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(contents.len() as u64);
        header.set_mode(0o6777);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, contents).unwrap();
        self
    }

    pub fn file(self, name: &str, contents: &str) -> Self {
        self.raw(EntryType::Regular, name, "", contents.as_bytes())
    }

    pub fn folder(self, name: &str) -> Self {
        self.raw(EntryType::Directory, name, "", b"")
    }

    pub fn link(self, name: &str, to: &str) -> Self {
        self.raw(EntryType::Symlink, name, to, b"")
    }

    pub fn plain(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    pub fn gzip(self) -> Vec<u8> {
        gzip(&self.plain())
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A registry with a client that nobody here wrote, and a cache of ours.
pub struct Room {
    pub registry: Registry,
    pub client: Client,
    pub oci: Oci,
    pub cache: Folder,
}

pub fn oci(cache: &Folder, bounds: Bounds) -> Oci {
    Oci::new(Cache::at(&cache.at("images")), bounds).unwrap()
}

impl Room {
    pub fn new() -> Self {
        let cache = Folder::new();
        let oci = oci(&cache, Bounds::default());
        let client = Client::new(ClientConfig {
            protocol: ClientProtocol::Http,
            ..ClientConfig::default()
        });
        Self {
            registry: Registry::start(),
            client,
            oci,
            cache,
        }
    }

    /// Pushes an image, and returns its reference by tag and by digest.
    pub async fn push(&self, name: &str, layers: Vec<(Vec<u8>, &str)>) -> (String, String) {
        let at = format!("{}/{name}", self.registry.address);
        let reference: Reference = at.parse().unwrap();
        let layer = |(data, kind): (Vec<u8>, &str)| ImageLayer::new(data, kind.to_owned(), None);
        let layers: Vec<_> = layers.into_iter().map(layer).collect();
        let config = Config::oci_v1(b"{}".to_vec(), None);
        let auth = RegistryAuth::Anonymous;
        let pushed = self.client.push(&reference, &layers, config, &auth, None);
        pushed.await.unwrap();
        let digest = self.client.fetch_manifest_digest(&reference, &auth);
        let digest = digest.await.unwrap();
        let bare = at.rsplit_once(':').unwrap().0;
        (format!("oci://{at}"), format!("oci://{bare}@{digest}"))
    }

    /// The layer of one archive, or why there is none.
    pub async fn unpacked(&self, name: &str, archive: Vec<u8>) -> Result<Layer, String> {
        self.unpacked_all(name, vec![(archive, IMAGE_LAYER_MEDIA_TYPE)])
            .await
    }

    pub async fn unpacked_all(
        &self,
        name: &str,
        layers: Vec<(Vec<u8>, &str)>,
    ) -> Result<Layer, String> {
        let (tag, _) = self.push(&format!("{name}:1"), layers).await;
        let loaded = self.oci.load(&tag).await;
        loaded.map_err(|error| error.to_string())
    }

    pub fn kept(&self) -> usize {
        fs::read_dir(self.cache.at("images")).unwrap().count()
    }
}

pub fn read(layer: &Layer, path: &str) -> String {
    let mut text = String::new();
    let union = Union::new(vec![layer.clone()]);
    let file = union.open(path);
    file.unwrap_or_else(|error| panic!("{error}"))
        .read_to_string(&mut text)
        .unwrap();
    text
}

pub fn names(layer: &Layer, path: &str) -> Vec<String> {
    let union = Union::new(vec![layer.clone()]);
    union
        .entries(path)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}
