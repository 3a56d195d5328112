//! What the tests of cells share.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vesicle_cell::image::{Image, Layer};
use vesicle_cell::{Cells, Command, Config, Exit, Limits, Running, Stdio};
use vesicle_engine::Engines;
use vesicle_pool::wasi::{FileGrant, Grants};

/// Where cells run, with a cache of compiled code that lasts.
pub fn cells() -> Cells {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-cache");
    let engines = Engines::new(vesicle_engine::Config {
        cache: Some(cache),
        ..vesicle_engine::Config::default()
    });
    Cells::new(engines.unwrap()).unwrap()
}

/// A folder that `cargo xtask build` makes beside the host's binaries.
pub fn beside_the_host(part: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let path = here.ancestors().nth(2).unwrap().join(part);
    assert!(
        path.exists(),
        "{} is missing; run: cargo xtask build",
        path.display()
    );
    path
}

/// A file of an image that ships.
pub fn image(file: &str) -> PathBuf {
    beside_the_host(&format!("images/{file}"))
}

/// A component that only tests run.
pub fn guest(name: &str) -> Vec<u8> {
    std::fs::read(beside_the_host(&format!("test-components/{name}.wasm"))).unwrap()
}

/// A cell of a component, with these arguments and nothing else.
pub fn cell(wasm: Vec<u8>, arguments: &[&str]) -> Command {
    Command {
        arguments: arguments.iter().map(|&it| it.to_owned()).collect(),
        ..Command::new("pid0", wasm)
    }
}

/// A component that is one function in the engine's text: what it does before it
/// leaves an `i32`, and what else is in its module.
pub fn command(fields: &str, instructions: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m
                {fields}
                (func (export "run") (result i32) {instructions}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $r)))"#
    );
    wat::parse_str(text).unwrap()
}

/// An image of one folder, with these arguments and nothing else.
pub fn image_of(name: &str, folder: &Path, arguments: &[&str]) -> Config {
    Config {
        name: name.to_owned(),
        image: Image::open(vec![Layer::open(folder).unwrap()]).unwrap(),
        arguments: arguments.iter().map(|&it| it.to_owned()).collect(),
        grants: Grants::default(),
        limits: Limits::default(),
        stdio: Stdio::Kept,
        epoch_file: None,
        #[cfg(feature = "network")]
        network: None,
        notice: Arc::new(|_, _| ()),
    }
}

/// Grants one file of the host for reading.
pub fn with_file(mut command: Command, guest: &str, host: PathBuf) -> Command {
    command.grants.files.push(FileGrant {
        guest: guest.to_owned(),
        host,
    });
    command
}

/// Waits for a cell, and returns how it ended and what it has written.
pub async fn finish(running: &Running) -> (Exit, String, String) {
    let exit = running.wait().await;
    (
        exit,
        text(&running.stdout).await,
        text(&running.stderr).await,
    )
}

/// All that was written, of which nothing may be lost.
pub async fn text(output: &vesicle_cell::output::Output) -> String {
    let piece = output.read(usize::MAX).await;
    assert_eq!(piece.lost, 0);
    String::from_utf8(piece.bytes).unwrap()
}
