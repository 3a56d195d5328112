//! Build, test, demo, dist and bench: everything that is more than one cargo
//! command. `cargo xtask` prints what there is.
//!
//! Invariants: nothing is written outside the target folders, except what
//! rustup and the system's package manager install; each command can be
//! repeated; a step that cannot be taken says what to do.

mod arguments;
mod bench;
mod build;
mod command;
mod demo;
mod dist;
mod error;
mod files;
mod foreign;
mod guests;
mod images;
mod ipfs;
mod prepare;
mod test;
mod toolchain;
mod tree;

use std::process::ExitCode;

use arguments::{Profile, Task};
use error::Error;
use tree::Tree;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let done = Task::parse(&words).and_then(carry_out);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if matches!(error, Error::Usage(_)) {
                2
            } else {
                1
            })
        }
    }
}

fn carry_out(task: Task) -> Result<(), Error> {
    let tree = Tree::find()?;
    match task {
        Task::Help => {
            println!("{}", arguments::HELP);
            Ok(())
        }
        Task::Build(profile) => {
            build::all(&tree, profile)?;
            match profile {
                Profile::Dev => build::test_components(&tree),
                Profile::Release => Ok(()),
            }
        }
        Task::Demo => demo::run(&tree),
        Task::Prepare => prepare::all(&tree),
        Task::Test { full } => test::run(&tree, full),
        Task::Dist { profile, to } => dist::make(&tree, profile, to),
        Task::Bench { name, runs } => bench::run(&tree, name.as_deref(), runs),
    }
}
