//! Images of a registry, as one layer: `oci://HOST/NAME:TAG` or
//! `oci://HOST/NAME@sha256:…`. The formats are those of
//! <https://github.com/opencontainers/image-spec>.
//!
//! Invariant: nothing of a manifest or a layer is used before it is what its
//! digest says; only what a tag stands for is the registry's to say.

mod registry;
mod unpack;

use std::time::Instant;

use async_trait::async_trait;
use oci_client::Reference;
use oci_client::manifest::{
    IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE,
    IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE, ImageIndexEntry, OciDescriptor,
    OciImageManifest, OciManifest,
};

use super::fetch::{Budget, Staging, client, told};
use super::{Bounds, Cache, LoadError, Loader};
use crate::image::Layer;
use registry::{Digest, Registry};
use unpack::{Packing, unpack};

/// What references of this kind begin with.
const SCHEME: &str = "oci://";

/// Loads images of registries, without signing in.
pub struct Oci {
    client: reqwest::Client,
    cache: Cache,
    bounds: Bounds,
}

impl Oci {
    /// What its references look like.
    pub(super) const FORM: &'static str = "oci://HOST/NAME:TAG";

    /// Whether a reference looks like one of its.
    #[must_use]
    pub fn knows(reference: &str) -> bool {
        reference.starts_with(SCHEME)
    }

    /// Fetches from whichever registry a reference names: over TLS, and from this
    /// machine without.
    ///
    /// # Errors
    ///
    /// Fails if TLS cannot be set up.
    pub fn new(cache: Cache, bounds: Bounds) -> Result<Self, LoadError> {
        let client = client(registry::redirections());
        let client = client.map_err(|error| LoadError::failed(SCHEME, told(&error)))?;
        Ok(Self {
            client,
            cache,
            bounds,
        })
    }

    async fn fetch(&self, reference: &Reference) -> Result<Layer, String> {
        let cached = |digest: &Digest| {
            let found = self.cache.find(&name_in_cache(digest));
            found.map_err(|error| format!("the cache fails: {error}"))
        };
        let wanted = reference.digest().map(Digest::parse).transpose()?;
        if let Some(wanted) = &wanted
            && let Some(layer) = cached(wanted)?
        {
            return Ok(layer);
        }
        let deadline = Instant::now() + self.bounds.time;
        let mut budget = Budget::new(self.bounds);
        let mut registry = Registry::new(&self.client, reference);
        let (manifest, digest) = choose(&mut registry, wanted, &mut budget).await?;
        if let Some(layer) = cached(&digest)? {
            return Ok(layer);
        }
        let failed = |error: std::io::Error| format!("the cache fails: {error}");
        let staged = self.cache.stage().map_err(failed)?;
        let mut staging = Staging::new(staged).map_err(failed)?;
        for (number, layer) in manifest.layers.iter().enumerate() {
            let of = |why: String| format!("layer {} {why}", number + 1);
            let packing = packing(layer).map_err(of)?;
            let digest = Digest::parse(&layer.digest).map_err(of)?;
            let size = u64::try_from(layer.size).map_err(|_| of("has no size".to_owned()))?;
            let file = tempfile::tempfile_in(staging.folder.path()).map_err(failed)?;
            let blob = registry.blob(&digest, size, file, &mut budget).await;
            let blob = blob.map_err(of)?;
            // It ends by itself at the deadline, if nobody waits any more.
            let unpacked = tokio::task::spawn_blocking(move || {
                let done = unpack(blob, packing, &staging, &mut budget, deadline);
                done.map(|()| (staging, budget))
            });
            let unpacked = unpacked.await.map_err(|error| of(error.to_string()))?;
            (staging, budget) = unpacked.map_err(of)?;
        }
        let name = name_in_cache(&digest);
        self.cache.keep(staging.folder, &name).map_err(failed)
    }
}

#[async_trait]
impl Loader for Oci {
    fn form(&self) -> &str {
        Self::FORM
    }

    fn claims(&self, reference: &str) -> bool {
        Self::knows(reference)
    }

    async fn load(&self, reference: &str) -> Result<Layer, LoadError> {
        let failed = |reason: String| LoadError::failed(reference, reason);
        let parsed = parse(reference).map_err(failed)?;
        let limit = self.bounds.time;
        match tokio::time::timeout(limit, self.fetch(&parsed)).await {
            Ok(layer) => layer.map_err(failed),
            Err(_) => Err(failed(format!("takes more than {} s", limit.as_secs()))),
        }
    }
}

fn parse(reference: &str) -> Result<Reference, String> {
    let form = "an image of a registry looks like oci://ghcr.io/owner/name:1.0";
    let named = reference.strip_prefix(SCHEME).ok_or(form)?;
    // Without a host another registry would be meant than any that is named.
    let host = named.split_once('/').map_or("", |(host, _)| host);
    if host != "localhost" && !host.contains(['.', ':']) {
        return Err(format!("names no host; {form}"));
    }
    named.parse().map_err(|error| format!("{error}; {form}"))
}

fn name_in_cache(manifest: &Digest) -> String {
    format!("oci-{}", manifest.hex())
}

/// The manifest of an image, of several platforms' the one that fits best.
async fn choose(
    registry: &mut Registry<'_>,
    wanted: Option<Digest>,
    budget: &mut Budget,
) -> Result<(OciImageManifest, Digest), String> {
    let (manifest, digest) = registry.manifest(wanted.as_ref(), budget).await?;
    let index = match manifest {
        OciManifest::Image(manifest) => return Ok((manifest, digest)),
        OciManifest::ImageIndex(index) => index,
    };
    let fit = |entry: &&ImageIndexEntry| match &entry.platform {
        Some(platform) if platform.architecture.to_string() == "wasm" => 2,
        Some(platform) => u8::from(platform.os.to_string() == "linux"),
        None => 0,
    };
    let best = index.manifests.iter().rev().max_by_key(fit);
    let best = best.ok_or("is an index of no images")?;
    let wanted = Digest::parse(&best.digest)?;
    match registry.manifest(Some(&wanted), budget).await? {
        (OciManifest::Image(manifest), digest) => Ok((manifest, digest)),
        (OciManifest::ImageIndex(_), _) => Err("is an index of indexes".to_owned()),
    }
}

fn packing(layer: &OciDescriptor) -> Result<Packing, String> {
    match layer.media_type.as_str() {
        IMAGE_LAYER_MEDIA_TYPE | IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE => Ok(Packing::None),
        IMAGE_LAYER_GZIP_MEDIA_TYPE | IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE => Ok(Packing::Gzip),
        other => Err(format!(
            "is a {}, and only tar and tar+gzip are unpacked",
            other.escape_debug()
        )),
    }
}
