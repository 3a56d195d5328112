//! Runs the tests: the host's, then the components' and the SDK's as native
//! code. All of them run, also when some fail.

use std::process::Command;

use crate::arguments::Profile;
use crate::build;
use crate::command::{self, cargo, heading};
use crate::error::{Error, Result};
use crate::prepare;
use crate::tree::Tree;

/// Tests of one workspace.
struct Suite {
    name: &'static str,
    command: Command,
}

/// The crates that connectors build on, each its own workspace.
const SDK: [(&str, &str); 3] = [
    ("the SDK", "sdk/connector"),
    ("the SDK for PostgreSQL", "sdk/postgres"),
    ("the SDK's client of PostgreSQL", "sdk/postgres-client"),
];

/// Builds what tests run, and runs them.
pub fn run(tree: &Tree, full: bool) -> Result<()> {
    prepare::all(tree)?;
    build::components(tree, Profile::Dev)?;
    build::test_components(tree)?;
    let mut failed = Vec::new();
    let suites = suites(tree, full);
    let count = suites.len();
    for mut suite in suites {
        heading(&format!("testing {}", suite.name));
        if let Err(error) = command::run(&mut suite.command) {
            eprintln!("error: {error}");
            failed.push(suite.name);
        }
    }
    heading("summary");
    if failed.is_empty() {
        println!(
            "test: {count} of {count} suites passed{}",
            if full { " (full)" } else { "" }
        );
        return Ok(());
    }
    Err(Error::unmet(format!(
        "{} of {count} suites failed: {}",
        failed.len(),
        failed.join(", ")
    )))
}

fn suites(tree: &Tree, full: bool) -> Vec<Suite> {
    let target = tree.components_target();
    let mut host = cargo(&tree.root);
    host.args(["test", "--workspace", "--no-fail-fast", "--target-dir"])
        .arg(&tree.target);
    if full {
        // A feature of the command line's crate alone: nothing else is rebuilt.
        host.args(["--features", "vesicle/full"]);
    }
    let mut components = cargo(&tree.components());
    components
        .args([
            "test",
            "--workspace",
            "--no-fail-fast",
            "--locked",
            "--target-dir",
        ])
        .arg(&target);
    let mut suites = vec![
        Suite {
            name: "the host",
            command: host,
        },
        Suite {
            name: "the components",
            command: components,
        },
    ];
    suites.extend(SDK.map(|(name, folder)| {
        let mut command = cargo(&tree.root.join(folder));
        command
            .args(["test", "--no-fail-fast", "--locked", "--target-dir"])
            .arg(&target);
        Suite { name, command }
    }));
    suites
}
