//! The layers of an image, from wherever the command line says.

use std::path::{Path, PathBuf};

use vesicle_cell::image::Layer;
use vesicle_cell::image::loader::{
    Bounds, Cache, Chain, HostPath, Ipfs, Lacking, Loader as _, Oci,
};
use vesicle_pipeline::Exit;

use crate::cli::CellArgs;
use crate::output::Failed;

/// Whether a word names something that is not on this machine.
pub fn is_reference(word: &Path) -> bool {
    let known = |word: &str| word.contains("://") || Ipfs::knows(word) || Oci::knows(word);
    word.to_str().is_some_and(known)
}

/// Loads the layers of an image.
pub async fn load(layers: &[PathBuf], args: &CellArgs) -> Result<Vec<Layer>, Failed> {
    let failed = |text: String| Failed::new(Exit::Component, text);
    let chain = chain(args).map_err(failed)?;
    let mut loaded = Vec::new();
    for layer in layers {
        let Some(word) = layer.to_str() else {
            let shown = layer.display();
            return Err(failed(format!(
                "{shown}: the name of a layer has to be UTF-8"
            )));
        };
        loaded.push(chain.load(word).await.map_err(|error| {
            let hint = match is_reference(layer) {
                true => "",
                false => "; what is run is a document (.yaml), a component (.wasm), or layers",
            };
            failed(format!("cannot open the layer {error}{hint}"))
        })?);
    }
    Ok(loaded)
}

fn chain(args: &CellArgs) -> Result<Chain, String> {
    let paths = match &args.root {
        Some(root) => HostPath::below(root)
            .map_err(|error| format!("cannot look for layers in {}: {error}", root.display()))?,
        None => HostPath::anywhere(),
    };
    let chain = Chain::new().with(paths);
    let bounds = Bounds::default();
    let Some(cache) = Cache::of_user() else {
        let reason = "it would be fetched to the user's cache, and nothing says where that is; \
                      set XDG_CACHE_HOME or HOME";
        return Ok(chain.with(Lacking::ipfs(reason)).with(Lacking::oci(reason)));
    };
    let gateway = args.gateway.as_deref().filter(|it| !it.is_empty());
    let chain = match gateway.map(|gateway| Ipfs::new(gateway, cache.clone(), bounds)) {
        Some(Ok(ipfs)) => chain.with(ipfs),
        Some(Err(error)) => chain.with(Lacking::ipfs(error.to_string())),
        None => chain.with(Lacking::ipfs(
            "no gateway is known to fetch it from; name one with --gateway URL or in \
             VESICLE_GATEWAY",
        )),
    };
    Ok(match Oci::new(cache, bounds) {
        Ok(oci) => chain.with(oci),
        Err(error) => chain.with(Lacking::oci(error.to_string())),
    })
}

/// What an image is called: as its last layer is.
pub fn name_of_last(layers: &[PathBuf], args: &CellArgs) -> String {
    let Some(last) = layers.last() else {
        return "image".to_owned();
    };
    let below = args.root.as_ref().map(|root| root.join(last));
    let found = below.as_ref().unwrap_or(last).canonicalize().ok();
    let path = found.as_ref().unwrap_or(last);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.split_once('@') {
        Some((name, _)) if found.is_none() && !name.is_empty() => name.to_owned(),
        _ if name.is_empty() => "image".to_owned(),
        _ => name.into_owned(),
    }
}
