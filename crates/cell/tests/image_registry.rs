//! Registries that lie, send elsewhere, or want a token.

#![allow(clippy::unwrap_used)]

mod folders;
mod oci;
mod servers;

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use folders::Folder;
use oci::{Tar, oci, read};
use oci_client::manifest::IMAGE_LAYER_MEDIA_TYPE;
use servers::http::{Reply, Server};
use sha2::{Digest as _, Sha256};
use vesicle_cell::image::loader::{Bounds, Loader as _};

fn digest(bytes: &[u8]) -> String {
    let hex = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect::<String>();
    format!("sha256:{hex}")
}

/// A manifest of one plain layer.
fn manifest(layer: &[u8]) -> Vec<u8> {
    let (config, size, layer) = (digest(b"{}"), layer.len(), digest(layer));
    let config = format!(r#"{{"mediaType":"x/y","digest":"{config}","size":2}}"#);
    let layer =
        format!(r#"{{"mediaType":"{IMAGE_LAYER_MEDIA_TYPE}","digest":"{layer}","size":{size}}}"#);
    format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#).into_bytes()
}

/// A registry that gives what `replies` has, for the ends of paths.
fn registry(replies: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let what = request.target.strip_prefix("/v2/x/y/");
        what.map_or(Reply::Missing, &replies)
    })
}

async fn refused(registry: &Server, end: &str, bounds: Bounds) -> String {
    let cache = Folder::new();
    let reference = format!("oci://{}/x/y{end}", registry.address);
    let error = oci(&cache, bounds).load(&reference).await.unwrap_err();
    assert_eq!(
        fs::read_dir(cache.at("images"))
            .into_iter()
            .flatten()
            .count(),
        0
    );
    error.to_string()
}

#[tokio::test]
async fn a_registry_that_lies_is_found_out() {
    let layer = Tar::new().file("x", "x").plain();
    let (good, bounds) = (manifest(&layer), Bounds::default());
    let manifest_of = good.clone();
    let other_layer = registry(move |what| match what.split_once('/') {
        Some(("manifests", _)) => Reply::Body(manifest_of.clone()),
        _ => Reply::Body(Tar::new().file("x", "y").plain()),
    });
    let error = refused(&other_layer, ":1", bounds).await;
    assert!(
        error.contains("layer 1 is not what the registry should have given"),
        "{error}"
    );
    let error = refused(&other_layer, &format!("@{}", digest(b"another")), bounds).await;
    assert!(error.contains("gave another manifest"), "{error}");
    let error = refused(
        &other_layer,
        &format!("@sha512:{}", "0".repeat(128)),
        bounds,
    )
    .await;
    assert!(error.contains("only sha256 is taken"), "{error}");
    let manifest_of = good.clone();
    let endless_layer = registry(move |what| match what.split_once('/') {
        Some(("manifests", _)) => Reply::Body(manifest_of.clone()),
        _ => Reply::Endless,
    });
    let error = refused(&endless_layer, ":1", bounds).await;
    assert!(
        error.contains("layer 1 has more than the 2048 bytes"),
        "{error}"
    );
    let error = refused(&registry(|_| Reply::Endless), "", bounds).await;
    assert!(
        error.contains("manifests/latest: the registry gives more than 4194304 bytes"),
        "{error}"
    );
    let short = Bounds {
        time: Duration::from_secs(1),
        ..bounds
    };
    let error = refused(&registry(|_| Reply::Silence), ":1", short).await;
    assert!(error.contains("takes more than 1 s"), "{error}");
    let error = refused(&registry(|_| Reply::Missing), ":1", bounds).await;
    assert!(
        error.contains("has no manifests/1, or shows it to nobody: 404"),
        "{error}"
    );
    let error = refused(&registry(|_| Reply::Body(b"{}".to_vec())), ":1", bounds).await;
    assert!(error.contains("manifests/1 is no manifest"), "{error}");
    for (to, reason) in [
        ("http://192.0.2.1/", "sent elsewhere without TLS"),
        ("file:///etc/passwd", "302 Found"),
    ] {
        let elsewhere = registry(move |_| Reply::Redirect(to.to_owned()));
        let error = refused(&elsewhere, ":1", bounds).await;
        assert!(error.contains(reason), "{error}");
    }
    let round = registry(|_| Reply::Redirect("/v2/x/y/round".to_owned()));
    let error = refused(&round, ":1", bounds).await;
    assert!(error.contains("sent elsewhere too often"), "{error}");
    let manifest_of = good;
    let escaping = registry(move |_| {
        let text = String::from_utf8(manifest_of.clone()).unwrap();
        Reply::Body(text.replace("sha256:", "../../").into_bytes())
    });
    let error = refused(&escaping, ":1", bounds).await;
    assert!(error.contains("only sha256 is taken"), "{error}");
}

#[tokio::test]
async fn of_several_platforms_the_one_of_components_is_taken() {
    let images: Vec<_> = ["arm", "linux", "wasm"]
        .iter()
        .map(|name| Tar::new().file("name", name).plain())
        .collect();
    let mut bodies = HashMap::new();
    let mut entries = Vec::new();
    for (layer, (os, architecture)) in
        images
            .iter()
            .zip([("windows", "arm"), ("linux", "amd64"), ("wasip2", "wasm")])
    {
        let manifest = manifest(layer);
        let (digest_of, size) = (digest(&manifest), manifest.len());
        entries.push(format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest_of}","size":{size},"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#
        ));
        bodies.insert(format!("manifests/{digest_of}"), manifest);
        bodies.insert(format!("blobs/{}", digest(layer)), layer.clone());
    }
    for (number, expected) in [(3, "wasm"), (2, "linux"), (1, "arm")] {
        let mut bodies = bodies.clone();
        let listed = entries[..number].join(",");
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{listed}]}}"#
        );
        bodies.insert("manifests/1".to_owned(), index.into_bytes());
        let server = registry(move |what| match bodies.get(what) {
            Some(body) => Reply::Body(body.clone()),
            None => Reply::Missing,
        });
        let cache = Folder::new();
        let reference = format!("oci://{}/x/y:1", server.address);
        let layer = oci(&cache, Bounds::default())
            .load(&reference)
            .await
            .unwrap();
        assert_eq!(read(&layer, "name"), expected);
    }
}

#[tokio::test]
async fn a_token_that_anybody_gets_is_asked_for_and_passwords_are_not() {
    let layer = Tar::new().file("x", "x").plain();
    let server = Server::start(move |request| {
        let host = request
            .head
            .iter()
            .find_map(|line| line.strip_prefix("host: "));
        let host = host.unwrap();
        let has_token = request
            .head
            .iter()
            .any(|line| line == "authorization: bearer secret");
        match request.target.as_str() {
            "/token?scope=repository%3Ax%2Fy%3Apull&service=a" => {
                Reply::Body(br#"{"token":"secret"}"#.to_vec())
            }
            _ if !has_token => {
                Reply::Unauthorized(format!(r#"Bearer realm="http://{host}/token",service="a""#))
            }
            "/v2/x/y/manifests/1" => Reply::Body(manifest(&layer)),
            target if target.starts_with("/v2/x/y/blobs/") => Reply::Body(layer.clone()),
            _ => Reply::Missing,
        }
    });
    let cache = Folder::new();
    let reference = format!("oci://{}/x/y:1", server.address);
    let loaded = oci(&cache, Bounds::default())
        .load(&reference)
        .await
        .unwrap();
    assert_eq!(read(&loaded, "x"), "x");
    assert_eq!(server.asked(), 4);
    for challenge in [
        "Basic realm=\"x\"",
        "",
        "Bearer realm=\"http://192.0.2.1/\"",
        "Bearer realm=\"x\"",
    ] {
        let server = registry(move |_| Reply::Unauthorized(challenge.to_owned()));
        let error = refused(&server, ":1", Bounds::default()).await;
        assert!(error.contains("wants to be signed in to"), "{error}");
    }
}
