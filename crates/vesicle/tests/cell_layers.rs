//! Images that `vesicle run` fetches: from a gateway of IPFS that need not be
//! honest, and from Debian's registry.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../cell/tests/folders/mod.rs"]
mod folders;
#[path = "../../cell/tests/oci/mod.rs"]
mod oci;
#[path = "../../cell/tests/servers/mod.rs"]
mod servers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use common::cells::{Cell, Host, said};
use oci::Room;
use oci_client::manifest::{IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE};
use rustix::process::Signal;
use servers::blocks::Blocks;
use servers::http::{Reply, Server};

/// What the image that ships prints.
const PRINTED: &str = "Echo: one\nEcho: two\n";
const MAIN: &str = "bin/main.wasm";
const CHILD: &str = "usr/lib/child-echo.wasm";

/// The image that ships, as a folder.
fn pid0() -> PathBuf {
    let image = Path::new(common::BINARY).with_file_name("images/pid0");
    assert!(image.join(MAIN).is_file(), "run: cargo xtask build");
    image
}

/// An archive of these files of the image that ships.
fn archive(files: &[&str]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        archive
            .append_path_with_name(pid0().join(file), file)
            .unwrap();
    }
    archive.into_inner().unwrap()
}

/// A folder with these files of the image that ships.
fn folder(files: &[&str]) -> folders::Folder {
    let folder = folders::Folder::new();
    for file in files {
        folder.write(file, "");
        fs::copy(pid0().join(file), folder.at(file)).unwrap();
    }
    folder
}

fn run(host: &Host, layers: &[&str]) -> Output {
    let mut command = host.vesicle(&["run"]);
    command.args(layers).output().unwrap()
}

/// The command, with a gateway.
fn through(host: &Host, gateway: &str, layers: &[&str]) -> Command {
    let mut command = host.vesicle(&["run", "--gateway"]);
    command.arg(format!("http://{gateway}")).args(layers);
    command
}

#[track_caller]
fn assert_printed(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), PRINTED);
    assert_eq!(said(output), "");
}

/// Where nobody answers.
fn nobody() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn an_image_of_a_registry_runs_and_without_the_registry_by_its_digest() {
    let (host, room) = (Host::new(), Room::new());
    let packed = oci::gzip(&archive(&[MAIN, CHILD]));
    let layers = vec![(packed, IMAGE_LAYER_GZIP_MEDIA_TYPE)];
    let (tag, digest) = room.push("cells/pid0:1", layers).await;
    assert_printed(&run(&host, &[&tag]));
    drop(room);
    assert_printed(&run(&host, &[&digest]));
    // Only the registry says what a tag stands for.
    let output = run(&host, &[&tag]);
    assert_eq!(output.status.code(), Some(4));
    let expected = format!("cannot open the layer {tag}: as oci://HOST/NAME:TAG: ");
    assert!(said(&output).contains(&expected), "{}", said(&output));
    assert!(
        said(&output).contains("Connection refused"),
        "{}",
        said(&output)
    );
}

#[tokio::test]
async fn a_layer_of_a_registry_and_one_of_this_machine_are_stacked() {
    let (host, room) = (Host::new(), Room::new());
    let layers = vec![(archive(&[MAIN]), IMAGE_LAYER_MEDIA_TYPE)];
    let (above, _) = room.push("cells/main:1", layers).await;
    let child = folder(&[CHILD]);
    let child = child.path().to_str().unwrap();
    assert_printed(&run(&host, &[&above, child]));
    assert_printed(&run(&host, &[child, &above]));
    // Each lacks what the other has.
    let output = run(&host, &[child]);
    assert_eq!(output.status.code(), Some(4));
    assert!(
        said(&output).contains("no bin/main.wasm"),
        "{}",
        said(&output)
    );
    let output = run(&host, &[&above]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(CHILD), "{}", said(&output));
    // The last one wins.
    let broken = folders::Folder::new().with(CHILD, "no component");
    let output = run(&host, &[child, &above, broken.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("WebAssembly"), "{}", said(&output));
}

#[test]
fn an_image_of_ipfs_runs_and_again_without_the_gateway() {
    let (host, mut blocks) = (Host::new(), Blocks::default());
    let image = blocks.import(&pid0());
    let all = blocks.import(pid0().parent().unwrap());
    let gateway = blocks.gateway();
    let references = [
        format!("ipfs://{image}"),
        format!("ipfs://{all}/pid0"),
        format!("/ipfs/{image}"),
        image.to_string(),
    ];
    for reference in &references {
        assert_printed(
            &through(&host, &gateway.address, &[reference])
                .output()
                .unwrap(),
        );
    }
    let asked = gateway.asked();
    let mut by_variable = host.vesicle(&["run"]);
    by_variable.env("VESICLE_GATEWAY", format!("http://{}", nobody()));
    assert_printed(&by_variable.arg(&references[0]).output().unwrap());
    assert_eq!(gateway.asked(), asked);
}

#[test]
fn a_gateway_that_lies_is_told_with_the_file_and_the_block_and_nothing_runs() {
    let (host, mut blocks) = (Host::new(), Blocks::default());
    let image = blocks.import(&pid0());
    // The component's second chunk, with other bytes of the same length.
    let main = fs::read(pid0().join(MAIN)).unwrap();
    let chunk = Blocks::default()
        .raw(&main[256 << 10..512 << 10])
        .to_string();
    blocks.0.get_mut(&chunk).unwrap()[77] ^= 1;
    let gateway = blocks.gateway();
    let reference = format!("ipfs://{image}");
    for _ in 0..2 {
        let output = through(&host, &gateway.address, &[&reference]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert_eq!(output.stdout, b"");
        assert_eq!(
            said(&output),
            format!(
                "error: cannot open the layer {reference}: as /ipfs/CID: \
                 {MAIN} cannot be fetched: http://{}/ gave other bytes than {chunk} names; \
                 use another gateway\n",
                gateway.address
            )
        );
    }
}

#[test]
fn what_no_loader_has_is_told_with_the_reasons_of_all() {
    let (host, gateway) = (Host::new(), Blocks::default().gateway());
    let cid = Blocks::default().raw(b"nowhere");
    let reference = format!("/ipfs/{cid}");
    let output = through(&host, &gateway.address, &[&reference]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        said(&output),
        format!(
            "error: cannot open the layer {reference}: as the path of a folder: \
             No such file or directory (os error 2); as /ipfs/CID: \
             the root cannot be fetched: http://{}/ has no {cid}: 404 Not Found\n",
            gateway.address
        )
    );
}

#[test]
fn a_signal_ends_a_fetch_and_nothing_is_kept() {
    let host = Host::new();
    let silent = Server::start(|_| Reply::Silence);
    let cid = Blocks::default().raw(b"nowhere");
    for reference in [
        format!("ipfs://{cid}"),
        format!("oci://{}/x/y:1", silent.address),
    ] {
        for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let asked = silent.asked();
            let mut command = through(&host, &silent.address, &[&reference]);
            let mut cell = Cell(command.spawn().unwrap());
            while silent.asked() == asked {
                std::thread::sleep(Duration::from_millis(1));
            }
            cell.signal(signal);
            assert_eq!(cell.ends_soon().code(), Some(status), "{reference}");
            assert_eq!(common::list(&host.cache()), Vec::<String>::new());
        }
    }
}
