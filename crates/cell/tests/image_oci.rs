//! Layers of a registry, Debian's docker-registry, and archives that mean harm.

#![allow(clippy::unwrap_used)]

mod folders;
mod oci;
mod servers;

use std::fs;

use folders::Folder;
use oci::{Room, Tar, gzip, names, oci, read};
use oci_client::manifest::{
    IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE,
};
use tar::{EntryType, Header};
use vesicle_cell::image::Image;
use vesicle_cell::image::loader::{Bounds, Loader as _};

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
