//! Cells of two hosts, in network namespaces of their own, that find each other by
//! `boot/`: one serves a membrane of its own, the other grafts there.
//!
//! Each host is a process: this program again, as `node`. It needs root and `ip`,
//! and fails without. Its own `main`, since a test that starts itself as something
//! else is no plain one.
#![allow(clippy::unwrap_used)]

mod cable;
mod common;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio as Pipe};

use cable::{Cable, remove_left_behind};
use common::{cells, guest, image_of, text};
use vesicle_cell::network::{Config as Network, Identity};
use vesicle_cell::{Config, Exit, Node};

const NAME: &str = "a_cell_grafts_to_what_a_cell_of_another_host_serves_and_both_see_its_epoch_end";
/// Where each host listens.
const PORT: &str = "tcp/4748";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["node", image, identity, listen, rest @ ..] = &words[..] {
        return run_node(image, identity, listen, rest);
    }
    if words.contains(&"--list") {
        println!("{NAME}: test");
        return ExitCode::SUCCESS;
    }
    let filter = words.iter().find(|word| !word.starts_with('-'));
    if filter.is_some_and(|filter| !NAME.contains(filter)) {
        return ExitCode::SUCCESS;
    }
    remove_left_behind();
    let passed = std::panic::catch_unwind(both_see_the_epoch_end).is_ok();
    println!("test {NAME} ... {}", if passed { "ok" } else { "FAILED" });
    ExitCode::from(u8::from(!passed))
}

fn both_see_the_epoch_end() {
    let folder = tempfile::tempdir().unwrap();
    let cable = Cable::new("cells");
    let identity = |side: usize| folder.path().join(format!("identity-{side}"));
    let ids = [0, 1].map(|side| Identity::open(&identity(side)).unwrap().id().to_string());
    let at = |side: usize| format!("/ip4/10.47.0.{}/{PORT}", side + 1);
    // Each knows the other from its image.
    let image = |side: usize| {
        let image = folder.path().join(format!("image-{side}"));
        std::fs::create_dir_all(image.join("bin")).unwrap();
        std::fs::create_dir_all(image.join("boot")).unwrap();
        std::fs::write(image.join("bin/main.wasm"), guest("cell-neighbour")).unwrap();
        std::fs::write(image.join("boot").join(&ids[1 - side]), at(1 - side)).unwrap();
        image
    };
    let start = |side: usize, arguments: &[&str]| -> Child {
        Command::new("ip")
            .args(["netns", "exec", &cable.namespaces[side]])
            .arg(std::env::current_exe().unwrap())
            .arg("node")
            .arg(image(side))
            .arg(identity(side))
            .arg(at(side))
            .args(arguments)
            .stdout(Pipe::piped())
            .stderr(Pipe::piped())
            .spawn()
            .unwrap()
    };
    let serving = start(0, &["serve"]);
    let visiting = start(1, &["visit", &ids[0]]);
    let visited = said(visiting);
    let served = said(serving);
    assert_eq!(
        visited,
        "epoch 0: a neighbour heard hello\nstale: 0 of 1\nepoch 1: a neighbour heard hello again\n",
        "the other has said: {served}"
    );
    assert_eq!(
        served,
        "serving\ngrafted in epoch 0\n\
         refused: the session was of epoch 0, and this is epoch 1; graft again\n\
         grafted in epoch 1\n"
    );
}

/// What a host's cell has printed, once it has ended well.
fn said(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    out
}

#[tokio::main]
async fn run_node(image: &str, identity: &str, listen: &str, arguments: &[&str]) -> ExitCode {
    let network = Network {
        listen: vec![listen.parse().unwrap()],
        ..Network::new(Identity::open(Path::new(identity)).unwrap())
    };
    let config = Config {
        network: Some(network),
        ..image_of("neighbour", Path::new(image), arguments)
    };
    let cells = cells();
    let mut node = Node::start(&cells, config).await.unwrap();
    let exit = node.wait().await;
    let running = node.running();
    print!("{}", text(&running.stdout).await);
    eprint!("{}", text(&running.stderr).await);
    match exit {
        Exit::Code(0) => ExitCode::SUCCESS,
        exit => {
            eprintln!("{exit}");
            ExitCode::FAILURE
        }
    }
}
