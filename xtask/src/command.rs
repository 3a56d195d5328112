//! Runs other programs.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Says on stderr what comes next. Cargo writes there too, so the order holds.
pub fn heading(text: &str) {
    eprintln!("\n== {text}");
}

/// What cargo tells the program that it runs of the package that it is of.
const OF_THIS_PACKAGE: [&str; 4] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_CRATE_",
    "CARGO_BIN_",
];

/// Cargo, the one that runs this program, in a folder. It is not told of this
/// program's package: build scripts that look there would run again whenever
/// somebody builds without `cargo xtask`.
pub fn cargo(folder: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if OF_THIS_PACKAGE
            .iter()
            .any(|prefix| told.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a program that has to succeed; what it prints is seen.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(not_started(command))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: line(command),
            status,
        })
    }
}

/// Runs a program that has to succeed, and returns what it prints on stdout.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(not_started(command))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Failed {
            command: line(command),
            status: output.status,
        })
    }
}

/// Whether a program can be started and succeeds; what it prints is not seen.
pub fn succeeds(command: &mut Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether the error is that there is no such program.
pub fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotStarted { error, .. } if error.kind() == ErrorKind::NotFound)
}

/// A command line, to show.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn not_started(command: &Command) -> impl FnOnce(std::io::Error) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    move |error| Error::NotStarted { program, error }
}
