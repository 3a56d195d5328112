//! Images: what they need, what is nested in them, and those that mean harm.

#![allow(clippy::unwrap_used)]

mod folders;

use folders::Folder;
use vesicle_cell::image::{Image, MAX_NESTING, MAX_SERVICES};

const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
const OTHER: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

fn refused(folder: &Folder) -> String {
    let error = folder.image().unwrap_err().to_string();
    error.replace(&*folder.path().to_string_lossy(), "LAYER")
}

#[test]
fn the_component_may_be_in_any_layer_and_the_last_one_wins() {
    let (base, site) = (Folder::of_image(), Folder::new().with("etc/site", "s"));
    let image = Image::open(vec![base.layer(), site.layer()]).unwrap();
    assert_eq!(image.main().unwrap(), b"\0asm");
    let newer = Folder::new().with("bin/main.wasm", "newer");
    let image = Image::open(vec![base.layer(), site.layer(), newer.layer()]).unwrap();
    assert_eq!(image.main().unwrap(), b"newer");
    assert!(image.tree().open("etc/site").is_ok());
}

#[test]
fn an_image_without_a_component_names_its_layers() {
    let (one, two) = (Folder::new(), Folder::new().with("bin/other.wasm", ""));
    let error = Image::open(vec![one.layer(), two.layer()])
        .unwrap_err()
        .to_string();
    let (one, two) = (one.path().display(), two.path().display());
    let expected = format!(
        "the image: no bin/main.wasm in any of its layers ({one}, {two}); an image needs one: \
         put the component there, or add the layer that has it"
    );
    assert_eq!(error, expected);
    assert!(
        Image::open(Vec::new())
            .unwrap_err()
            .to_string()
            .contains("it has none")
    );
}

#[test]
fn a_component_that_is_none_is_refused() {
    let folder = Folder::new().with("bin/main.wasm/x", "");
    assert_eq!(refused(&folder), "the image: bin/main.wasm is a folder");
    let folder = Folder::new().linked("bin/main.wasm", "/bin/sh");
    assert_eq!(
        refused(&folder),
        "the image: bin/main.wasm is a link that leads out of its layer: LAYER"
    );
    let folder = Folder::of_image();
    let file = std::fs::File::options()
        .write(true)
        .open(folder.at("bin/main.wasm"));
    file.unwrap().set_len((256 << 20) + 1).unwrap();
    assert_eq!(
        refused(&folder),
        "the image: bin/main.wasm has more than 268435456 bytes"
    );
}

#[test]
fn services_are_images_all_the_way_down_and_stacked_like_everything() {
    let base = Folder::of_image()
        .with("svc/web/bin/main.wasm", "web")
        .with("svc/web/svc/log/bin/main.wasm", "log")
        .with("svc/.keep", "");
    let site = Folder::new()
        .with("svc/web/bin/main.wasm", "newer web")
        .with("svc/db/bin/main.wasm", "db");
    let image = Image::open(vec![base.layer(), site.layer()]).unwrap();
    let [(db, _), (web, of_web)] = image.services() else {
        panic!("{:?}", image.services());
    };
    assert_eq!((db.as_str(), web.as_str()), ("db", "web"));
    assert_eq!(of_web.main().unwrap(), b"newer web");
    let [(log, of_log)] = of_web.services() else {
        panic!("{:?}", of_web.services());
    };
    assert_eq!(
        (log.as_str(), of_log.main().unwrap()),
        ("log", b"log".to_vec())
    );
    assert!(of_log.services().is_empty());
}

#[test]
fn a_service_that_is_no_image_is_named_with_its_place() {
    let folder = Folder::of_image()
        .with("svc/a/bin/main.wasm", "")
        .with("svc/a/svc/b/x", "");
    assert_eq!(
        refused(&folder),
        "the image, svc/a, svc/b: no bin/main.wasm in any of its layers (LAYER/svc/a/svc/b); an \
         image needs one: put the component there, or add the layer that has it"
    );
    let folder = Folder::of_image().with("svc/web.wasm", "");
    assert_eq!(
        refused(&folder),
        "the image: svc/web.wasm is no image: svc/web.wasm is a file"
    );
    let folder = Folder::of_image().linked("svc/out", "/");
    assert_eq!(
        refused(&folder),
        "the image: svc/out is no image: svc/out is a link that leads out of its layer: LAYER"
    );
    let folder = Folder::of_image().with("svc/a\u{1b}[2K/bin/main.wasm", "");
    assert!(refused(&folder).contains(r"svc/a\u{1b}[2K has a name that cannot be shown"));
}

#[test]
fn services_in_a_circle_are_refused() {
    let folder = Folder::of_image().linked("svc/me", "..");
    assert_eq!(
        refused(&folder),
        "the image, svc/me: services are nested in a circle: this image is the same as the image"
    );
    // Over two layers of which only one has the link.
    let real = Folder::new().with("svc/me/etc/x", "");
    let error = Image::open(vec![folder.layer(), real.layer()]).unwrap_err();
    assert!(error.to_string().contains("in a circle"), "{error}");
    // Within a service.
    let folder = Folder::of_image()
        .with("svc/a/bin/main.wasm", "")
        .linked("svc/a/svc/up", "..");
    assert_eq!(
        refused(&folder),
        "the image, svc/a, svc/up: services are nested in a circle: this image is the same as \
         the image, svc/a"
    );
    // Out of the service, which is its own layer.
    let folder = Folder::of_image()
        .with("svc/a/bin/main.wasm", "")
        .linked("svc/a/svc/up", "../..");
    assert!(refused(&folder).contains("leads out of its layer"));
}

#[test]
fn the_same_folder_may_stand_in_two_places() {
    let folder = Folder::of_image()
        .with("svc/one/bin/main.wasm", "one")
        .linked("svc/two", "one");
    assert_eq!(folder.image().unwrap().services().len(), 2);
    let inner = vesicle_cell::image::Layer::open(&folder.at("svc/one")).unwrap();
    let image = Image::open(vec![folder.layer(), inner]).unwrap();
    assert_eq!(image.main().unwrap(), b"one");
}

#[test]
fn services_are_bounded_in_number_and_depth() {
    let folder = Folder::of_image();
    for n in 0..=MAX_SERVICES {
        folder.write(&format!("svc/{n}/bin/main.wasm"), "");
    }
    assert_eq!(
        refused(&folder),
        "the image: there are more than 256 services"
    );
    let folder = Folder::of_image();
    let nested = |depth: usize| format!("{}bin/main.wasm", "svc/x/".repeat(depth));
    for depth in 1..=MAX_NESTING {
        folder.write(&nested(depth), "");
    }
    assert!(folder.image().is_ok());
    folder.write(&nested(MAX_NESTING + 1), "");
    let error = refused(&folder);
    assert!(
        error.ends_with("services are nested deeper than 16"),
        "{error}"
    );
}

#[test]
fn peers_have_their_addresses_in_order() {
    let folder = Folder::of_image()
        .with(
            &format!("boot/{PEER}"),
            &format!("# of the office\n\n /ip4/192.0.2.7/tcp/4001 \n/dns4/example.org/udp/4001/quic-v1/p2p/{PEER}\r\n"),
        )
        .with(&format!("boot/{OTHER}"), "")
        .with("boot/.gitkeep", "");
    let image = folder.image().unwrap();
    let [peer, other] = image.peers() else {
        panic!("{:?}", image.peers());
    };
    assert_eq!(peer.id.to_base58(), PEER);
    let addresses: Vec<_> = peer.addresses.iter().map(ToString::to_string).collect();
    let long = format!("/dns4/example.org/udp/4001/quic-v1/p2p/{PEER}");
    assert_eq!(addresses, ["/ip4/192.0.2.7/tcp/4001", &long]);
    assert_eq!(
        (other.id.to_base58(), other.addresses.len()),
        (OTHER.to_owned(), 0)
    );
}

#[test]
fn a_peer_of_a_later_layer_replaces_the_earlier_one() {
    let name = format!("boot/{PEER}");
    let base = Folder::of_image().with(&name, "/ip4/192.0.2.7/tcp/1");
    let site = Folder::new().with(&name, "/ip4/192.0.2.7/tcp/2");
    let image = Image::open(vec![base.layer(), site.layer()]).unwrap();
    assert_eq!(
        image.peers()[0].addresses[0].to_string(),
        "/ip4/192.0.2.7/tcp/2"
    );
}

#[test]
fn a_bad_peer_is_told_with_file_and_line() {
    let folder = Folder::of_image().with("boot/office", "/ip4/192.0.2.7/tcp/4001");
    let error = refused(&folder);
    assert!(
        error.starts_with("the image: boot/office is not named after a peer: "),
        "{error}"
    );
    let name = format!("boot/{PEER}");
    for (text, expected) in [
        (
            "/ip4/192.0.2.7/tcp/1\nhttp://x",
            ":2: \"http://x\" is no address: ",
        ),
        (
            "/ip4/1.2.3/tcp/1",
            ":1: \"/ip4/1.2.3/tcp/1\" is no address: ",
        ),
        ("\n\n/tcp/99999999", ":3: \"/tcp/99999999\" is no address: "),
        (
            &format!("/ip4/192.0.2.7/p2p/{OTHER}"),
            "leads to another peer",
        ),
        ("\u{1b}[2K", r#""\u{1b}[2K" is no address"#),
    ] {
        let error = refused(&Folder::of_image().with(&name, text));
        assert!(error.starts_with(&format!("the image: {name}:")), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    let error = refused(&Folder::of_image().with(&name, &"#\n".repeat(1 << 16)));
    assert!(error.ends_with("has more than 65536 bytes"), "{error}");
    let error = refused(&Folder::of_image().with(&format!("{name}/x"), ""));
    assert!(
        error.ends_with("is a folder, and should be a file"),
        "{error}"
    );
    let error = refused(&Folder::of_image().linked(&name, "/etc/passwd"));
    assert!(error.contains("leads out of its layer"), "{error}");
}
