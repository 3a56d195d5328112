//! The components that `cargo xtask build` and `cargo xtask prepare` make for
//! the tests, and pools that take them.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vesicle_engine::{Config, Engines};
use vesicle_pool::wasi::Wasi;
use vesicle_pool::{Interface, Pool, Provider, Token};

/// A pool in which the interfaces of a text are declared, and WASI's.
pub fn pool(wit: &str) -> Pool {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-cache");
    let engines = Engines::new(Config {
        cache: Some(cache),
        ..Config::default()
    });
    let pool = Pool::new(engines.unwrap());
    let interfaces = Interface::from_wit(wit).unwrap();
    for interface in interfaces.into_iter().chain(Wasi::offered()) {
        pool.declare(interface).unwrap();
    }
    pool
}

/// A component, which lies beside the folder of this program.
pub fn component(name: &str) -> Vec<u8> {
    let here = std::env::current_exe().unwrap();
    let binaries = here.ancestors().nth(2).unwrap();
    let file: PathBuf = [binaries, Path::new("test-components")].iter().collect();
    let file = file.join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run: cargo xtask prepare, and cargo xtask build",
            file.display()
        )
    })
}

/// Tokens, and those of WASI.
pub fn with_wasi(wasi: Wasi, mut tokens: Vec<Token>) -> Vec<Token> {
    let wasi: Arc<dyn Provider> = Arc::new(wasi);
    tokens.extend(Token::all(&wasi));
    tokens
}
