//! Layers of a registry: Debian's docker-registry, and registries and archives
//! that mean harm.

#![allow(clippy::unwrap_used)]

mod folders;
mod servers;

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use flate2::write::GzEncoder;
use folders::Folder;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{
    IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use servers::http::{Reply, Server};
use servers::registry::Registry;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};
use vesicle_cell::image::loader::{Bounds, Cache, Loader as _, Oci};
use vesicle_cell::image::{Image, Layer, Union};

/// An archive that need not be a good one.
struct Tar(Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// An entry whose name and link stand in its header as they are.
    fn raw(mut self, kind: EntryType, name: &str, link: &str, contents: &[u8]) -> Self {
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

    fn file(self, name: &str, contents: &str) -> Self {
        self.raw(EntryType::Regular, name, "", contents.as_bytes())
    }

    fn folder(self, name: &str) -> Self {
        self.raw(EntryType::Directory, name, "", b"")
    }

    fn link(self, name: &str, to: &str) -> Self {
        self.raw(EntryType::Symlink, name, to, b"")
    }

    fn plain(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    fn gzip(self) -> Vec<u8> {
        gzip(&self.plain())
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A registry with a client that nobody here wrote, and a cache of ours.
struct Room {
    registry: Registry,
    client: Client,
    oci: Oci,
    cache: Folder,
}

fn oci(cache: &Folder, bounds: Bounds) -> Oci {
    Oci::new(Cache::at(&cache.at("images")), bounds).unwrap()
}

impl Room {
    fn new() -> Self {
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
    async fn push(&self, name: &str, layers: Vec<(Vec<u8>, &str)>) -> (String, String) {
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
    async fn unpacked(&self, name: &str, archive: Vec<u8>) -> Result<Layer, String> {
        self.unpacked_all(name, vec![(archive, IMAGE_LAYER_MEDIA_TYPE)])
            .await
    }

    async fn unpacked_all(
        &self,
        name: &str,
        layers: Vec<(Vec<u8>, &str)>,
    ) -> Result<Layer, String> {
        let (tag, _) = self.push(&format!("{name}:1"), layers).await;
        let loaded = self.oci.load(&tag).await;
        loaded.map_err(|error| error.to_string())
    }

    fn kept(&self) -> usize {
        fs::read_dir(self.cache.at("images")).unwrap().count()
    }
}

fn read(layer: &Layer, path: &str) -> String {
    let mut text = String::new();
    let union = Union::new(vec![layer.clone()]);
    let file = union.open(path);
    file.unwrap_or_else(|error| panic!("{error}"))
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn names(layer: &Layer, path: &str) -> Vec<String> {
    let union = Union::new(vec![layer.clone()]);
    union
        .entries(path)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

#[tokio::test]
async fn an_image_of_a_registry_is_unpacked_in_the_order_of_its_layers() {
    let room = Room::new();
    let long = format!("usr/lib/{}/{}", "a".repeat(120), "b".repeat(120));
    let mut base = Tar::new()
        .file("./bin/main.wasm", "\0asm")
        .folder("etc/")
        .file("etc/name", "base")
        .link("lib", "usr/lib")
        .raw(EntryType::Link, "etc/same", "etc/name", b"");
    let mut header = Header::new_gnu();
    header.set_size(4);
    base.0
        .append_data(&mut header, &long, &b"long"[..])
        .unwrap();
    let pax = Tar::new()
        .raw(EntryType::XHeader, "pax", "", b"19 path=etc/by-pax\n")
        .file("short", "pax");
    let site = Tar::new().file("etc/name", "site").file("lib/x", "x");
    let (tag, digest) = room
        .push(
            "owner/image:1.0",
            vec![
                (base.gzip(), IMAGE_LAYER_GZIP_MEDIA_TYPE),
                (pax.plain(), IMAGE_LAYER_MEDIA_TYPE),
                (site.gzip(), IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE),
            ],
        )
        .await;
    for reference in [&tag, &digest] {
        assert!(room.oci.claims(reference));
        let layer = room.oci.load(reference).await.unwrap();
        assert_eq!(read(&layer, "bin/main.wasm"), "\0asm");
        assert_eq!(read(&layer, "etc/name"), "site");
        assert_eq!(read(&layer, "etc/same"), "base");
        assert_eq!(read(&layer, "etc/by-pax"), "pax");
        assert_eq!(read(&layer, "usr/lib/x"), "x");
        assert_eq!(read(&layer, &long), "long");
        assert!(Image::open(vec![layer]).is_ok());
    }
    assert_eq!(room.kept(), 1);
    // By its digest it is there without the registry.
    let (oci, cache) = (room.oci, room.cache);
    drop(room.registry);
    assert!(oci.load(&digest).await.is_ok());
    assert!(
        oci.load(&tag)
            .await
            .unwrap_err()
            .to_string()
            .contains("does not answer")
    );
    drop(cache);
}

#[tokio::test]
async fn whiteouts_hide_what_earlier_layers_have_and_nothing_of_their_own() {
    let room = Room::new();
    let base = Tar::new()
        .file("gone", "")
        .file("stays", "")
        .file("folder/a", "")
        .file("opaque/a", "")
        .file("opaque/b/c", "")
        .file("both", "earlier")
        .link("link", "stays");
    let site = Tar::new()
        .file("both", "later")
        .file("opaque/new", "")
        .file(".wh.gone", "")
        .file(".wh.folder", "")
        .file(".wh.both", "")
        .file(".wh.link", "")
        .file(".wh.never-there", "")
        .file("opaque/.wh..wh..opq", "");
    let layers = vec![
        (base.plain(), IMAGE_LAYER_MEDIA_TYPE),
        (site.plain(), IMAGE_LAYER_MEDIA_TYPE),
    ];
    let layer = room.unpacked_all("whiteouts", layers).await.unwrap();
    assert_eq!(names(&layer, ""), ["both", "opaque", "stays"]);
    assert_eq!(names(&layer, "opaque"), ["new"]);
    assert_eq!(read(&layer, "both"), "later");
    for name in [".wh...", ".wh..", ".wh.", "../.wh.x"] {
        let layers = vec![(Tar::new().file(name, "").plain(), IMAGE_LAYER_MEDIA_TYPE)];
        let loaded = room.unpacked_all("bad-whiteout", layers).await;
        // The bare one hides nothing that has a name.
        assert_eq!(loaded.is_ok(), name == ".wh.", "{name}");
    }
}

#[tokio::test]
async fn an_archive_that_leads_out_is_refused_and_nothing_is_kept() {
    let room = Room::new();
    let link = |name, to| Tar::new().link(name, to);
    let hard = |name, to| Tar::new().file("x", "").raw(EntryType::Link, name, to, b"");
    let special = |kind| Tar::new().raw(kind, "x", "", b"");
    let not_utf8 = {
        let mut header = Header::new_gnu();
        header.set_size(0);
        header.as_old_mut().name[0] = 0xff;
        header.set_cksum();
        let mut tar = Tar::new();
        tar.0.append(&header, &b""[..]).unwrap();
        tar
    };
    for (number, (archive, reason)) in [
        (Tar::new().file("../x", ""), "leads out of the image"),
        (Tar::new().file("a/../../x", ""), "leads out of the image"),
        (Tar::new().file("a/../x", ""), "leads out of the image"),
        (Tar::new().file("/etc/passwd", ""), "leads out of the image"),
        (Tar::new().folder(".."), "leads out of the image"),
        (
            Tar::new()
                .raw(EntryType::XHeader, "p", "", b"13 path=../x\n")
                .file("x", ""),
            "leads out",
        ),
        (
            Tar::new()
                .raw(EntryType::GNULongName, "l", "", b"/x\0")
                .file("x", ""),
            "leads out",
        ),
        (link("x", "/etc/passwd"), "is a link that leads out"),
        (link("x", "../etc"), "is a link that leads out"),
        (link("a/x", "../../etc"), "is a link that leads out"),
        (link("x", ""), "is a link that leads out"),
        (hard("y", "/etc/passwd"), "leads out of the image"),
        (hard("y", "../../etc/passwd"), "leads out of the image"),
        (hard("y", "none"), "is a link to what is no file"),
        (hard("x", "x"), "is a link to what is no file"),
        (special(EntryType::Char), "is neither a file"),
        (special(EntryType::Block), "is neither a file"),
        (special(EntryType::Fifo), "is neither a file"),
        (special(EntryType::GNUSparse), "is neither a file"),
        (
            Tar::new()
                .raw(EntryType::XHeader, "p", "", b"10 size=9\n")
                .file("x", ""),
            "larger",
        ),
        (not_utf8, "is not UTF-8"),
        (Tar::new().file("a\u{1b}[2K/../x", ""), r"a\u{1b}[2K/../x"),
    ]
    .into_iter()
    .enumerate()
    {
        let error = room
            .unpacked(&format!("hostile-{number}"), archive.plain())
            .await;
        let error = error.err().unwrap_or_else(|| panic!("{number}: {reason}"));
        assert!(error.contains(reason), "{number}: {error}");
        assert!(error.contains("layer 1 holds"), "{error}");
    }
    for (kind, data) in [
        (
            IMAGE_LAYER_MEDIA_TYPE,
            b"no archive, and longer than".repeat(100),
        ),
        (
            IMAGE_LAYER_GZIP_MEDIA_TYPE,
            Tar::new().file("x", "").plain(),
        ),
    ] {
        let error = room
            .unpacked_all("broken", vec![(data, kind)])
            .await
            .err()
            .unwrap();
        assert!(error.contains("layer 1 cannot be unpacked"), "{error}");
    }
    let other = vec![(Vec::new(), "application/vnd.oci.image.layer.v1.tar+zstd")];
    let error = room.unpacked_all("zstd", other).await.err().unwrap();
    assert!(error.contains("only tar and tar+gzip"), "{error}");
    assert_eq!(room.kept(), 0);
}

#[tokio::test]
async fn nothing_is_written_through_a_link() {
    let room = Room::new();
    let outside = Folder::new().with("secret", "s");
    let base = Tar::new()
        .file("target", "target")
        .link("link", "target")
        .link("up", ".");
    let site = Tar::new().file("link", "own").file("up/up/up/x", "x");
    let layers = vec![
        (base.plain(), IMAGE_LAYER_MEDIA_TYPE),
        (site.plain(), IMAGE_LAYER_MEDIA_TYPE),
    ];
    let layer = room.unpacked_all("through", layers).await.unwrap();
    assert_eq!(read(&layer, "target"), "target");
    assert_eq!(read(&layer, "link"), "own");
    assert_eq!(read(&layer, "x"), "x");
    // Links that lead out only one through the other.
    let deep = Tar::new()
        .folder("a/b/c")
        .link("to", "a/b/c")
        .link("a/b/c/up", "../../..")
        .link("out", "to/up/..")
        .file("out/x", "");
    let error = room.unpacked("deep", deep.plain()).await.err().unwrap();
    assert!(
        error.contains("holds out/x, which cannot be made"),
        "{error}"
    );
    assert_eq!(fs::read(outside.at("secret")).unwrap(), b"s");
}

#[tokio::test]
async fn small_archives_that_come_to_much_are_bounded() {
    let room = Room::new();
    let zeros = vec![0; 8 << 20];
    let file = Tar::new().raw(EntryType::Regular, "x", "", &zeros).gzip();
    let name = Tar::new()
        .raw(EntryType::GNULongName, "x", "", &zeros)
        .file("x", "")
        .gzip();
    let many = (0..200)
        .fold(Tar::new(), |tar, n| tar.folder(&n.to_string()))
        .gzip();
    // No archive at all, but an end that does not come.
    let nothing = Tar::new().file("x", "").plain();
    let nothing = gzip(&[&nothing[..512], &zeros].concat());
    let gzip = |data: Vec<u8>| vec![(data, IMAGE_LAYER_GZIP_MEDIA_TYPE)];
    let bounds = Bounds {
        bytes: 4 << 20,
        entries: 100,
        ..Bounds::default()
    };
    let bounded = oci(&room.cache, bounds);
    for (number, (data, reason)) in [
        (file, "comes to more than 4194304 bytes"),
        (name, "holds a header of more than 65536 bytes"),
        (many, "comes to more than 100 files and folders"),
    ]
    .into_iter()
    .enumerate()
    {
        let (tag, _) = room.push(&format!("bomb-{number}:1"), gzip(data)).await;
        let error = bounded.load(&tag).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let (tag, _) = room.push("end:1", gzip(nothing)).await;
    // It ends where an archive does, whatever follows.
    assert!(bounded.load(&tag).await.is_ok());
    // Bytes of several layers are bounded together.
    let third = |name: &str| {
        Tar::new()
            .raw(EntryType::Regular, name, "", &zeros[..3 << 20])
            .gzip()
    };
    let two = vec![
        (third("x"), IMAGE_LAYER_GZIP_MEDIA_TYPE),
        (third("y"), IMAGE_LAYER_GZIP_MEDIA_TYPE),
    ];
    let (tag, _) = room.push("two:1", two).await;
    let error = bounded.load(&tag).await.unwrap_err().to_string();
    assert!(
        error.contains("layer 2") && error.contains("4194304 bytes"),
        "{error}"
    );
}

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

#[tokio::test]
async fn a_reference_that_names_no_host_is_refused() {
    let cache = Folder::new();
    let oci = oci(&cache, Bounds::default());
    for reference in [
        "oci://alpine",
        "oci://owner/alpine",
        "oci://",
        "oci://x.org/UPPER",
        "oci://x.org/a:b c",
    ] {
        let error = oci.load(reference).await.unwrap_err().to_string();
        assert!(
            error.contains("looks like oci://ghcr.io/owner/name:1.0"),
            "{error}"
        );
    }
    assert!(!oci.claims("ghcr.io/x/y") && !oci.claims("/ipfs/x"));
}
