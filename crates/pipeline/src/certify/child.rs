//! A process that is watched: until it ends, or stands still.
//!
//! Invariant: it does not outlive its [`Child`].

use std::fmt;
use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Read as _, Result as IoResult, Seek as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid,
};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A process under way.
pub(super) struct Child {
    pid: Pid,
    /// What it prints, in the order in which it does.
    said: File,
    has_ended: bool,
}

/// How a process ended, and what it printed.
pub(super) enum Ended {
    Exited(i32, String),
    Killed,
    TooLate(Duration),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status, said) => write!(f, "{} (exit {status})", said.trim_end()),
            Self::Killed => f.write_str("it was killed"),
            Self::TooLate(patience) => write!(f, "it has not ended within {patience:?}"),
        }
    }
}

impl Child {
    /// Starts it. What it prints goes to a file, which never fills.
    pub fn start(mut command: Command) -> IoResult<Self> {
        let said = tempfile::tempfile()?;
        command.stdin(Stdio::null());
        command.stdout(said.try_clone()?).stderr(said.try_clone()?);
        let child = command.spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed());
        Ok(Self {
            pid: pid.ok_or_else(|| IoError::from(ErrorKind::InvalidData))?,
            said,
            has_ended: false,
        })
    }

    /// Waits until it stands still; whether it does. One that has ended stays
    /// to be waited for.
    pub fn wait_until_stopped(&mut self, patience: Duration) -> IoResult<bool> {
        let deadline = Instant::now() + patience;
        let options = WaitIdOptions::STOPPED
            | WaitIdOptions::EXITED
            | WaitIdOptions::NOHANG
            | WaitIdOptions::NOWAIT;
        while Instant::now() < deadline {
            match waitid(WaitId::Pid(self.pid), options)? {
                Some(status) => return Ok(status.stopped()),
                None => thread::sleep(LOOK),
            }
        }
        Ok(false)
    }

    /// Lets it go on.
    pub fn go_on(&self) -> IoResult<()> {
        Ok(kill_process(self.pid, Signal::CONT)?)
    }

    /// Kills it; whether it had not ended before.
    pub fn kill(mut self) -> IoResult<bool> {
        self.end()
    }

    /// Waits until it ends; kills it if that takes too long.
    pub fn wait(mut self, patience: Duration) -> IoResult<Ended> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let Some((_, status)) = waitpid(Some(self.pid), WaitOptions::NOHANG)? else {
                thread::sleep(LOOK);
                continue;
            };
            self.has_ended = true;
            let mut said = String::new();
            self.said.rewind()?;
            self.said.read_to_string(&mut said)?;
            return Ok(match status.exit_status() {
                Some(status) => Ended::Exited(status, said),
                None => Ended::Killed,
            });
        }
        Ok(Ended::TooLate(patience))
    }

    fn end(&mut self) -> IoResult<bool> {
        if self.has_ended {
            return Ok(false);
        }
        // It is our child and not waited for, so that the number is its.
        kill_process(self.pid, Signal::KILL)?;
        let status = waitpid(Some(self.pid), WaitOptions::empty())?;
        self.has_ended = true;
        Ok(status.is_some_and(|(_, status)| status.terminating_signal().is_some()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Where it cannot be killed, it has ended.
        let _ = self.end();
    }
}
