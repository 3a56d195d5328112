//! `vesicle kill`

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use vesicle_pipeline::Exit;
use vesicle_pipeline::document::nearest;

use crate::cli::KillArgs;
use crate::output::{Failed, print_text};
use crate::ps;
use crate::register::{Cell, Process};

/// How long a cell has to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends a cell, and returns when it is gone.
pub async fn run(args: &KillArgs) -> Result<Exit, Failed> {
    let cells = ps::cells()?;
    let cell = find(&cells, &args.which)?;
    let (name, pid) = (&cell.name, cell.process.pid);
    match end(&cell.process).await {
        Ok(true) => print_text(&format!("{name} ({pid}) has ended")),
        Ok(false) => print_text(&format!("{name} ({pid}) had ended already")),
        Err(error) => {
            let text = format!("cannot end {name} ({pid}): {error}");
            return Err(Failed::new(Exit::Unavailable, text));
        }
    }
    Ok(Exit::Success)
}

fn find<'a>(cells: &'a [Cell], which: &str) -> Result<&'a Cell, Failed> {
    let failed = |text: String| Failed::new(Exit::Unavailable, text);
    let pid = which.parse::<i32>().ok();
    if let Some(cell) = cells.iter().find(|cell| Some(cell.process.pid) == pid) {
        return Ok(cell);
    }
    let named: Vec<_> = cells.iter().filter(|cell| cell.name == which).collect();
    match named[..] {
        [cell] => Ok(cell),
        [] => {
            let near = nearest(which, cells.iter().map(|cell| cell.name.as_str()));
            let hint = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "`vesicle ps` prints those that do".to_owned(),
            };
            Err(failed(format!("no cell \"{which}\" runs; {hint}")))
        }
        _ => {
            let pids = named.iter().map(|cell| cell.process.pid.to_string());
            let pids: Vec<_> = pids.collect();
            let pids = pids.join(", ");
            Err(failed(format!(
                "several cells are called \"{which}\"; name the process of one: {pids}"
            )))
        }
    }
}

/// Asks a process to end, and waits until it has. Says whether it was there.
async fn end(process: &Process) -> io::Result<bool> {
    let Some(pid) = Pid::from_raw(process.pid) else {
        return Ok(false);
    };
    let held: OwnedFd = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(false),
        held => held?,
    };
    // What is held now is one process for good; it is looked at after that.
    if !process.is_alive() {
        return Ok(false);
    }
    match pidfd_send_signal(&held, Signal::TERM) {
        Err(Errno::SRCH) => return Ok(false),
        sent => sent?,
    }
    let waited = tokio::task::spawn_blocking(move || wait(&held));
    match waited.await.map_err(io::Error::other)?? {
        true => Ok(true),
        false => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "it was asked to and still runs after {} s; `kill -9 {}` ends it at once",
                PATIENCE.as_secs(),
                process.pid
            ),
        )),
    }
}

/// Waits until a process has ended, as long as it has. Says whether it did.
fn wait(process: &OwnedFd) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
