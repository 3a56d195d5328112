//! Gets what the tests need and the compiler does not bring: strace, a Python
//! with pyarrow as a reader that is not ours, the flights, unpacked, and
//! components of other languages.
//!
//! Invariant: what is there is left alone; what cannot be had ends the task,
//! so that no test passes for lack of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{self, heading};
use crate::error::{Error, Result};
use crate::files;
use crate::foreign;
use crate::tree::Tree;

/// Names the independent reader, pyarrow, and its version.
const REQUIREMENTS: &str = "tests/independent/requirements.txt";
/// Prints what is installed as that file would name it.
const INSTALLED: &str = "import pyarrow; print('pyarrow==' + pyarrow.__version__)";
/// The size of the flights, unpacked, in bytes.
const FLIGHTS_BYTES: u64 = 31_053_850;
/// Unpacks the first file of an archive; zipfile checks its sum.
const UNPACK: &str = "
import shutil, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
with archive.open(archive.namelist()[0]) as packed, open(sys.argv[2], 'wb') as unpacked:
    shutil.copyfileobj(packed, unpacked, 1 << 20)
";

/// Gets everything.
pub fn all(tree: &Tree) -> Result<()> {
    strace()?;
    python(tree)?;
    flights(tree)?;
    foreign::build(tree)
}

/// Makes sure that there is an strace.
fn strace() -> Result<()> {
    let is_there = || command::succeeds(Command::new("strace").arg("-V"));
    if is_there() {
        return Ok(());
    }
    let root = command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if root && command::succeeds(Command::new("apt-get").arg("--version")) {
        heading("installing strace");
        let apt = |words: &[&str]| {
            let mut apt = Command::new("apt-get");
            command::run(apt.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        let install = ["install", "--yes", "--no-install-recommends", "strace"];
        if apt(&install).is_err() {
            apt(&["update"])?;
            apt(&install)?;
        }
    }
    if is_there() {
        return Ok(());
    }
    Err(Error::unmet(
        "a test watches system calls with strace, which is not installed; install it \
         (Debian: `apt-get install strace`) and repeat",
    ))
}

/// Makes sure that `venv/bin/python` in the target folder has pyarrow.
fn python(tree: &Tree) -> Result<()> {
    let requirements = tree.root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).map_err(Error::file(&requirements))?;
    let wanted = wanted.trim();
    let venv = tree.target.join("venv");
    let python = venv.join("bin/python");
    let is_there = || {
        let mut ask = Command::new(&python);
        ask.args(["-c", INSTALLED]).stderr(Stdio::null());
        ask.output()
            .is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim() == wanted)
    };
    if is_there() {
        return Ok(());
    }
    heading(&format!("installing {wanted} in {}", tree.shown(&venv)));
    let mut make = Command::new("python3");
    command::run(make.args(["-m", "venv", "--clear"]).arg(&venv)).map_err(|error| {
        Error::unmet(format!(
            "tests read files with pyarrow, in a virtual environment that cannot be made: \
             {error}; install Python 3 with its venv (Debian: `apt-get install python3-venv`) \
             and repeat"
        ))
    })?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]);
    // A wheel or nothing: building Arrow takes a compiler and an hour.
    install
        .args(["--only-binary", ":all:", "-r"])
        .arg(&requirements);
    command::run(&mut install).map_err(|error| {
        Error::unmet(format!(
            "{wanted}, which tests read files with, cannot be installed: {error}; what pip said \
             is above. It needs PyPI, or a mirror in pip's configuration"
        ))
    })?;
    if is_there() {
        return Ok(());
    }
    let venv = venv.display();
    Err(Error::unmet(format!(
        "{wanted} was installed in {venv} and cannot be used"
    )))
}

/// Makes sure that the flights are unpacked, and returns where.
pub fn flights(tree: &Tree) -> Result<PathBuf> {
    let folder = tree.target.join("test-data");
    let flights = folder.join("flights.csv");
    if is_whole(&flights) {
        return Ok(flights);
    }
    heading(&format!("unpacking {}", tree.shown(&flights)));
    files::make_folder(&folder)?;
    let unpacked = folder.join("flights.csv.new");
    let archive = tree.root.join("tests/data/flights.csv.zip");
    let mut unpack = Command::new("python3");
    command::run(unpack.args(["-c", UNPACK]).arg(&archive).arg(&unpacked)).map_err(|error| {
        let archive = tree.shown(&archive);
        Error::unmet(format!(
            "{archive} cannot be unpacked with python3's zipfile: {error}"
        ))
    })?;
    if !is_whole(&unpacked) {
        let message = format!("{} is not {FLIGHTS_BYTES} bytes long", unpacked.display());
        return Err(Error::unmet(message));
    }
    fs::rename(&unpacked, &flights).map_err(Error::file(&flights))?;
    Ok(flights)
}

fn is_whole(flights: &Path) -> bool {
    fs::metadata(flights).is_ok_and(|metadata| metadata.len() == FLIGHTS_BYTES)
}
