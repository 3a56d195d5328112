//! The compiler's target for components.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// What components are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// A sysroot that the user names has the target: see CONTRIBUTING.md.
const FLAGS: &str = "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS";

/// Installs the target where it is missing.
pub fn ensure_target(tree: &Tree) -> Result<()> {
    if is_installed(tree)? {
        return Ok(());
    }
    command::heading(&format!("installing the target {TARGET}"));
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]).current_dir(&tree.root);
    let what_to_do = match command::run(&mut add) {
        Ok(()) if is_installed(tree)? => return Ok(()),
        Ok(()) => "rustup has installed it for another toolchain than the one in use".to_owned(),
        Err(error) if command::is_missing(&error) => "there is no rustup here".to_owned(),
        Err(error) => format!("{error}; what it said is above"),
    };
    Err(Error::unmet(format!(
        "components are compiled for {TARGET}, which the compiler does not have, and {what_to_do}.\n\
         Run `rustup target add {TARGET}` where it can reach the network, and repeat.\n\
         Without rustup, CONTRIBUTING.md (\"Without rustup\") tells another way."
    )))
}

/// Whether the compiler finds a standard library for the target.
fn is_installed(tree: &Tree) -> Result<bool> {
    if std::env::var(FLAGS).is_ok_and(|flags| flags.contains("--sysroot")) {
        return Ok(true);
    }
    let mut ask = Command::new("rustc");
    ask.args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(&tree.root);
    let folder = PathBuf::from(command::output(&mut ask)?.trim());
    let is_std = |name: &str| name.starts_with("libstd-") && name.ends_with(".rlib");
    Ok(fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_str().is_some_and(is_std))
    }))
}
