//! Layers of IPFS: of blocks that another importer made, and of blocks and
//! gateways that mean harm.

#![allow(clippy::unwrap_used)]

mod folders;
mod servers;

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cid::Cid;
use cid::multihash::Multihash;
use folders::Folder;
use servers::blocks::{Blocks, FILE, FOLDER, SYMLINK, field};
use servers::http::{Reply, Server};
use vesicle_cell::image::loader::{Bounds, Cache, Ipfs, Loader as _};
use vesicle_cell::image::{Image, Layer, Union};

/// What `cargo xtask prepare` has made.
fn made() -> PathBuf {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-data/ipfs");
    assert!(made.join("made-from").is_file(), "run: cargo xtask prepare");
    made
}

fn root(name: &str) -> String {
    let roots = fs::read(made().join("roots.json")).unwrap();
    let roots: HashMap<String, String> = serde_json::from_slice(&roots).unwrap();
    roots[name].clone()
}

/// A gateway that has what another importer has made.
fn honest() -> Server {
    let blocks = made().join("blocks");
    Server::gateway(move |cid| match fs::read(blocks.join(cid)) {
        Ok(block) => Reply::Body(block),
        Err(_) => Reply::Missing,
    })
}

fn loader(gateway: &Server, cache: &Folder) -> Ipfs {
    bounded(gateway, cache, Bounds::default())
}

fn bounded(gateway: &Server, cache: &Folder, bounds: Bounds) -> Ipfs {
    let cache = Cache::at(&cache.at("vesicle/images"));
    Ipfs::new(&format!("http://{}", gateway.address), cache, bounds).unwrap()
}

fn read(layer: &Layer, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let union = Union::new(vec![layer.clone()]);
    union.open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn check(layer: &Layer) {
    assert_eq!(read(layer, "bin/main.wasm"), b"\0asm of a test");
    assert_eq!(read(layer, "etc/empty"), b"");
    assert_eq!(read(layer, "etc/größe"), b"a name that is not ASCII");
    let large: Vec<u8> = (0..1_000_000_u64)
        .map(|n| ((n * n + (n >> 8)) % 251) as u8)
        .collect();
    assert!(read(layer, "etc/large") == large);
    let union = Union::new(vec![layer.clone()]);
    assert_eq!(union.entries("usr/lib/many").unwrap().len(), 1500);
    for n in [0, 7, 1499] {
        let text = format!("contents of {n}");
        assert_eq!(
            read(layer, &format!("usr/lib/many/file-{n}")),
            text.as_bytes()
        );
    }
    let names: Vec<_> = union
        .entries("")
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, ["bin", "etc", "usr"]);
}

#[tokio::test]
async fn an_image_that_another_importer_made_is_fetched_whole_and_once() {
    let (gateway, cache) = (honest(), Folder::new());
    let ipfs = loader(&gateway, &cache);
    for (version, forms) in [
        ("v1", ["ipfs://", "/ipfs/", ""]),
        ("v0", ["", "/ipfs/", "ipfs://"]),
    ] {
        let before = gateway.asked();
        for form in forms {
            let reference = format!("{form}{}", root(version));
            assert!(ipfs.claims(&reference));
            check(&ipfs.load(&reference).await.unwrap());
        }
        let blocks = gateway.asked() - before;
        assert!((1500..2500).contains(&blocks), "{blocks}");
    }
    let layer = ipfs.load(&root("v1")).await.unwrap();
    assert!(Image::open(vec![layer]).is_ok());
    let mode = fs::metadata(cache.at("vesicle/images"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    for entry in fs::read_dir(cache.at("vesicle/images")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(entry.file_name().to_string_lossy().starts_with("ipfs-"));
    }
}

#[tokio::test]
async fn a_folder_below_a_root_is_a_layer_too() {
    let (gateway, cache) = (honest(), Folder::new());
    let ipfs = loader(&gateway, &cache);
    let root = root("v1");
    let many = ipfs
        .load(&format!("ipfs://{root}/usr/lib/many/"))
        .await
        .unwrap();
    assert_eq!(read(&many, "file-12"), b"contents of 12");
    for (path, reason) in [
        ("etc/none", "there is no \"none\" in bafy"),
        (
            "usr/lib/many/file-1500",
            "there is no \"file-1500\" in bafy",
        ),
        ("usr/lib/many/file-12", "the root is a file, and no layer"),
        ("etc/large/x", "is a file, and no folder"),
        ("etc/../bin", "has the name \"..\", which is none"),
    ] {
        let error = ipfs
            .load(&format!("/ipfs/{root}/{path}"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_gateway_that_lies_about_one_block_is_found_out_and_nothing_is_kept() {
    let blocks = made().join("blocks");
    let large = fs::read_dir(&blocks).unwrap().map(|entry| entry.unwrap());
    let chunk = large
        .filter(|entry| entry.metadata().unwrap().len() == 16_384)
        .map(|entry| entry.file_name().into_string().unwrap())
        .min()
        .unwrap();
    let gateway = Server::gateway(move |cid| {
        let mut block = fs::read(blocks.join(cid)).unwrap();
        if cid == chunk {
            block[77] ^= 1;
        }
        Reply::Body(block)
    });
    let cache = Folder::new();
    let ipfs = loader(&gateway, &cache);
    let error = ipfs.load(&root("v1")).await.unwrap_err().to_string();
    assert!(error.contains("etc/large"), "{error}");
    assert!(error.contains("gave other bytes than bafk"), "{error}");
    assert_eq!(fs::read_dir(cache.at("vesicle/images")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_gateway_without_an_end_or_a_beginning_is_left() {
    let root = root("v1");
    let cache = Folder::new();
    let gateway = Server::gateway(|_| Reply::Endless);
    let error = loader(&gateway, &cache)
        .load(&root)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("gives more than 2097152 bytes"), "{error}");
    let gateway = Server::gateway(|_| Reply::Silence);
    let bounds = Bounds {
        time: Duration::from_secs(1),
        ..Bounds::default()
    };
    let error = bounded(&gateway, &cache, bounds)
        .load(&root)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("takes more than 1 s"), "{error}");
    let gateway = Server::gateway(|_| Reply::Missing);
    let error = loader(&gateway, &cache)
        .load(&root)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(&format!("has no {root}: 404")), "{error}");
    let gateway = Server::gateway(|_| Reply::Redirect("http://127.0.0.1:1/x\u{9b}".to_owned()));
    let error = loader(&gateway, &cache)
        .load(&root)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("sends elsewhere"), "{error}");
    assert!(!error.contains('\u{9b}'), "{error}");
}

#[tokio::test]
async fn what_a_killed_download_left_is_not_used_and_goes_away() {
    let (gateway, cache) = (honest(), Folder::new());
    let ipfs = loader(&gateway, &cache);
    for name in [".fetching-old", ".fetching-new"] {
        cache.write(&format!("vesicle/images/{name}/bin/main.wasm"), "half");
    }
    let old = fs::File::open(cache.at("vesicle/images/.fetching-old")).unwrap();
    let two_days = Duration::from_secs(2 * 24 * 60 * 60);
    old.set_modified(SystemTime::now() - two_days).unwrap();
    check(&ipfs.load(&root("v1")).await.unwrap());
    assert!(!cache.at("vesicle/images/.fetching-old").exists());
    assert!(cache.at("vesicle/images/.fetching-new").exists());
}

/// The layer of a root that a gateway with these blocks gives, or why there is none.
async fn load(blocks: &Blocks, root: &Cid, bounds: Bounds) -> Result<Layer, String> {
    let gateway = blocks.gateway();
    let cache = Folder::new();
    let loaded = bounded(&gateway, &cache, bounds)
        .load(&root.to_string())
        .await;
    let kept = fs::read_dir(cache.at("vesicle/images"));
    let kept = kept.into_iter().flatten().count();
    assert_eq!(kept, usize::from(loaded.is_ok()));
    loaded.map_err(|error| error.to_string())
}

async fn refused(blocks: &Blocks, root: &Cid) -> String {
    let loaded = load(blocks, root, Bounds::default()).await;
    loaded.err().unwrap()
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let mut blocks = Blocks::default();
    let file = blocks.raw(b"x");
    for name in ["..", ".", "", "a/b", "/etc/passwd", "a\0b"] {
        let root = blocks.node(FOLDER, &[(name, file)]);
        let error = refused(&blocks, &root).await;
        assert!(error.contains("which is none"), "{name:?}: {error}");
    }
    let root = blocks.node(FOLDER, &[(&"a".repeat(256), file)]);
    assert!(
        refused(&blocks, &root)
            .await
            .contains("more than 255 bytes")
    );
    let twice = blocks.node(FOLDER, &[("a", file), ("a", file)]);
    assert!(
        refused(&blocks, &twice)
            .await
            .contains("a cannot be written")
    );
    let link = blocks.node_with(&[vec![8, SYMLINK], field(2, b"/etc")].concat(), &[]);
    let root = blocks.node(FOLDER, &[("etc", link)]);
    assert!(
        refused(&blocks, &root)
            .await
            .contains("etc is a symbolic link")
    );
    let root = blocks.node(FOLDER, &[("a\u{1b}[2K", link)]);
    assert!(
        refused(&blocks, &root)
            .await
            .contains(r"a\u{1b}[2K is a symbolic link")
    );
}

#[tokio::test]
async fn what_is_no_folder_of_files_is_refused() {
    let mut blocks = Blocks::default();
    let file = blocks.raw(b"x");
    let folder = blocks.node(FOLDER, &[]);
    let chunk = blocks.node(FILE, &[("", folder)]);
    let chunk = blocks.node(FOLDER, &[("a", chunk)]);
    let other_codec = blocks.add(0x71, b"\xa0".to_vec());
    let no_message = blocks.add(0x70, b"\xff\xff".to_vec());
    let no_data = blocks.add(0x70, Vec::new());
    let no_fanout = blocks.node(5, &[]);
    let shard = blocks.node_with(&[8, 5, 0x30, 16], &[("Za", file)]);
    let part = blocks.node_with(&[8, 5, 0x30, 16], &[("0", folder)]);
    let missing = Blocks::default().raw(b"nowhere");
    let missing = blocks.node(FOLDER, &[("a", missing)]);
    for (root, reason) in [
        (file, "the root is a file, and no layer"),
        (chunk, "a has a chunk that is no part of a file"),
        (other_codec, "codec 0x71"),
        (no_message, "is no UnixFS"),
        (no_data, "it has no data"),
        (no_fanout, "a shard without a sensible fanout"),
        (shard, "has a part without a place"),
        (part, "has a part that is another folder"),
        (missing, "404"),
    ] {
        let error = refused(&blocks, &root).await;
        assert!(error.contains(reason), "{reason}: {error}");
    }
    // sha1, which anybody can find two of a kind for.
    let weak = Cid::new_v1(0x70, Multihash::wrap(0x11, &[0; 20]).unwrap());
    assert!(
        refused(&blocks, &weak)
            .await
            .contains("only sha2-256 and identity")
    );
    // A hash that says less than a whole one.
    let short = Cid::new_v1(0x70, Multihash::wrap(0x12, &[0; 4]).unwrap());
    blocks.0.insert(short.to_string(), b"x".to_vec());
    assert!(refused(&blocks, &short).await.contains("gave other bytes"));
}

#[tokio::test]
async fn a_block_that_is_in_its_name_needs_no_gateway() {
    let mut blocks = Blocks::default();
    let inline = Cid::new_v1(0x55, Multihash::wrap(0, b"inline").unwrap());
    let root = blocks.node(FOLDER, &[("a", inline)]);
    let gone = Folder::new();
    let gateway = blocks.gateway();
    let layer = loader(&gateway, &gone)
        .load(&root.to_string())
        .await
        .unwrap();
    assert_eq!(read(&layer, "a"), b"inline");
    assert_eq!(gateway.asked(), 1);
}

#[tokio::test]
async fn few_blocks_that_come_to_much_are_bounded() {
    let mut blocks = Blocks::default();
    let bounds = Bounds {
        bytes: 1 << 20,
        entries: 100,
        answers: 1000,
        ..Bounds::default()
    };
    // Twenty levels, each of ten times the one below.
    let mut file = Cid::new_v1(0x55, Multihash::wrap(0, &[7; 60]).unwrap());
    for _ in 0..20 {
        file = blocks.node(FILE, &[("", file); 10]);
    }
    let root = blocks.node(FOLDER, &[("a", file)]);
    let error = load(&blocks, &root, bounds).await.err().unwrap();
    assert!(error.contains("more than 1000 answers"), "{error}");
    let large = blocks.raw(&[7; 1 << 19]);
    let large = blocks.node(FILE, &[("", large); 3]);
    let root = blocks.node(FOLDER, &[("a", large)]);
    let error = load(&blocks, &root, bounds).await.err().unwrap();
    assert!(error.contains("more than 1048576 bytes"), "{error}");
    // Bytes that are in a name cost nothing to fetch.
    let inline = Cid::new_v1(0x55, Multihash::wrap(0, &[7; 64]).unwrap());
    let inline = blocks.node(FILE, &vec![("", inline); 20_000]);
    let root = blocks.node(FOLDER, &[("a", inline)]);
    let error = load(&blocks, &root, bounds).await.err().unwrap();
    assert!(
        error.contains("a comes to more than 1048576 bytes"),
        "{error}"
    );
    // Folders in folders, each ten times.
    let mut folder = blocks.node(FOLDER, &[]);
    let names: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    for _ in 0..20 {
        let links: Vec<_> = names.iter().map(|name| (name.as_str(), folder)).collect();
        folder = blocks.node(FOLDER, &links);
    }
    let error = load(&blocks, &folder, bounds).await.err().unwrap();
    assert!(error.contains("more than 100 files and folders"), "{error}");
    // One in the other.
    let mut folder = blocks.node(FOLDER, &[]);
    for _ in 0..200 {
        folder = blocks.node(FOLDER, &[("a", folder)]);
    }
    let error = load(&blocks, &folder, Bounds::default())
        .await
        .err()
        .unwrap();
    assert!(error.contains("128 parts"), "{error}");
    // Levels without an entry.
    let mut shard = blocks.node_with(&[8, 5, 0x30, 16], &[]);
    for _ in 0..40 {
        shard = blocks.node_with(&[8, 5, 0x30, 16], &[("0", shard)]);
    }
    let error = refused(&blocks, &shard).await;
    assert!(error.contains("more than 32 levels"), "{error}");
    // Each level leaves forty thousand nodes to wait.
    let empty = blocks.node_with(&[8, 5, 0x30, 16], &[]);
    let mut wide = empty;
    for _ in 0..8 {
        let mut links = vec![("0", empty); 40_000];
        links.push(("0", wide));
        wide = blocks.node_with(&[8, 5, 0x30, 16], &links);
    }
    let error = refused(&blocks, &wide).await;
    assert!(error.contains("more than 262144 links at once"), "{error}");
}
