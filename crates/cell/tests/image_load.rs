//! Layers of the host, below one folder, and loaders in a chain.

#![allow(clippy::unwrap_used)]

mod folders;

use std::path::Path;

use folders::Folder;
use vesicle_cell::image::loader::{Bounds, Cache, Chain, HostPath, Ipfs, Lacking, Loader as _};
use vesicle_cell::image::{Layer, Union};

async fn load(root: &Folder, reference: &str) -> Result<Layer, String> {
    let loader = HostPath::below(&root.at("images")).unwrap();
    let loaded = loader.load(reference).await;
    loaded.map_err(|error| {
        error
            .to_string()
            .replace(&*root.path().to_string_lossy(), "ROOT")
    })
}

fn holds_x(layer: &Layer) -> bool {
    Union::new(vec![layer.clone()]).open("x").is_ok()
}

#[tokio::test]
async fn a_folder_below_the_root_is_loaded_by_either_path() {
    let root = Folder::new()
        .with("images/a/x", "")
        .linked("images/relative", "a")
        .linked("images/b/c", "../a");
    let absolute = root.at("images/a");
    let root = root.linked("images/absolute", &absolute);
    for reference in ["a", "./a/", "b/../a", "relative", "b/c", "absolute"] {
        assert!(
            holds_x(&load(&root, reference).await.unwrap()),
            "{reference}"
        );
    }
    assert!(holds_x(
        &load(&root, absolute.to_str().unwrap()).await.unwrap()
    ));
}

#[tokio::test]
async fn nothing_outside_of_the_root_is_loaded() {
    let root = Folder::new()
        .with("images/file", "")
        .with("outside/x", "")
        .linked("images/out", "../outside")
        .linked("images/etc", "/etc")
        .linked("images/deep/er", "../out/x");
    let outside = root.at("outside");
    for reference in [
        "..",
        "../outside",
        "out",
        "etc",
        "deep/er",
        "/etc",
        outside.to_str().unwrap(),
    ] {
        let error = load(&root, reference).await.err().unwrap();
        assert!(
            error.contains("is outside of ROOT/images"),
            "{reference}: {error}"
        );
    }
    let error = load(&root, "file").await.err().unwrap();
    assert!(
        error.starts_with("file: cannot be opened below ROOT/images: "),
        "{error}"
    );
    let error = load(&root, "none").await.err().unwrap();
    assert!(
        error.starts_with("none: no such folder below ROOT/images: "),
        "{error}"
    );
    assert!(HostPath::below(Path::new("/nowhere/at/all")).is_err());
}

#[tokio::test]
async fn a_chain_tries_each_loader_that_knows_the_reference_and_tells_all_reasons() {
    let root = Folder::new().with("a/x", "").with("b/y", "");
    let below = |path: &str| HostPath::below(&root.at(path)).unwrap();
    let cache = Folder::new();
    // Nobody listens there.
    let ipfs = Ipfs::new(
        "http://127.0.0.1:1",
        Cache::at(cache.path()),
        Bounds::default(),
    );
    let chain = Chain::new()
        .with(ipfs.unwrap())
        .with(below("b"))
        .with(below(""));
    assert!(holds_x(&chain.load("a").await.unwrap()));
    let cid = "bafkqabtjnzwgs3tf";
    let error = chain.load(cid).await.err().unwrap().to_string();
    let error = error.replace(&*root.path().to_string_lossy(), "ROOT");
    let none = "No such file or directory (os error 2)";
    assert_eq!(
        error,
        format!(
            "{cid}: as /ipfs/CID: the root is a file, and no layer; as the path of a folder: no \
             such folder below ROOT/b: {none}; as the path of a folder: no such folder below \
             ROOT: {none}"
        )
    );
    let cid = "/ipfs/QmSMPobg4X9gNgAATiqXKBiptm8ztEkA8h8pLeGmoZDYSm";
    let error = chain.load(cid).await.err().unwrap().to_string();
    assert!(error.contains(": error sending request"), "{error}");
    assert!(error.contains("Connection refused"), "{error}");
    let error = chain.load("ftp://x/y").await.err().unwrap().to_string();
    assert_eq!(
        error,
        "ftp://x/y: no layer looks like that; one is /ipfs/CID, or the path of a folder, or the \
         path of a folder"
    );
    let error = Chain::new().load("x").await.err().unwrap().to_string();
    assert!(error.contains("loaded by nothing here"), "{error}");
}

#[test]
fn a_gateway_that_is_none_is_refused_beforehand() {
    for gateway in ["", "x", "ftp://x", "http://x?y", "file:///etc"] {
        let made = Ipfs::new(gateway, Cache::at(Path::new("/nowhere")), Bounds::default());
        let error = made.err().unwrap().to_string();
        assert!(error.contains("is no gateway"), "{error}");
    }
}

#[tokio::test]
async fn without_a_root_any_folder_is_loaded_wherever_links_in_its_path_lead() {
    let root = Folder::new()
        .with("outside/x", "")
        .linked("images/out", "../outside");
    let out = root.at("images/out");
    let loaded = HostPath::anywhere().load(out.to_str().unwrap()).await;
    assert!(holds_x(&loaded.unwrap()));
}

#[tokio::test]
async fn what_lacks_something_knows_its_references_and_says_what_to_do() {
    let chain = Chain::new()
        .with(HostPath::anywhere())
        .with(Lacking::ipfs("name a gateway"))
        .with(Lacking::oci("name a cache"));
    let error = |reference| {
        let chain = &chain;
        async move { chain.load(reference).await.err().unwrap().to_string() }
    };
    let both = error("/ipfs/bafkqaaa").await;
    assert!(both.contains("as the path of a folder: "), "{both}");
    assert!(both.contains("as /ipfs/CID: name a gateway"), "{both}");
    let of_image = error("oci://localhost/image").await;
    assert!(
        of_image.ends_with("as oci://HOST/NAME:TAG: name a cache"),
        "{of_image}"
    );
}
