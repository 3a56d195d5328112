//! Runs a child process and tells what it cost.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use std::os::unix::process::ExitStatusExt;

use crate::command::line;
use crate::error::{Error, Result};

/// What one run of a process cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From before it was started to its end.
    pub wall: Duration,
    /// In user and in kernel mode, over all its threads.
    pub cpu: Duration,
    /// Its largest resident size in bytes. The few MiB that this program has
    /// itself are the least it can be.
    pub peak: u64,
}

/// Runs a process to its end; it has to succeed. What it prints goes to
/// `log`, and into the error if it fails.
pub fn measure(command: &mut Command, log: &Path) -> Result<Cost> {
    let file = File::create(log).map_err(Error::file(log))?;
    let both = file.try_clone().map_err(Error::file(log))?;
    command.stdin(Stdio::null()).stdout(both).stderr(file);
    let begun = Instant::now();
    let child = command.spawn();
    let ended = child.and_then(|child| wait(child.id()));
    let wall = begun.elapsed();
    let (status, usage) = ended.map_err(|error| Error::NotStarted {
        program: command.get_program().to_string_lossy().into_owned(),
        error,
    })?;
    if !status.success() {
        let said = fs::read_to_string(log).unwrap_or_default();
        return Err(Error::unmet(format!(
            "{}: {status}\n{}",
            line(command),
            said.trim_end()
        )));
    }
    // On Linux in KiB.
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10;
    Ok(Cost {
        wall,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        peak,
    })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// Waits for a child that nobody else waits for.
fn wait(id: u32) -> io::Result<(ExitStatus, libc::rusage)> {
    let id = libc::pid_t::try_from(id).map_err(io::Error::other)?;
    let mut status = 0;
    // SAFETY: rusage is plain integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to locals that outlive the call, of the
        // types that wait4 writes.
        let ended = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
        if ended == id {
            return Ok((ExitStatus::from_raw(status), usage));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Cost> {
        let log = std::env::temp_dir().join(format!(
            "xtask-child-{}-{}",
            std::process::id(),
            script.len()
        ));
        let cost = measure(Command::new("sh").args(["-c", script]), &log);
        fs::remove_file(log).unwrap();
        cost
    }

    #[test]
    fn a_child_that_sleeps_costs_time_and_no_cpu() {
        let cost = shell("sleep 0.2").unwrap();
        assert!(cost.wall >= Duration::from_millis(200));
        assert!(cost.cpu < Duration::from_millis(100), "{:?}", cost.cpu);
        assert!(cost.peak > 0);
    }

    #[test]
    fn a_child_that_computes_costs_cpu() {
        let cost = shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").unwrap();
        assert!(cost.cpu > Duration::from_millis(20), "{:?}", cost.cpu);
    }

    #[test]
    fn a_child_that_fails_is_told_with_what_it_said() {
        let error = shell("echo no such file >&2; exit 3")
            .unwrap_err()
            .to_string();
        assert!(error.contains("no such file"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }
}
