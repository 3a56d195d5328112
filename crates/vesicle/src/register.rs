//! The cells that run on this machine for this user: each has a file in a folder,
//! `vesicle/cells` in `$XDG_RUNTIME_DIR`, or else in the user's state.
//!
//! Invariants: only what this user wrote is believed, in folders that nobody else
//! changes; a file counts as long as the process that it names is the one that
//! wrote it, which the time of its start tells.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// No file of a cell is longer, in bytes.
const LONGEST: u64 = 256 << 10;
/// What nobody else may do in a folder above.
const WRITE: u32 = 0o022;
/// What nobody else may do in the folder itself.
const ANYTHING: u32 = 0o077;
/// What names begin with of files that are being written.
const UNFINISHED: char = '.';

/// A folder of cells that run.
pub struct Register {
    folder: PathBuf,
}

/// A cell that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What it is called.
    pub name: String,
    /// What was run: a component, or layers.
    pub what: Vec<String>,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// The process that it runs in.
    #[serde(flatten)]
    pub process: Process,
}

/// A process of this machine that no other is taken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it was started, in ticks since the machine was.
    start: u64,
    /// Which start of the machine that was.
    boot: String,
    /// Among which processes it has its number.
    namespace: String,
}

/// What is found in a file.
enum Found {
    Alive(Cell),
    /// Its process is gone.
    Stale,
    /// Its process is not to be seen from here.
    Elsewhere,
}

/// A cell that is in a register, until this is dropped.
pub struct Entered(PathBuf);

impl Drop for Entered {
    fn drop(&mut self) {
        // Whoever reads it next removes it, if it is still there.
        let _ = fs::remove_file(&self.0);
    }
}

impl Process {
    /// This one.
    fn own() -> io::Result<Self> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let start = start_of(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            pid,
            start,
            boot: boot()?,
            namespace: namespace()?,
        })
    }

    /// Whether it is there, and has not ended.
    pub fn is_alive(&self) -> bool {
        boot().is_ok_and(|boot| boot == self.boot) && start_of(self.pid) == Some(self.start)
    }
}

/// When a process was started that has not ended, in ticks since the machine was.
fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything. What follows begins with the
    // third field, the state; the start is the 22nd: proc_pid_stat(5).
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X");
    let start = fields.nth(18)?.parse().ok()?;
    (!has_ended).then_some(start)
}

fn boot() -> io::Result<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(boot.trim().to_owned())
}

fn namespace() -> io::Result<String> {
    let namespace = fs::read_link("/proc/self/ns/pid")?;
    Ok(namespace.to_string_lossy().into_owned())
}

impl Register {
    /// The user's.
    ///
    /// # Errors
    ///
    /// Says what to set where nothing tells where it is.
    pub fn of_user() -> Result<Self, String> {
        let named = |name| std::env::var_os(name).map(PathBuf::from);
        let absolute = |path: &PathBuf| path.is_absolute();
        let base = named("XDG_RUNTIME_DIR")
            .filter(absolute)
            .or_else(|| named("XDG_STATE_HOME").filter(absolute))
            .or_else(|| Some(named("HOME")?.join(".local/state")).filter(absolute));
        let base = base.ok_or(
            "nothing tells where cells are registered; set XDG_RUNTIME_DIR, XDG_STATE_HOME or HOME",
        )?;
        Ok(Self::at(&base.join("vesicle/cells")))
    }

    fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Enters a cell that runs in this process.
    ///
    /// # Errors
    ///
    /// Says where it cannot be written, or who else might change it.
    pub fn enter(&self, name: &str, what: Vec<String>) -> Result<Entered, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.folder.display());
        let mut folders = DirBuilder::new();
        let made = folders.recursive(true).mode(0o700).create(&self.folder);
        made.map_err(failed)?;
        self.check()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let process = Process::own().map_err(failed)?;
        let path = self.folder.join(file_name(&process));
        let cell = Cell {
            name: name.to_owned(),
            what,
            since: now.map_or(0, |now| now.as_secs()),
            process,
        };
        self.write(&cell, &path).map_err(failed)?;
        Ok(Entered(path))
    }

    /// Writes a file that is there in whole or not at all.
    fn write(&self, cell: &Cell, path: &Path) -> io::Result<()> {
        let unfinished = format!("{UNFINISHED}{}", file_name(&cell.process));
        let unfinished = self.folder.join(unfinished);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        let written = file.write_all(&serde_json::to_vec(cell)?);
        written
            .and_then(|()| fs::rename(&unfinished, path))
            .inspect_err(|_| {
                let _ = fs::remove_file(&unfinished);
            })
    }

    /// Whether nobody else can change what is in it.
    fn check(&self) -> Result<(), String> {
        let above = self.folder.parent().unwrap_or(&self.folder);
        for (folder, forbidden) in [(above, WRITE), (&self.folder, ANYTHING)] {
            let shown = folder.display();
            let seen = fs::symlink_metadata(folder).map_err(|error| format!("{shown}: {error}"))?;
            if !seen.is_dir() {
                return Err(format!("{shown} is no folder; remove it"));
            }
            if !is_own(&seen) {
                return Err(format!("{shown} belongs to another user"));
            }
            if seen.mode() & forbidden != 0 {
                return Err(format!("others may use {shown}; run: chmod 700 {shown}"));
            }
        }
        Ok(())
    }

    /// The cells that run, in the order in which they were started. Files of those
    /// that do not are removed; `warn` is told of what is no file of a cell.
    ///
    /// # Errors
    ///
    /// Says why the folder cannot be looked into, or who else might change it.
    pub fn cells(&self, mut warn: impl FnMut(String)) -> Result<Vec<Cell>, String> {
        let shown = self.folder.display();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| format!("{shown}: {error}"))?,
        };
        self.check()?;
        let mut cells = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| format!("{shown}: {error}"))?.path();
            match read(&path) {
                Ok(Found::Alive(cell)) => cells.push(cell),
                Ok(Found::Elsewhere) => {}
                Ok(Found::Stale) => {
                    // Another may do the same.
                    let _ = fs::remove_file(&path);
                }
                // One that has ended meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) if is_unfinished(&path) => {}
                Err(error) => warn(format!("{} is ignored: {error}", path.display())),
            }
        }
        cells.sort_by_key(|cell| (cell.since, cell.process.pid));
        Ok(cells)
    }
}

fn file_name(process: &Process) -> String {
    format!("{}-{}", process.pid, process.start)
}

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(UNFINISHED)
}

fn is_own(seen: &Metadata) -> bool {
    seen.uid() == rustix::process::geteuid().as_raw()
}

fn read(path: &Path) -> io::Result<Found> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let seen = fs::symlink_metadata(path)?;
    if !seen.is_file() {
        return Err(wrong("it is no file"));
    }
    let cell: Cell =
        serde_json::from_slice(&contents(path)?).map_err(|_| wrong("it is no file of a cell"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if cell.process.pid <= 0 || name != file_name(&cell.process) {
        return Err(wrong("it is named as another cell"));
    }
    if cell.process.boot == boot()? && cell.process.namespace != namespace()? {
        return Ok(Found::Elsewhere);
    }
    Ok(match cell.process.is_alive() {
        true => Found::Alive(cell),
        false => Found::Stale,
    })
}

/// What is in a file of this user's.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    // What has become a link or a pipe meanwhile leads nowhere and holds nobody up.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    let file: File = options
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)?;
    let seen = file.metadata()?;
    if !seen.is_file() || !is_own(&seen) {
        return Err(wrong("it belongs to another user"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(wrong("it is too long")),
        false => Ok(bytes),
    }
}
