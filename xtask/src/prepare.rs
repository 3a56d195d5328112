//! Gets what the tests need and the compiler does not bring: programs of Debian, a
//! Python with pyarrow as a reader that is not ours, the flights, unpacked, an
//! image as IPFS has it, and components of other languages.
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
use crate::ipfs;
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
    programs()?;
    python(tree)?;
    flights(tree)?;
    ipfs::make(tree)?;
    foreign::build(tree)
}

/// A program that tests run.
struct Program {
    name: &'static str,
    /// An argument with which it does nothing and succeeds.
    idle: &'static str,
    /// The package of Debian that has it.
    package: &'static str,
    /// What tests do with it.
    purpose: &'static str,
}

const PROGRAMS: [Program; 4] = [
    Program {
        name: "strace",
        idle: "-V",
        package: "strace",
        purpose: "watch system calls",
    },
    Program {
        name: "capnp",
        idle: "--version",
        package: "capnproto",
        purpose: "generate code from schemas",
    },
    Program {
        name: "docker-registry",
        idle: "--version",
        package: "docker-registry",
        purpose: "load images from a registry",
    },
    Program {
        name: "ip",
        idle: "-V",
        package: "iproute2",
        purpose: "make networks",
    },
];

impl Program {
    fn is_there(&self) -> bool {
        command::succeeds(Command::new(self.name).arg(self.idle))
    }
}

/// Makes sure that there are the programs that tests run.
fn programs() -> Result<()> {
    let missing = || PROGRAMS.iter().filter(|program| !program.is_there());
    let packages: Vec<_> = missing().map(|program| program.package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let root = command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if root && command::succeeds(Command::new("apt-get").arg("--version")) {
        heading(&format!("installing {}", packages.join(", ")));
        let apt = |words: &[&str]| {
            let mut apt = Command::new("apt-get");
            command::run(apt.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        let install = ["install", "--yes", "--no-install-recommends"];
        let install = [&install, packages.as_slice()].concat();
        if apt(&install).is_err() {
            apt(&["update"])?;
            apt(&install)?;
        }
    }
    let (mut uses, mut packages) = (Vec::new(), Vec::new());
    for Program {
        name,
        package,
        purpose,
        ..
    } in missing()
    {
        uses.push(format!("{purpose} with {name}"));
        packages.push(*package);
    }
    if packages.is_empty() {
        return Ok(());
    }
    Err(Error::unmet(format!(
        "tests {}, which cannot be run here; install what is missing (Debian: `apt-get install \
         {}`) and repeat",
        uses.join(", and "),
        packages.join(" ")
    )))
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
